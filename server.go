package flux

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/flux-sdk/flux/codec"
)

// server is one Serve: it finds the handlers of requests, keeps track of them,
// and ends them.
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

	mu       sync.Mutex
	active   accepted
	running  int
	waiting  []*inflight
	lanes    map[*Route]*lane
	draining bool
	idle     chan struct{} // closed when active is empty; nil while nobody waits
	cut      error         // what kept requests from being drained

	serverLife
}

func newServer(c *conn, owner *Client, name string, h Handler, ctx context.Context, o serveOptions) *server {
	s := &server{
		c: c, owner: owner, name: name, h: h, opts: o,
		base:       context.WithoutCancel(ctx),
		lanes:      make(map[*Route]*lane),
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

// request takes a request of this service. It runs on the reader and does not
// wait.
func (s *server) request(l *link, m *codec.Message) {
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

func (s *server) newInflight(l *link, m *codec.Message, route *Route) *inflight {
	f := &inflight{s: s, l: l, req: Request{content: content{msg: *m, codec: s.c.codec, mem: l.memory()}}, route: route}
	f.ctx.base, f.ctx.req = s.base, &f.req
	return f
}

// route finds who answers m: a route for the very topic, the conventions that
// every service has, a glob or the plain handler. Nil without an error says
// that m is dealt with.
func (s *server) route(m *codec.Message) (r *Route, err error) {
	if s.mux != nil {
		r = s.mux.find(m.Topic, true)
	}
	if r == nil {
		if s.convention(m) {
			return nil, nil
		}
		r = s.defaults[m.Topic]
	}
	if r == nil && s.mux != nil {
		r = s.mux.find(m.Topic, false)
	}
	if r == nil {
		r = s.plain
	}
	if r == nil {
		return nil, unknownMethod(m.Topic)
	}
	return r, r.opts.check(m)
}

// endedText tells a requester why his request got no better answer.
func (s *server) endedText() string {
	if s.name == "" {
		return ErrServeEnded.Error()
	}
	return fmt.Sprintf("service %s ended", s.name)
}

// refuseWith queues the error response that err stands for.
func (c *conn) refuseWith(l *link, m *codec.Message, err error) {
	errno, text := wireError(err)
	c.answer(l, m, errno, text)
}

// serviceOf is the name of the service a topic belongs to.
func serviceOf(topic string) string {
	name, _, _ := strings.Cut(topic, ".")
	return name
}
