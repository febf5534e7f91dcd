package flux

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
)

// waitLimit is how many requests of a service, or of a sequential route, wait
// for their turn before more are refused.
const waitLimit = 1024

// lane is the queue of requests that are handled one at a time: those of a
// sequential route, or those of all inline routes.
type lane struct{ waiting []*inflight }

// accept starts f, or lets it wait for its turn.
func (s *server) accept(f *inflight) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.draining:
		err = unknownMethod(f.req.Topic())
	case f.route.opts.sequential, f.route.opts.inline:
		err = s.acceptInOrder(f)
	case s.running < s.opts.maxInFlight:
		s.running++
		f.started = true
		go s.run(f)
	default:
		s.waiting, err = s.enqueue(s.waiting, f, waitLimit)
	}
	if err != nil {
		f.ctx.cancel(err)
		return err
	}
	s.active.add(f)
	return nil
}

// acceptInOrder is accept for a sequential or inline route. Called with mu held.
func (s *server) acceptInOrder(f *inflight) (err error) {
	key := f.route.laneKey()
	ln := s.lanes[key]
	if ln == nil {
		ln = new(lane)
		s.lanes[key] = ln
		f.started = true
		go s.runLane(ln, f)
		return nil
	}
	limit := waitLimit
	if f.route.opts.inline {
		limit += s.opts.maxInFlight // they wait in place of running at once
	}
	ln.waiting, err = s.enqueue(ln.waiting, f, limit)
	return err
}

// laneKey is the lane that a route's requests are handled in. All inline routes
// share one.
func (r *Route) laneKey() *Route {
	if r.opts.inline {
		return nil
	}
	return r
}

// enqueue adds f to those that wait. Those that were ended while they waited
// make room when it is needed. Called with mu held.
func (s *server) enqueue(waiting []*inflight, f *inflight, limit int) ([]*inflight, error) {
	if len(waiting) >= limit {
		waiting = slices.DeleteFunc(waiting, func(f *inflight) bool {
			ended := f.ctx.Err() != nil
			if ended {
				s.forget(f)
			}
			return ended
		})
	}
	if len(waiting) >= limit {
		return waiting, &Error{Topic: f.req.Topic(), Errno: EAGAIN,
			Message: fmt.Sprintf("service is overloaded: %d requests wait", len(waiting))}
	}
	return append(waiting, f), nil
}

func dequeue(waiting []*inflight) (f *inflight, rest []*inflight) {
	f, waiting[0] = waiting[0], nil
	f.started = true
	return f, waiting[1:]
}

// run runs handlers, f's first, as long as requests wait.
func (s *server) run(f *inflight) {
	defer func() {
		if f != nil { // the handler has ended this goroutine
			if f = s.next(f); f != nil {
				go s.run(f)
			}
		}
	}()
	for f != nil {
		f.run()
		f = s.next(f)
	}
}

// next ends the bookkeeping of a request that has been handled, and returns the
// one whose turn it is.
func (s *server) next(done *inflight) (f *inflight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(done)
	if len(s.waiting) == 0 {
		s.waiting = nil
		s.running--
		return nil
	}
	f, s.waiting = dequeue(s.waiting)
	return f
}

// runLane is run for requests that are handled one at a time.
func (s *server) runLane(ln *lane, f *inflight) {
	defer func() {
		if f != nil {
			if f = s.nextInLane(ln, f); f != nil {
				go s.runLane(ln, f)
			}
		}
	}()
	for f != nil {
		f.run()
		f = s.nextInLane(ln, f)
	}
}

// nextInLane ends the bookkeeping of a request that has been handled and returns
// the one whose turn it is. The response of an inline handler may be held back
// for a moment while others are about to follow.
func (s *server) nextInLane(ln *lane, done *inflight) (f *inflight) {
	s.mu.Lock()
	s.forget(done)
	if len(ln.waiting) > 0 {
		f, ln.waiting = dequeue(ln.waiting)
	} else {
		delete(s.lanes, done.route.laneKey())
	}
	s.mu.Unlock()
	if done.route.opts.inline {
		done.l.FlushSoon(f != nil && f.l == done.l)
	}
	return f
}

// forget takes a request out of the books. Called with mu held.
func (s *server) forget(f *inflight) {
	s.active.remove(f)
	f.req.recycle()
	if s.active.n == 0 && s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
}

// run calls the handler and answers with what it returns, if it does.
func (f *inflight) run() {
	defer f.ctx.cancel(errHandlerEnded)
	errno, text := EIO, "handler ended its goroutine"
	defer func() { f.finish(errno, text) }()
	if f.ctx.Err() != nil { // ended while it waited
		errno, text = ECANCELED, f.s.endedText()
		return
	}
	errno, text = f.call()
}

// call calls the handler and makes the reply of what it returns; that may be an
// error that panics.
func (f *inflight) call() (errno Errno, text string) {
	defer func() {
		if p := recover(); p != nil {
			f.s.c.logPanic(f.req.Topic(), p, debug.Stack())
			errno, text = EIO, cleanText(fmt.Sprintf("handler panicked: %v", p))
		}
	}()
	return f.outcome(f.handle())
}

// handle calls the handler, behind the interceptors if there are any.
func (f *inflight) handle() error {
	list := f.s.c.opts.interceptors
	if len(list) == 0 {
		return f.route.serve(&f.ctx, f, &f.req)
	}
	h := intercept(list, Interceptor.WrapHandler, Handler(HandlerFunc(f.route.serve)))
	return h.ServeFlux(&f.ctx, f, &f.req)
}

// logPanic reports a handler's panic; like net/http, to the default logger if
// there is no other, because a panic is a bug that must not stay hidden.
func (c *conn) logPanic(topic string, p any, stack []byte) {
	log := c.opts.logger
	if log == nil {
		log = slog.Default()
	}
	log.Error("flux: handler panicked", "topic", topic, "panic", p, "stack", string(stack))
}
