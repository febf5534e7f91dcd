package flux

import (
	"context"
	"errors"
	"fmt"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/mtag"
)

// begin registers p and then queues m with p's tag. After nil, p's sink gets
// exactly one end; after an error, none, and nothing was accepted for sending.
func (c *conn) begin(ctx context.Context, p *pending, m *codec.Message) error {
	if ctx.Err() != nil {
		return p.unsent(m, ctxError(ctx))
	}
	for {
		l, err := c.admit(ctx, p.owner)
		if err != nil {
			return p.unsent(m, err)
		}
		tag, ok := l.tags.Take(p)
		if ok {
			p.link, p.tag = l, tag
			l.claimLocked(p)
		}
		c.mu.Unlock()
		if !ok {
			return p.unsent(m, errNoMatchtag)
		}
		c.debugWhere(p)
		m.Matchtag = tag
		err = c.transmit(ctx, p.owner, l, m)
		switch {
		case err == nil && p.stream:
			c.begun(p)
			return nil
		case err == nil, !c.unregister(p):
			// Or else the end of the connection or of the owner got there first
			// and has told the sink.
			return nil
		}
		if u, ok := p.sink.(*unary); ok {
			u.giveRole()
		}
		if !c.replaced(ctx, p.owner, l, err) {
			return c.sendError(ctx, p.owner, p.op(), m.Topic, err)
		}
	}
}

// unsent is the error of a request of which nothing was sent.
//
//go:noinline
func (p *pending) unsent(m *codec.Message, err error) error {
	return &opError{op: p.op(), topic: m.Topic, err: err, unsent: true}
}

// replaced reports whether a message that l did not accept is for the next link,
// and waits until it is known here that l is over.
func (c *conn) replaced(ctx context.Context, owner *Client, l *link, err error) bool {
	if l.side != nil || !c.restorable() || ctx.Err() != nil ||
		errors.Is(err, codec.ErrUnsendable) || errors.Is(err, codec.ErrTooLarge) {
		return false
	}
	select {
	case <-l.ended:
		return true
	case <-owner.Done():
	case <-ctx.Done():
	}
	return false
}

// begun notes that a stream's request is on its way. If the stream was ended
// before, its cancel request, which must not overtake it, is sent now.
func (c *conn) begun(p *pending) {
	c.mu.Lock()
	p.begun = true
	orphan := p.orphan
	c.mu.Unlock()
	if s, ok := p.sink.(*stream); ok && orphan {
		c.sendCancel(p, &s.cancel)
	}
}

// unregister takes p, of which nothing was sent, out of the table. It reports
// false if p has been ended already.
func (c *conn) unregister(p *pending) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !p.link.owns(p) {
		if _, state := p.link.tags.Get(p.tag); state == mtag.Retired {
			p.link.tags.Free(p.tag) // no reply will come
		}
		return false
	}
	p.link.tags.Free(p.tag)
	p.left()
	return true
}

var errNoMatchtag = fmt.Errorf("all %d matchtags are in use", mtag.Max)

// queue accepts m without waiting and without I/O, so it may be called under a
// lock; the caller is to flush with no lock held. A failure means that the
// connection is going away, which the reader will find out.
func (c *conn) queue(l *link, m *codec.Message) error {
	c.stamp(m)
	var err error
	if c.watch != nil {
		err = c.watch.sending(m, func() error { return l.queue(m) })
	} else {
		err = l.queue(m)
	}
	if err == nil {
		c.stats.tx.count(m.Type)
	}
	return err
}

// flush starts writing what was queued. It does not wait.
func (c *conn) flush(l *link) {
	l.flush()
}

// flushSoon is flush that may wait for more, for a moment, if soon says so.
func (c *conn) flushSoon(l *link, soon bool) {
	if soon {
		l.flushSoon()
	} else {
		c.flush(l)
	}
}

// stamp fills in the credentials that were asked for at Dial.
func (c *conn) stamp(m *codec.Message) {
	if c.opts.userid != nil && m.UserID == codec.UserIDUnknown {
		m.UserID = *c.opts.userid
	}
	if c.opts.roles != nil && m.Rolemask == codec.RoleNone {
		m.Rolemask = uint32(*c.opts.roles)
	}
}

// beginQuick is begin for the library's own small requests: it queues without
// waiting or writing and must be called with mu held. The caller flushes.
func (c *conn) beginQuick(l *link, topic string, req any, s sink) error {
	if l.dead {
		return ErrConnLost
	}
	p := &pending{link: l, topic: topic, sink: s}
	tag, ok := l.tags.Take(p)
	if !ok {
		return errNoMatchtag
	}
	p.tag = tag
	l.needReaderLocked()
	m := codec.NewRequest(topic)
	m.Matchtag = tag
	var err error
	if m.Payload, err = codec.EncodePayload(req, nil); err == nil {
		if err = c.queue(l, m); err != nil && !errors.Is(err, codec.ErrUnsendable) && !errors.Is(err, codec.ErrTooLarge) {
			err = lostError(err)
		}
	}
	if err != nil {
		l.tags.Free(tag)
	}
	return err
}

// maxBody is the largest body of a frame this connection carries.
func (c *conn) maxBody() int {
	if c.opts.maxMessage > 0 {
		return c.opts.maxMessage
	}
	return codec.DefaultMaxSize
}

// sendError explains why the transport accepted nothing of a message.
func (c *conn) sendError(ctx context.Context, owner *Client, op, topic string, err error) error {
	switch {
	case errors.Is(err, codec.ErrUnsendable), errors.Is(err, codec.ErrTooLarge):
		return &opError{op: op, topic: topic, err: err}
	case ctx.Err() != nil:
		err = ctxError(ctx)
	default:
		c.mu.Lock()
		if gone := c.unusable(owner); gone != nil {
			err = gone
		} else {
			err = lostError(err)
		}
		c.mu.Unlock()
	}
	return &opError{op: op, topic: topic, err: err, unsent: true}
}
