package flux

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/mtag"
	"github.com/flux-sdk/flux/transport"
)

// conn is the state that all clones of a Client share. One lock guards it; what
// can wait, calls back, does I/O or takes long is never done under it.
//
// Lock order: conn.mu, the observer's, then the leaf locks of an outbox and of the
// transport's queue. A server's and a request's locks are never held together with it.
type conn struct {
	opts  dialOptions
	codec PayloadCodec
	watch *observer // nil unless somebody watches the messages
	stats counters
	dial  func(context.Context) (transport.Conn, error) // nil: no way to dial again
	life  context.Context                               // ends when the connection is finally gone
	die   context.CancelFunc

	mu      sync.Mutex
	link    *link         // the present one, or the last
	up      chan struct{} // closed when link is ready or err is set
	err     error         // why the connection is finally gone
	clients map[*Client]struct{}
	attrs   map[string]string // immutable attributes
	subs    subTable

	unaries  sync.Pool // of *unary
	ties     ties
	services map[string]*server
	fallback *server           // WithHandler
	loop     bool              // what is sent comes back: see loopback
	preset   map[string]string // attributes that need no asking

	debugLines []string    // for debugReport
	oldPublish atomic.Bool // the broker knows publishing by its old name only
}

// pending is a request that waits for replies. Whoever takes it out of the tag
// table ends it, so it ends once.
type pending struct {
	owner  *Client // nil for the library's own requests
	link   *link
	topic  string
	sink   sink
	where  *string // who started it, if matchtags are being debugged
	tag    uint32
	stream bool
	tied   bool // a goCall that ends with its ctx

	// Of a stream, guarded by conn.mu: it is with the transport; it was ended
	// before that, so that whoever sends it must cancel it.
	begun, orphan bool
}

func (p *pending) op() string {
	if p.stream {
		return "stream"
	}
	return "call"
}

// sink is where replies go. Its methods are called with no lock held and must
// not wait: reply runs on the reader.
type sink interface {
	// reply delivers a response; final says that it is the last.
	reply(m *codec.Message, final bool)
	// fail ends the request with a local error, in place of a last reply.
	fail(err error)
}

func newConn(t transport.Conn, o dialOptions) *conn {
	c := &conn{
		opts: o, codec: o.payload, watch: newObserver(&o),
		clients: make(map[*Client]struct{}),
		up:      make(chan struct{}),
	}
	c.life, c.die = context.WithCancel(context.Background())
	if c.codec == nil {
		c.codec = jsonCodec{}
	}
	if o.handler != nil {
		c.fallback = newServer(c, nil, "", o.handler, context.Background(), defaultServeOptions())
	}
	c.link = c.newLink(t)
	c.link.ready = true
	close(c.up)
	return c
}

// read is the reader loop of a link. It never waits for anything but the
// transport, and for callers that read in its place.
func (c *conn) read(l *link) {
	var m codec.Message
	for {
		if err := l.t.Recv(&m); err != nil {
			c.lost(l, err)
			close(l.ended)
			return
		}
		c.dispatch(l, &m)
		c.lend(l)
	}
}

// dispatch gives a message that was received to whoever it is for.
func (c *conn) dispatch(l *link, m *codec.Message) {
	c.stats.rx.count(m.Type)
	c.watch.received(m)
	switch m.Type {
	case codec.TypeResponse:
		c.response(l, m)
	case codec.TypeRequest:
		c.request(l, m)
	case codec.TypeEvent:
		c.event(l, m)
	}
}

// response gives a response to whoever waits for it.
func (c *conn) response(l *link, m *codec.Message) {
	if len(m.Routes) > 0 || m.Matchtag == codec.MatchtagNone {
		c.stats.stray.Add(1) // of another's tag space
		return
	}
	final := m.Final()
	c.mu.Lock()
	p, state := l.tags.Get(m.Matchtag)
	switch {
	case state != mtag.Live:
		if final {
			l.tags.Free(m.Matchtag)
		}
	case final:
		l.tags.Free(m.Matchtag)
		p.left()
		if l.tags.Live() == 0 && !p.stream {
			l.role.alone++
		} else {
			l.role.alone = 0
		}
	case !p.stream:
		// A stream of replies to a unary call: the first answers it.
		c.retire(p)
	}
	c.mu.Unlock()
	switch state {
	case mtag.Live:
		c.stats.responses.Add(1)
		p.sink.reply(m, final || !p.stream)
	case mtag.Retired:
		c.stats.late.Add(1)
		c.debugLate(p, m)
	default:
		c.stats.stray.Add(1)
	}
}

// request gives a request to the service it belongs to.
func (c *conn) request(l *link, m *codec.Message) {
	c.mu.Lock()
	s := c.services[serviceOf(m.Topic)]
	if s == nil {
		s = c.fallback
	}
	c.mu.Unlock()
	switch {
	case c.loop && c.loopback(l, m):
	case s == nil:
		c.refuseWith(l, m, unknownMethod(m.Topic))
	default:
		s.request(l, m)
	}
}

// unusable says why a client can send nothing any more. Called with mu held.
func (c *conn) unusable(owner *Client) error {
	if owner != nil && owner.err != nil {
		return owner.err
	}
	return c.err
}

// abandon ends p from this side and keeps its tag in use until the last reply
// has come. It reports false if p has ended already.
func (c *conn) abandon(p *pending) bool {
	c.mu.Lock()
	mine := p.link.owns(p)
	if mine {
		c.retire(p)
	}
	c.mu.Unlock()
	if mine {
		c.retired(p)
	}
	return mine
}

// retire is the part of abandon that needs mu held.
func (c *conn) retire(p *pending) {
	p.link.tags.Retire(p.tag, p.tombstone())
	p.left()
}

// retired is the part of abandon that needs mu not held.
func (c *conn) retired(p *pending) {
	c.stats.abandoned.Add(1)
	c.watch.retired(p.topic, p.tag)
}

// left tells a client that is shutting down that one of its requests is over.
// Called with mu held.
func (p *pending) left() {
	if p.owner != nil && p.owner.draining != nil && !p.stream {
		p.owner.draining.leave()
	}
}

// lostError is the error of everything that the loss of a connection ends.
func lostError(cause error) error {
	switch {
	case errors.Is(cause, ErrConnLost):
		return cause
	case errors.Is(cause, io.EOF):
		return fmt.Errorf("%w: the broker closed it", ErrConnLost)
	}
	return fmt.Errorf("%w: %w", ErrConnLost, cause)
}

// lost is where the reader of a link ends, whatever ended it.
func (c *conn) lost(l *link, cause error) {
	if err := lostError(cause); c.takeDown(l, err, c.restorable()) {
		go c.restoreLoop(nil, err)
	}
	l.close()
}

// restorable reports whether a lost connection is made again.
func (c *conn) restorable() bool { return c.opts.reconnect != nil && c.dial != nil }

// end is the single exit path of the connection: the first reason stays, and
// all that waits for something fails with it.
func (c *conn) end(err error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = err
		if c.link.ready {
			c.watch.disconnected(err)
		}
		for cl := range c.clients {
			cl.finish(err)
		}
		c.clients = nil
		select {
		case <-c.up:
		default:
			close(c.up)
		}
	}
	err = c.err
	c.link.ready, c.link.dead = false, true
	live := c.takeLive(c.link)
	subs := c.subs.takeAll()
	servers := c.servers()
	c.services, c.fallback = nil, nil
	c.mu.Unlock()
	c.die()
	c.ties.close()
	c.debugReport()
	for _, p := range live {
		p.sink.fail(&opError{op: p.op(), topic: p.topic, err: err})
	}
	for _, s := range subs {
		s.end(err)
	}
	for _, s := range servers {
		s.connectionEnded(err)
	}
}

// hangUp closes the link of a connection that has ended.
func (c *conn) hangUp() error {
	c.mu.Lock()
	l := c.link // not to be replaced any more
	c.mu.Unlock()
	c.flush(l)
	return l.close()
}

// flushLink is flush for the present link.
func (c *conn) flushLink() {
	c.mu.Lock()
	l := c.link
	c.mu.Unlock()
	c.flush(l)
}

// servers lists all that take requests. Called with mu held.
func (c *conn) servers() []*server {
	list := slices.Collect(maps.Values(c.services))
	if c.fallback != nil {
		list = append(list, c.fallback)
	}
	return list
}

// takeLive empties the tag table of a link that is over. Called with mu held.
func (c *conn) takeLive(l *link) []*pending {
	c.debugLeft(l)
	live := l.tags.Drain()
	l.needReaderLocked()
	for _, p := range live {
		p.left()
	}
	return live
}
