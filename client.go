package flux

import (
	"context"
	"maps"
	"slices"

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
