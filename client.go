package flux

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/mtag"
	"github.com/flux-sdk/flux/transport"
)

// Client is a connection to a Flux broker, for the whole program to share: all
// methods may be called from any goroutine. Make one with [Dial] or
// [NewClient], and end it with Close.
type Client struct {
	c    *conn
	life context.Context // ends when err is set
	over context.CancelFunc

	backlogs backlogs

	// Guarded by c.mu.
	err      error // nothing more can be started, and why
	serving  map[*server]struct{}
	shutting chan struct{} // Shutdown has begun; closed when it is over
	draining *countdown    // Shutdown waits for the calls
}

// NewClient makes a Client of a connection whose handshake is over, such as an
// end of [transport.Pipe]. The connection is the Client's from then on. As
// there is nothing to dial, [WithReconnect] has no effect.
func NewClient(t transport.Conn, opts ...DialOption) *Client {
	return newClient(newConn(t, newDialOptions(opts)))
}

func newDialOptions(opts []DialOption) dialOptions {
	var o dialOptions
	for _, opt := range opts {
		opt.applyDial(&o)
	}
	return o
}

// newClient makes the first client of a connection and sets its reader off.
func newClient(c *conn) *Client {
	cl := c.add()
	c.watch.connected(false)
	go c.read(c.link)
	return cl
}

// add makes a client of a connection.
func (c *conn) add() *Client {
	cl := &Client{c: c, serving: make(map[*server]struct{})}
	cl.life, cl.over = context.WithCancel(context.Background())
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		cl.finish(c.err)
	} else {
		c.clients[cl] = struct{}{}
	}
	return cl
}

// Clone returns a Client with the same connection and a life of its own: its
// Close ends only what was started with it. The last Close among clones closes
// the connection. A clone of a closed client is closed.
func (cl *Client) Clone() *Client {
	cl.c.mu.Lock()
	err := cl.err
	cl.c.mu.Unlock()
	clone := cl.c.add()
	if err != nil {
		clone.Close()
	}
	return clone
}

// finish makes the client unusable. Called with c.mu held.
func (cl *Client) finish(err error) {
	if cl.err == nil {
		cl.err = err
		cl.over()
	}
}

// Done is closed when the connection is finally gone, for a clone also when it
// is closed; Err says why.
func (cl *Client) Done() <-chan struct{} { return cl.life.Done() }

// Err is nil while the client can be used, while its connection is being
// restored included; afterwards it matches [ErrClosed] or [ErrConnLost].
func (cl *Client) Err() error {
	cl.c.mu.Lock()
	defer cl.c.mu.Unlock()
	return cl.err
}

// Close ends everything that was started with this client with [ErrClosed] and,
// if it is the last of its clones, writes what was accepted for sending, for a
// bounded time, and closes the connection. Requests that its services hold are
// answered first. It may be called more than once and from anywhere; use
// [Client.Shutdown] to let things finish.
func (cl *Client) Close() error {
	defer cl.backlogs.close()
	c := cl.c
	c.mu.Lock()
	cl.finish(ErrClosed)
	_, open := c.clients[cl]
	delete(c.clients, cl)
	last := len(c.clients) == 0
	c.mu.Unlock()
	switch {
	case !open:
		return nil
	case !last:
		c.endOwned(cl)
		return nil
	}
	c.end(ErrClosed)
	err := c.hangUp()
	c.watch.close()
	return err
}

// endOwned ends what was started with a clone, on a connection that goes on.
func (c *conn) endOwned(cl *Client) {
	c.mu.Lock()
	owned := c.ownedBy(cl)
	for _, p := range owned {
		c.retire(p)
		p.orphan = p.stream && !p.begun
	}
	subs := c.subs.takeOwned(cl)
	for _, s := range subs {
		c.dropIfUnused(s.topic)
	}
	servers := slices.Collect(maps.Keys(cl.serving))
	l := c.link
	c.mu.Unlock()
	for _, p := range owned {
		c.retired(p)
		s, _ := p.sink.(*stream)
		p.sink.fail(&opError{op: p.op(), topic: p.topic, err: ErrClosed})
		// A call's p is in other hands now. A stream that is not on its way yet
		// is cancelled by who sends it.
		if s != nil && !p.orphan {
			c.sendCancel(p, &s.cancel)
		}
	}
	for _, s := range subs {
		s.end(ErrClosed)
	}
	for _, s := range servers {
		s.ownerClosed()
	}
	if len(owned)+len(subs)+len(servers) > 0 { // or others' messages would be sent before their hooks are called
		c.flush(l)
	}
}

// ownedBy lists the live requests of a client. Called with mu held.
func (c *conn) ownedBy(cl *Client) []*pending {
	var list []*pending
	c.link.tags.All(func(_ uint32, p *pending, s mtag.State) bool {
		if s == mtag.Live && p.owner == cl {
			list = append(list, p)
		}
		return true
	})
	return list
}

// countdown waits for a number of things to be over. Guarded by conn.mu.
type countdown struct {
	n    int
	zero chan struct{}
}

func newCountdown(n int) *countdown {
	d := &countdown{n: n, zero: make(chan struct{})}
	if n == 0 {
		close(d.zero)
	}
	return d
}

func (d *countdown) leave() {
	if d.n--; d.n == 0 {
		close(d.zero)
	}
}

// Shutdown ends the client without cutting anything short: it ends its services
// as the end of their ctx would, whose handlers may still use the client, then
// starts nothing new, waits for the calls that are under way, and closes the
// client. Streams and subscriptions, which have no end of their own, are ended
// by that. If ctx ends first, Shutdown closes at once and returns the error of
// ctx.
func (cl *Client) Shutdown(ctx context.Context) error {
	c := cl.c
	c.mu.Lock()
	if first := cl.shutting; first != nil {
		c.mu.Unlock()
		select {
		case <-first:
			return nil
		case <-ctx.Done():
			cl.Close()
			return ctxError(ctx)
		}
	}
	over := make(chan struct{})
	cl.shutting = over
	c.mu.Unlock()
	defer close(over)
	err := cl.settle(ctx)
	if cerr := cl.Close(); err == nil {
		err = cerr
	}
	return err
}

// settle waits for the services and then for the calls of a client.
func (cl *Client) settle(ctx context.Context) error {
	c := cl.c
	c.mu.Lock()
	var servers []*server
	for s := range cl.serving {
		servers = append(servers, s)
	}
	fallback := c.fallback
	if len(c.clients) > 1 {
		fallback = nil // it serves on
	}
	c.mu.Unlock()
	for _, s := range servers {
		s.stopSoon()
	}
	if fallback != nil {
		if err := fallback.settle(ctx); err != nil {
			return err
		}
	}
	for _, s := range servers {
		select {
		case <-s.returned:
		case <-ctx.Done():
			return ctxError(ctx)
		}
	}
	c.mu.Lock()
	cl.finish(ErrClosed)
	calls := 0
	for _, p := range c.ownedBy(cl) {
		if !p.stream {
			calls++
		}
	}
	d := newCountdown(calls)
	cl.draining = d
	c.mu.Unlock()
	select {
	case <-d.zero:
		return nil
	case <-ctx.Done():
		return ctxError(ctx)
	}
}

// settle waits, as the end of a Serve does, for the handlers of a server that
// has no Serve.
func (s *server) settle(ctx context.Context) error {
	idle := s.stopAccepting()
	s.c.flushLink()
	t := time.NewTimer(s.opts.drainTimeout)
	defer t.Stop()
	select {
	case <-idle:
	case <-s.ended:
	case <-t.C:
	case <-ctx.Done():
		return ctxError(ctx)
	}
	return nil
}

// Stats are counters since the client was made, and what is in use now.
type Stats struct {
	Sent       uint64 // messages accepted for sending
	Received   uint64 // messages received
	Responses  uint64 // responses delivered to a caller
	Abandoned  uint64 // requests given up by their caller before the last reply
	Late       uint64 // responses dropped because their caller had given up
	Stray      uint64 // responses dropped because no request had their matchtag
	Reconnects uint64 // times the connection was restored

	Live    int // matchtags whose reply somebody waits for
	Retired int // matchtags kept until the last reply to a request given up
}

// counters are the ones behind Stats that need no lock.
type counters struct {
	responses, abandoned, late, stray, reconnects atomic.Uint64

	tx, rx typeCounters
}

// typeCounters count messages by type.
type typeCounters struct{ request, response, event, control atomic.Uint64 }

func (t *typeCounters) of(typ codec.Type) *atomic.Uint64 {
	switch typ {
	case codec.TypeRequest:
		return &t.request
	case codec.TypeResponse:
		return &t.response
	case codec.TypeEvent:
		return &t.event
	}
	return &t.control
}

func (t *typeCounters) count(typ codec.Type) { t.of(typ).Add(1) }

func (t *typeCounters) sum() uint64 {
	n := t.read()
	return n.Request + n.Response + n.Event + n.Control
}

func (t *typeCounters) read() typeCounts {
	return typeCounts{t.request.Load(), t.response.Load(), t.event.Load(), t.control.Load()}
}

func (t *typeCounters) clear() {
	for _, typ := range []codec.Type{codec.TypeRequest, codec.TypeResponse, codec.TypeEvent, codec.TypeControl} {
		t.of(typ).Store(0)
	}
}

// Stats returns a snapshot. The numbers are those of the connection, so clones
// share them.
func (cl *Client) Stats() Stats {
	c := cl.c
	s := Stats{
		Sent: c.stats.tx.sum(), Received: c.stats.rx.sum(), Responses: c.stats.responses.Load(),
		Abandoned: c.stats.abandoned.Load(), Late: c.stats.late.Load(), Stray: c.stats.stray.Load(),
		Reconnects: c.stats.reconnects.Load(),
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Live, s.Retired = c.link.tags.Live(), c.link.tags.Retired()
	return s
}
