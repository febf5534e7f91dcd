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

// orderedQueue is the queue of requests that are handled one at a time: those of a
// sequential route, or those of all inline routes.
type orderedQueue struct{ waiting []*inflight }

// accept starts f, or lets it wait for its turn.
func (s *server) accept(f *inflight) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.draining:
		err = unknownMethod(f.req.Topic())
	case f.route.opts.sequential, f.route.opts.inline:
		err = s.acceptOrderedLocked(f)
	case s.running < s.opts.maxInFlight:
		s.running++
		f.started = true
		go s.runRequests(f)
	default:
		s.waiting, err = s.enqueueLocked(s.waiting, f, waitLimit)
	}
	if err != nil {
		f.ctx.cancel(err)
		return err
	}
	s.requests.addRequest(f)
	return nil
}

// acceptOrderedLocked is accept for a sequential or inline route.
func (s *server) acceptOrderedLocked(f *inflight) (err error) {
	key := f.route.orderedKey()
	q := s.ordered[key]
	if q == nil {
		q = new(orderedQueue)
		s.ordered[key] = q
		f.started = true
		go s.runOrdered(q, f)
		return nil
	}
	limit := waitLimit
	if f.route.opts.inline {
		limit += s.opts.maxInFlight // they wait in place of running at once
	}
	q.waiting, err = s.enqueueLocked(q.waiting, f, limit)
	return err
}

// orderedKey is the key of the orderedQueue of a route's requests. All inline routes
// share one.
func (r *Route) orderedKey() *Route {
	if r.opts.inline {
		return nil
	}
	return r
}

// enqueueLocked adds f to those that wait. Those that were ended while they waited
// make room when it is needed.
func (s *server) enqueueLocked(waiting []*inflight, f *inflight, limit int) ([]*inflight, error) {
	if len(waiting) >= limit {
		waiting = slices.DeleteFunc(waiting, func(f *inflight) bool {
			ended := f.ctx.Err() != nil
			if ended {
				s.forgetLocked(f)
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

// dequeue takes the first of those that wait.
func dequeue(waiting []*inflight) (f *inflight, rest []*inflight) {
	f, waiting[0] = waiting[0], nil
	f.started = true
	return f, waiting[1:]
}

// runRequests runs handlers, f's first, as long as requests wait.
func (s *server) runRequests(f *inflight) {
	defer func() {
		if f != nil { // the handler has ended this goroutine
			if f = s.nextRequest(f); f != nil {
				go s.runRequests(f)
			}
		}
	}()
	for f != nil {
		f.runHandler()
		f = s.nextRequest(f)
	}
}

// nextRequest ends the bookkeeping of a request that has been handled, and returns the
// one whose turn it is.
func (s *server) nextRequest(done *inflight) (f *inflight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgetLocked(done)
	if len(s.waiting) == 0 {
		s.waiting = nil
		s.running--
		return nil
	}
	f, s.waiting = dequeue(s.waiting)
	return f
}

// runOrdered is runRequests for requests that are handled one at a time.
func (s *server) runOrdered(q *orderedQueue, f *inflight) {
	defer func() {
		if f != nil {
			if f = s.nextOrdered(q, f); f != nil {
				go s.runOrdered(q, f)
			}
		}
	}()
	for f != nil {
		f.runHandler()
		f = s.nextOrdered(q, f)
	}
}

// nextOrdered ends the bookkeeping of a request that has been handled and returns
// the one whose turn it is. The response of an inline handler may be held back
// for a moment while others are about to follow.
func (s *server) nextOrdered(q *orderedQueue, done *inflight) (f *inflight) {
	s.mu.Lock()
	s.forgetLocked(done)
	if len(q.waiting) > 0 {
		f, q.waiting = dequeue(q.waiting)
	} else {
		delete(s.ordered, done.route.orderedKey())
	}
	s.mu.Unlock()
	if done.route.opts.inline {
		done.l.FlushSoon(f != nil && f.l == done.l)
	}
	return f
}

// forgetLocked takes a request out of the table.
func (s *server) forgetLocked(f *inflight) {
	s.requests.removeRequest(f)
	f.req.recycle()
	if s.requests.count == 0 && s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
}

// runHandler calls the handler and answers with what it returns, if it does.
func (f *inflight) runHandler() {
	defer f.ctx.cancel(errHandlerEnded)
	errno, text := EIO, "handler ended its goroutine"
	defer func() { f.finishHandled(errno, text) }()
	if f.ctx.Err() != nil { // ended while it waited
		errno, text = ECANCELED, f.s.endedText()
		return
	}
	errno, text = f.callHandler()
}

// callHandler calls the handler and makes the reply of what it returns. Making it
// may panic as well, because the error has methods.
func (f *inflight) callHandler() (errno Errno, text string) {
	defer func() {
		if p := recover(); p != nil {
			f.s.c.logPanic(f.req.Topic(), p, debug.Stack())
			errno, text = EIO, cleanText(fmt.Sprintf("handler panicked: %v", p))
		}
	}()
	return f.terminalReply(f.intercepted())
}

// intercepted calls the handler within the interceptors, if there are any.
func (f *inflight) intercepted() error {
	list := f.s.c.opts.interceptors
	if len(list) == 0 {
		return f.route.serveHandler(&f.ctx, f, &f.req)
	}
	h := intercept(list, Interceptor.WrapHandler, Handler(HandlerFunc(f.route.serveHandler)))
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
