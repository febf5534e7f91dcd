package flux

import (
	"context"
	"errors"

	"github.com/flux-sdk/flux/codec"
)

// queue accepts m without waiting and without I/O, so it may be called under a
// lock; the caller is to flush with no lock held. A failure means that the
// connection is going away, which the reader will find out.
func (c *conn) queue(l *link, m *codec.Message) error {
	c.stamp(m)
	if err := l.q.Queue(m, false); err != nil {
		return err
	}
	c.stats.tx.count(m.Type)
	if c.watch != nil {
		c.watch.note(m)
	}
	return nil
}

// flush starts writing what was queued. It does not wait.
func (c *conn) flush(l *link) {
	if c.watch != nil {
		c.watch.flush() // before a response can come
	}
	l.q.Flush()
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
