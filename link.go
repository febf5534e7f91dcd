package flux

import (
	"context"
	"errors"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/mtag"
	"github.com/flux-sdk/flux/transport"
)

// link is one connection to a broker, with the matchtags in use on it. The
// fields below the line are guarded by conn.mu.
type link struct {
	t        transport.Conn
	q        transport.Queuer
	side     *sideQueue         // q, if t is no Queuer itself
	more     func() bool        // the next message is in memory already
	recycler transport.Recycler // nil if messages keep their memory
	ended    chan struct{}      // closed when the reader has returned

	// Of the reader alone.
	follows bool // the next message is in memory
	fan     []*subscription

	tags  mtag.Table[*pending]
	ready bool // requests may be sent
	dead  bool // its end has been dealt with
}

func (c *conn) newLink(t transport.Conn) *link {
	l := &link{t: t, ended: make(chan struct{})}
	if q, ok := t.(transport.Queuer); ok {
		l.q = q
	} else {
		l.side = newSideQueue(t)
		l.q = l.side
	}
	l.more = func() bool { return false }
	if b, ok := t.(transport.Batcher); ok {
		l.more = b.Buffered
	}
	if r, ok := t.(transport.Recycler); ok && !c.watch.seesMessages() { // who may keep them
		l.recycler = r
	}
	return l
}

// close closes the connection, in a bounded time: what was accepted is written,
// if the peer takes it.
func (l *link) close() error {
	if l.side != nil {
		l.side.settle()
	}
	return l.t.Close()
}

// owns reports whether p is live in the tag table. Called with mu held.
func (l *link) owns(p *pending) bool {
	v, state := l.tags.Get(p.tag)
	return state == mtag.Live && v == p
}

// acquire waits, within ctx, until requests may be sent, and returns the link
// with mu held. The error leaves mu released.
func (c *conn) acquire(ctx context.Context, owner *Client) (*link, error) {
	return c.acquireUnless(nil, ctx, owner)
}

// errStopWaiting is the error of acquireUnless when stop is closed.
var errStopWaiting = errors.New("stopped while waiting for the connection")

// acquireUnless is acquire that gives up when stop is closed.
func (c *conn) acquireUnless(stop <-chan struct{}, ctx context.Context, owner *Client) (*link, error) {
	c.mu.Lock()
	for {
		if err := c.unusable(owner); err != nil {
			c.mu.Unlock()
			return nil, err
		}
		if c.link.ready {
			return c.link, nil
		}
		up := c.up
		c.mu.Unlock()
		var gone <-chan struct{}
		if owner != nil {
			gone = owner.Done()
		}
		select {
		case <-up:
		case <-gone:
		case <-stop:
			return nil, errStopWaiting
		case <-ctx.Done():
			return nil, ctxError(ctx)
		}
		c.mu.Lock()
	}
}

// admit is acquire that also waits until the link has room for a message, so
// that what gives up waiting has left no trace.
func (c *conn) admit(ctx context.Context, owner *Client) (*link, error) {
	for {
		l, err := c.acquire(ctx, owner)
		if err != nil || !l.q.Full() {
			return l, err
		}
		c.mu.Unlock()
		both, cancel := owner.while(ctx)
		err = l.q.Admit(both)
		cancel()
		if ctx.Err() != nil {
			return nil, ctxError(ctx)
		}
		if err != nil && both.Err() == nil {
			return nil, lostError(err)
		}
		// The owner's end is acquire's to find, a lost connection too.
	}
}

// while returns a ctx that also ends with the client.
func (cl *Client) while(ctx context.Context) (context.Context, context.CancelFunc) {
	both, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(cl.life, cancel)
	return both, func() {
		stop()
		cancel()
	}
}

// transmit sends m on a link that admit has returned. It waits only on a
// transport that cannot do without, within ctx and the owner's life.
func (c *conn) transmit(ctx context.Context, owner *Client, l *link, m *codec.Message) error {
	c.stamp(m)
	var err error
	switch {
	case l.side != nil:
		both, cancel := owner.while(ctx)
		err = l.t.Send(both, m)
		cancel()
		if err == nil && c.watch != nil {
			err = c.watch.note(m, func() error { return nil })
		}
	case c.watch != nil:
		err = c.watch.queue(l.q, m)
	default:
		err = l.q.Queue(m, true)
	}
	if err != nil {
		return err
	}
	c.stats.tx.count(m.Type)
	if c.watch != nil {
		c.flush(l)
	}
	return nil
}
