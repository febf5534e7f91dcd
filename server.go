package flux

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/session"
)

// server is one Serve. It finds the handlers of requests, keeps track of them, and
// ends them.
type server struct {
	c        *conn
	owner    *Client
	name     string // "" serves what belongs to no other
	h        Handler
	mux      *ServeMux         // h, if it is one
	plain    *Route            // h, if it is none
	defaults map[string]*Route // by topic
	opts     serveOptions
	base     context.Context // the values of Serve's ctx, without its end

	// Guarded by mu.
	mu       sync.Mutex
	requests requestTable
	running  int                      // handlers that are not in an orderedQueue
	waiting  []*inflight              // for one of them to return
	ordered  map[*Route]*orderedQueue // by orderedKey
	draining bool                     // nothing more is accepted
	idle     chan struct{}            // closed when requests is empty; nil while nobody waits
	drainErr error                    // what kept requests from being drained

	serverLife
}

func newServer(c *conn, owner *Client, name string, h Handler, ctx context.Context, o serveOptions) *server {
	s := &server{
		c: c, owner: owner, name: name, h: h, opts: o,
		base:       context.WithoutCancel(ctx),
		ordered:    make(map[*Route]*orderedQueue),
		serverLife: newServerLife(),
	}
	if s.mux, _ = h.(*ServeMux); s.mux == nil {
		s.plain = &Route{h: h, opts: routeOptions{roles: RoleOwner}}
	}
	if name != "" && !o.noDefaults {
		s.defaults = s.defaultRoutes()
	}
	return s
}

// takeRequest takes a request of this service. It runs on the reader and does not
// wait.
func (s *server) takeRequest(l *session.Link, m *codec.Message) {
	route, err := s.route(m)
	if err == nil && route == nil {
		return // it was for the server itself
	}
	if err == nil {
		err = s.accept(s.newInflight(l, m, route))
	}
	if err != nil {
		s.c.refuseWith(l, m, err)
	}
}

func (s *server) newInflight(l *session.Link, m *codec.Message, route *Route) *inflight {
	f := &inflight{s: s, l: l, req: Request{content: content{msg: *m, codec: s.c.codec, mem: l.Memory()}}, route: route}
	f.ctx.base, f.ctx.req = s.base, &f.req
	return f
}

// route finds who answers m: a route for the very topic, the conventions that
// every service has, a glob or the plain handler. Nil without an error says
// that m is dealt with.
func (s *server) route(m *codec.Message) (r *Route, err error) {
	if s.mux != nil {
		r = s.mux.findRoute(m.Topic, true)
	}
	if r == nil {
		if s.takeConvention(m) {
			return nil, nil
		}
		r = s.defaults[m.Topic]
	}
	if r == nil && s.mux != nil {
		r = s.mux.findRoute(m.Topic, false)
	}
	if r == nil {
		r = s.plain
	}
	if r == nil {
		return nil, unknownMethod(m.Topic)
	}
	return r, r.opts.checkRequest(m)
}

// endedText is the text for requests that the end of the service answers.
func (s *server) endedText() string {
	if s.name == "" {
		return ErrServeEnded.Error()
	}
	return fmt.Sprintf("service %s ended", s.name)
}

// refuseWith queues the error response that err stands for.
func (c *conn) refuseWith(l *session.Link, m *codec.Message, err error) {
	errno, text := wireError(err)
	c.answer(l, m, errno, text)
}

// serviceOf is the name of the service a topic belongs to.
func serviceOf(topic string) string {
	name, _, _ := strings.Cut(topic, ".")
	return name
}

// serverLife is how a server ends: asked to, by the end of Serve's ctx or by
// Shutdown, or because its connection or its owner is gone.
type serverLife struct {
	// Guarded by conn.mu.
	registered bool          // the broker is to know it
	askedOn    *session.Link // where the broker was asked for the name last

	stopping sync.Once
	stop     chan struct{} // closed to end it as the end of Serve's ctx does
	failing  sync.Once
	ended    chan struct{} // closed when it is over without having been asked to
	err      error         // why; set before ended is closed
	returned chan struct{} // closed when Serve has returned
}

func newServerLife() serverLife {
	return serverLife{stop: make(chan struct{}), ended: make(chan struct{}), returned: make(chan struct{})}
}

// stopSoon ends the server as the end of Serve's ctx does.
func (s *serverLife) stopSoon() { s.stopping.Do(func() { close(s.stop) }) }

// endNow makes Serve return err.
func (s *serverLife) endNow(err error) {
	s.failing.Do(func() {
		s.err = err
		close(s.ended)
	})
}

// linkLost ends the requests that came over a link that is gone.
func (s *server) linkLost(l *session.Link) {
	for _, f := range s.aboutToEnd(ErrConnLost) {
		if f.l == l {
			f.endSilently(ErrConnLost)
		}
	}
}

// connectionEnded ends the server with its connection, by a local Close or by a
// loss. In the first case answers still go out.
func (s *server) connectionEnded(err error) {
	s.refuseRequests()
	if errors.Is(err, ErrClosed) {
		s.answerAll(err)
	} else {
		for _, f := range s.aboutToEnd(err) {
			f.endSilently(ErrConnLost)
		}
	}
	s.endNow(err)
}

// ownerClosed ends the server of a clone whose connection goes on.
func (s *server) ownerClosed() {
	s.refuseRequests()
	s.unregister()
	s.removeFromTables() // the name is free for another clone
	s.answerAll(ErrClosed)
	s.endNow(ErrClosed)
}

// answerAll answers, at once, every request that is still open, and returns how
// many there were.
func (s *server) answerAll(reason error) int {
	n := 0
	for _, f := range s.aboutToEnd(reason) {
		if f.serveEnded() {
			n++
			f.l.Flush()
		}
	}
	return n
}

// aboutToEnd lists the requests that the caller is about to end. A Serve that
// waits for the answer to one of them gets the reason before their handlers do.
func (s *server) aboutToEnd(reason error) []*inflight {
	s.mu.Lock()
	list := s.requests.list()
	s.mu.Unlock()
	if slices.ContainsFunc(list, (*inflight).isOpen) {
		s.mu.Lock()
		if s.draining {
			s.drainErr = reason
		}
		s.mu.Unlock()
	}
	return list
}

// refuseRequests makes the server accept nothing more.
func (s *server) refuseRequests() {
	s.mu.Lock()
	s.draining = true
	s.mu.Unlock()
}

// unregister takes the name back, if the broker has it. The channel tells when
// that is done; it is nil if there is nothing to wait for.
func (s *server) unregister() <-chan error {
	c := s.c
	c.mu.Lock()
	s.registered = false // a restore leaves it out from here on
	l := c.sess.Link()
	known := s.askedOn == l
	c.mu.Unlock()
	if !known {
		return nil
	}
	removed := c.ask(l, "service.remove", serviceRequest{s.name})
	if !c.sess.IsReady(l) {
		return nil
	}
	return removed
}

// removeFromTables takes the server out of the tables.
func (s *server) removeFromTables() {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.services[s.name] == s {
		delete(c.services, s.name)
		c.sess.ExpectUnasked(-1)
	}
	if s.owner != nil {
		delete(s.owner.serving, s)
	}
}

// A name that is taken may still belong to the old connection, whose end the
// broker has not seen yet. So a restore tries again, with doubling pauses.
const (
	nameRetries    = 6
	firstNamePause = 10 * time.Millisecond
)

// restoreServices registers the services again. A name that another client
// has by now ends its Serve; any other failure is that of the link.
func (c *conn) restoreServices(l *session.Link) error {
	c.mu.Lock()
	todo := slices.Collect(maps.Values(c.services))
	c.mu.Unlock()
	pause := firstNamePause
	for try := 0; ; try++ {
		taken, err := c.addServices(l, todo, try == nameRetries)
		if err != nil || len(taken) == 0 {
			return err
		}
		if !session.Sleep(c.sess.Context(), pause) {
			return ErrClosed
		}
		todo = taken
		pause *= 2
	}
}

// addServices registers those of the services that are to be, all at once, and
// returns the ones whose name is taken, unless this is the last try.
func (c *conn) addServices(l *session.Link, servers []*server, last bool) (taken []*server, err error) {
	type adding struct {
		s  *server
		ch <-chan error
	}
	var list []adding
	c.mu.Lock()
	for _, s := range servers {
		// In one step with the check: a service.remove must come after it.
		if !s.registered {
			continue
		}
		a := newErrorSink("service.add")
		if err = c.sess.Ask(l, "service.add", serviceRequest{s.name}, a); err != nil {
			break
		}
		s.askedOn = l
		list = append(list, adding{s, a.ch})
	}
	c.mu.Unlock()
	l.Flush()
	for _, a := range list {
		e := <-a.ch
		var refused *Error
		switch {
		case e == nil:
		case !errors.As(e, &refused):
			err = e
		case errors.Is(e, EEXIST) && !last:
			taken = append(taken, a.s)
		default:
			c.endRefused(a.s, e)
		}
	}
	return taken, err
}

// endRefused ends a Serve whose service cannot be registered again.
func (c *conn) endRefused(s *server, err error) {
	c.mu.Lock()
	wanted := s.registered
	s.registered = false
	c.mu.Unlock()
	if wanted {
		s.refuseRequests()
		s.endNow(s.explainRefusal(err))
	}
}

// registering is the sink of a Serve's service.add. It notes the success on the
// reader, so that a loss right after it finds a service to restore.
type registering struct {
	s *server
	errorSink
}

func (r registering) Reply(m *codec.Message, final bool) {
	if m.Errnum == 0 {
		r.s.c.mu.Lock()
		r.s.registered = true
		r.s.c.mu.Unlock()
	}
	r.errorSink.Reply(m, final)
}
