package flux

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/ctxwatch"
	"github.com/flux-sdk/flux/internal/session"
	"github.com/flux-sdk/flux/transport"
)

// conn is what all clones of a Client share: the session, and the tables of what
// the session does not know, services and subscriptions. It is the session's
// Handler.
//
// Lock order: conn.mu, then the locks of the session. A server's and a request's
// locks are never held together with conn.mu. What can wait, calls back, does I/O
// or takes long is never done under conn.mu.
type conn struct {
	sess  *session.Session
	opts  dialOptions
	codec PayloadCodec
	watch *observer // nil if no hook and no trace is set

	loop        bool              // what is sent comes back: see answerLoop
	presetAttrs map[string]string // attributes that need no asking

	unaries    sync.Pool // of *unary
	watches    ctxwatch.Set[goCall, *goCall]
	oldPublish atomic.Bool // the broker knows publishing by its old name only

	matched []*subscription // of the event at hand; owned by the reading goroutine

	// Guarded by mu.
	mu       sync.Mutex
	attrs    map[string]string // immutable attributes
	subs     subscriptionTable
	services map[string]*server
	fallback *server // WithHandler
}

// connTarget is where a connection comes from, if it can be made again.
type connTarget struct {
	dial  func(context.Context) (transport.Conn, error)
	loop  bool
	attrs map[string]string
}

func newConn(t transport.Conn, o dialOptions, target connTarget) *conn {
	c := &conn{
		opts: o, codec: o.payload, watch: newObserver(&o),
		loop: target.loop, presetAttrs: target.attrs, attrs: maps.Clone(target.attrs),
	}
	if c.codec == nil {
		c.codec = jsonCodec{}
	}
	cfg := session.Config{
		Handler: c, Dial: target.dial, Logger: o.logger, MatchDebug: o.matchDebug,
		UserID: o.userid, Roles: (*uint32)(o.roles), MaxMessage: o.maxMessage,
		Reconnect: (*session.Policy)(o.reconnect), KeepMemory: c.watch.seesMessages(),
	}
	if c.watch != nil {
		cfg.Observer = c.watch
	}
	c.sess = session.New(t, cfg)
	if o.handler != nil {
		c.fallback = newServer(c, nil, "", o.handler, context.Background(), defaultServeOptions())
		c.sess.ExpectUnasked(1)
	}
	return c
}

// Request gives a request to the service it belongs to.
func (c *conn) Request(l *session.Link, m *codec.Message) {
	s := c.serverOf(m.Topic)
	switch {
	case c.loop && c.answerLoop(l, m):
	case s == nil:
		c.refuseWith(l, m, unknownMethod(m.Topic))
	default:
		s.takeRequest(l, m)
	}
}

func (c *conn) serverOf(topic string) *server {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.services[serviceOf(topic)]; s != nil {
		return s
	}
	return c.fallback
}

// Lost forgets what the broker has told, and ends the requests that came over the
// link.
func (c *conn) Lost(l *session.Link, wasReady bool) {
	c.mu.Lock()
	if wasReady {
		c.attrs = maps.Clone(c.presetAttrs)
		c.subs.deactivateLocked()
	}
	servers := c.serversLocked()
	c.mu.Unlock()
	for _, s := range servers {
		s.linkLost(l)
	}
	if wasReady {
		c.oldPublish.Store(false)
	}
}

// Restore registers the services and makes the subscriptions again.
func (c *conn) Restore(l *session.Link) error {
	// Early requests would get EAGAIN; this one is held until the broker runs.
	if err := <-c.ask(l, "state-machine.wait", nil); err != nil && !errors.Is(err, ENOSYS) {
		return err
	}
	if err := c.restoreServices(l); err != nil {
		return err
	}
	return c.restoreSubs(l)
}

// Ended ends all subscriptions and services.
func (c *conn) Ended(err error) {
	c.watches.Close()
	c.mu.Lock()
	subs := c.subs.takeAllLocked(err)
	servers := c.serversLocked()
	c.services, c.fallback = nil, nil
	c.mu.Unlock()
	for _, s := range subs {
		s.endChannel(err)
	}
	for _, s := range servers {
		s.connectionEnded(err)
	}
}

// serversLocked lists all that take requests.
func (c *conn) serversLocked() []*server {
	list := slices.Collect(maps.Values(c.services))
	if c.fallback != nil {
		list = append(list, c.fallback)
	}
	return list
}

// ask makes a request of the library's own, on a link that need not be ready. The
// channel gets nil or the error.
func (c *conn) ask(l *session.Link, topic string, req any) <-chan error {
	a := newErrorSink(topic)
	c.askWith(l, topic, req, a, a)
	return a.ch
}

// askWith is ask with a sink around the errorSink.
func (c *conn) askWith(l *session.Link, topic string, req any, s session.Sink, a errorSink) {
	if err := c.sess.Ask(l, topic, req, s); err != nil {
		a.ch <- err
		return
	}
	l.Flush()
}

// errorSink is the sink of a request of whose response only the error matters.
type errorSink struct {
	topic string
	ch    chan error
}

func newErrorSink(topic string) errorSink { return errorSink{topic, make(chan error, 1)} }

func (a errorSink) Reply(m *codec.Message, _ bool) {
	if m.Errnum != 0 {
		a.ch <- remoteError(m.Topic, m)
	} else {
		a.ch <- nil
	}
}

func (a errorSink) Fail(err error) { a.ch <- &opError{op: "call", topic: a.topic, err: err} }

// discardSink is the sink of a request whose outcome changes nothing.
type discardSink struct{}

func (discardSink) Reply(*codec.Message, bool) {}
func (discardSink) Fail(error)                 {}

// sendError is the error of an operation of which nothing was sent.
//
//go:noinline
func sendError(op, topic string, err error) error {
	return &opError{op: op, topic: topic, err: err, unsent: !session.Unsendable(err)}
}
