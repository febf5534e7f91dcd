package flux

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/flux-sdk/flux/codec"
)

// ServeMux is a [Handler] that gives each request to the route its topic
// belongs to, by the rules of libflux's dispatcher
// (flux_msg_handler_create(3)): a route for the very topic, the newest of them;
// if there is none, or it is stopped, the newest route whose glob matches;
// otherwise the request is answered with ENOSYS.
//
// A request is checked before the handler runs: its sender must have a role
// that the route allows, by default only the instance owner has ([AllowRoles]),
// and a [Streaming] route takes only streaming requests.
//
// All methods may be called at any time from any goroutine.
type ServeMux struct {
	// Guarded by mu.
	mu    sync.RWMutex
	exact map[string][]*Route // the newest last
	globs []*Route            // the newest last
}

// Route is one handler of a [ServeMux].
type Route struct {
	mux     *ServeMux
	pattern string
	h       Handler
	opts    routeOptions
	stopped bool       // guarded by mux.mu
	running sync.Mutex // held by the one request of a sequential route
}

// NewServeMux returns a mux without routes.
func NewServeMux() *ServeMux { return &ServeMux{exact: make(map[string][]*Route)} }

// Handle adds a route. The pattern is a full topic ("calc.add") or a glob over
// full topics ("calc.*"), as in [codec.Match]. A pattern that has a route
// already is a bug and panics; see Override.
func (m *ServeMux) Handle(pattern string, h Handler, opts ...RouteOption) *Route {
	return m.addRoute(pattern, h, opts, false)
}

// HandleFunc adds a route whose handler is a function; see Handle.
func (m *ServeMux) HandleFunc(
	pattern string, f func(context.Context, Responder, *Request) error, opts ...RouteOption,
) *Route {
	return m.addRoute(pattern, HandlerFunc(f), opts, false)
}

// Override adds a route that hides the one its pattern has, if any, until it is
// removed. Stopping it does not uncover the other.
func (m *ServeMux) Override(pattern string, h Handler, opts ...RouteOption) *Route {
	return m.addRoute(pattern, h, opts, true)
}

func (m *ServeMux) addRoute(pattern string, h Handler, opts []RouteOption, override bool) *Route {
	if isNilHandler(h) {
		panic(fmt.Sprintf("flux: nil handler for %q", pattern))
	}
	r := &Route{mux: m, pattern: pattern, h: h, opts: routeOptions{roles: RoleOwner}}
	for _, opt := range opts {
		opt.applyRoute(&r.opts)
	}
	r.opts.inline = r.opts.inline && !r.opts.sequential
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.exact == nil {
		m.exact = make(map[string][]*Route)
	}
	if isGlob(pattern) {
		if !override && slices.ContainsFunc(m.globs, func(o *Route) bool { return o.pattern == pattern }) {
			panic(fmt.Sprintf("flux: pattern %q has a route already; use Override to hide it", pattern))
		}
		m.globs = append(m.globs, r)
		return r
	}
	if !override && len(m.exact[pattern]) > 0 {
		panic(fmt.Sprintf("flux: topic %q has a route already; use Override to hide it", pattern))
	}
	m.exact[pattern] = append(m.exact[pattern], r)
	return r
}

// isNilHandler finds the handlers that could only panic.
func isNilHandler(h Handler) bool {
	switch h := h.(type) {
	case nil:
		return true
	case HandlerFunc:
		return h == nil
	case *ServeMux:
		return h == nil
	}
	return false
}

// isGlob tells the patterns that may match more than one topic.
func isGlob(pattern string) bool { return pattern == "" || codec.IsGlob(pattern) }

// Stop makes the route match nothing until Start. Requests it has got already
// are not touched.
func (r *Route) Stop() { r.setStopped(true) }

// Start undoes Stop. A route is started when it is made.
func (r *Route) Start() { r.setStopped(false) }

func (r *Route) setStopped(stopped bool) {
	r.mux.mu.Lock()
	defer r.mux.mu.Unlock()
	r.stopped = stopped
}

// Remove takes the route out of its mux for good and uncovers what it hid.
func (r *Route) Remove() {
	m := r.mux
	m.mu.Lock()
	defer m.mu.Unlock()
	same := func(o *Route) bool { return o == r }
	if isGlob(r.pattern) {
		m.globs = slices.DeleteFunc(m.globs, same)
		return
	}
	if rest := slices.DeleteFunc(m.exact[r.pattern], same); len(rest) > 0 {
		m.exact[r.pattern] = rest
	} else {
		delete(m.exact, r.pattern)
	}
}

// findRoute returns the route of a topic, or nil. exactOnly leaves the globs out.
func (m *ServeMux) findRoute(topic string, exactOnly bool) *Route {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if stack := m.exact[topic]; len(stack) > 0 {
		if r := stack[len(stack)-1]; !r.stopped {
			return r
		}
	}
	if exactOnly {
		return nil
	}
	for _, r := range slices.Backward(m.globs) {
		if !r.stopped && codec.Match(r.pattern, topic) {
			return r
		}
	}
	return nil
}

// ServeFlux finds the request's route, checks the request and calls the route's
// handler. It is for a mux behind another handler, where the requests of a
// [Sequential] route come one at a time but in no particular order;
// [Client.Serve] checks before it starts a goroutine.
func (m *ServeMux) ServeFlux(ctx context.Context, w Responder, r *Request) error {
	route := m.findRoute(r.Topic(), false)
	if route == nil {
		return unknownMethod(r.Topic())
	}
	if err := route.opts.checkRequest(&r.msg); err != nil {
		return err
	}
	return route.serveHandler(ctx, w, r)
}

// serveHandler calls the route's handler. The lock keeps a sequential route to one
// request at a time wherever its mux is used; the order is a server's to keep.
func (r *Route) serveHandler(ctx context.Context, w Responder, req *Request) error {
	if r.opts.sequential {
		r.running.Lock()
		defer r.running.Unlock()
	}
	return r.h.ServeFlux(ctx, w, req)
}

// checkRequest refuses a request that the route is not for.
func (o *routeOptions) checkRequest(m *codec.Message) error {
	allowed := o.roles | RoleOwner
	switch {
	case Role(m.Rolemask)&allowed != 0:
	case allowed == RoleOwner:
		return &Error{Topic: m.Topic, Errno: EPERM, Message: "Request requires owner credentials"}
	default:
		return &Error{Topic: m.Topic, Errno: EPERM, Message: "Request rejected due to insufficient privilege"}
	}
	if o.streaming && m.Flags&codec.FlagStreaming == 0 {
		return errNotStreaming
	}
	return nil
}

// unknownMethod is the dispatcher's answer to a topic nobody handles.
func unknownMethod(topic string) error {
	text := fmt.Sprintf("Unknown service method '%s'", topic)
	return &Error{Topic: topic, Errno: ENOSYS, Message: text[:min(len(text), maxDispatchText)]}
}

// maxDispatchText is where libflux's dispatcher cuts its texts.
const maxDispatchText = 255
