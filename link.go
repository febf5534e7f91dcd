package flux

import (
	"context"
	"errors"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/framing"
	"github.com/flux-sdk/flux/internal/mtag"
	"github.com/flux-sdk/flux/transport"
)

// link is one connection to a broker, with the matchtags in use on it.
type link struct {
	t     transport.Conn
	fc    *framing.Conn // t; nil if it is a foreign one
	side  *sideQueue    // for a foreign t; or else nil
	ended chan struct{} // closed when the reader has returned

	matched []*subscription // of the event that the reader is at
	recycle bool            // memory of messages may be used again: nobody is shown them
	role    readRole

	// Guarded by conn.mu.
	tags  mtag.Table[*pending]
	ready bool // requests may be sent
	dead  bool // its end has been dealt with
}

func (c *conn) newLink(t transport.Conn) *link {
	l := &link{t: t, ended: make(chan struct{}), recycle: !c.watch.seesMessages()}
	if l.fc, _ = t.(*framing.Conn); l.fc == nil {
		l.side = newSideQueue(t)
	}
	return l
}

// queue accepts m without waiting and without I/O.
func (l *link) queue(m *codec.Message) error {
	if l.fc != nil {
		return l.fc.Queue(m)
	}
	return l.side.queue(m)
}

// flush sees to it that what was queued is written. It does not wait.
func (l *link) flush() {
	if l.fc != nil {
		l.fc.FlushByReader()
	}
}

// flushSoon is flush that may wait for more, for a moment.
func (l *link) flushSoon() {
	if l.fc != nil {
		l.fc.FlushSoon()
	}
}

// full reports whether admit would wait.
func (l *link) full() bool {
	if l.fc != nil {
		return l.fc.Full()
	}
	return l.side.full()
}

// admit waits, within ctx, while too much is queued.
func (l *link) admit(ctx context.Context) error {
	if l.fc != nil {
		return l.fc.Admit(ctx)
	}
	return l.side.admit(ctx)
}

// admitItem is admit for an item of a stream.
func (l *link) admitItem(ctx context.Context) error {
	if l.fc != nil {
		return l.fc.AdmitFlow(ctx)
	}
	return l.side.admit(ctx)
}

// buffered reports whether the next message is in memory already. It belongs to
// the reader.
func (l *link) buffered() bool { return l.fc != nil && l.fc.Buffered() }

// memory is that of the message that was received last, if it can be used again
// one day. It belongs to the reader.
func (l *link) memory() *framing.Memory {
	if l.fc == nil || !l.recycle {
		return nil
	}
	return l.fc.Memory()
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
		if err != nil || !l.full() {
			return l, err
		}
		c.mu.Unlock()
		both, cancel := owner.while(ctx)
		err = l.admit(both)
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
		err = c.watch.sendingSlowly(m, func() error {
			both, cancel := owner.while(ctx)
			defer cancel()
			return l.t.Send(both, m)
		})
	case c.watch != nil:
		err = c.watch.sending(m, func() error { return l.queue(m) })
	default:
		err = l.queue(m)
	}
	if err != nil {
		return err
	}
	c.stats.tx.count(m.Type)
	c.flush(l)
	return nil
}
