package session

import (
	"context"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/framing"
	"github.com/flux-sdk/flux/internal/mtag"
	"github.com/flux-sdk/flux/transport"
)

// Link is one connection of a session, with the matchtags in use on it.
type Link struct {
	t       transport.Conn
	fc      *framing.Conn // t; nil if it is a foreign one
	adapter *queueAdapter // for a foreign t; or else nil
	recycle bool          // memory of messages may be used again
	ended   chan struct{} // closed when the reader has returned
	role    readRole

	// Guarded by Session.mu.
	tags  mtag.Table[*Request]
	ready bool // requests may be sent
	dead  bool // its end has been dealt with
}

func (s *Session) newLink(t transport.Conn) *Link {
	l := &Link{t: t, ended: make(chan struct{}), recycle: !s.cfg.KeepMemory}
	if l.fc, _ = t.(*framing.Conn); l.fc == nil {
		l.adapter = newQueueAdapter(t)
	}
	return l
}

// queue accepts m without waiting and without I/O.
func (l *Link) queue(m *codec.Message) error {
	if l.fc != nil {
		return l.fc.Queue(m)
	}
	return l.adapter.queue(m)
}

// Flush sees to it that what was queued is written. It does not wait.
func (l *Link) Flush() {
	if l.fc != nil {
		l.fc.FlushByReader()
	}
}

// FlushSoon is Flush that may wait for more, for a moment, if soon says so.
func (l *Link) FlushSoon(soon bool) {
	switch {
	case !soon:
		l.Flush()
	case l.fc != nil:
		l.fc.FlushSoon()
	}
}

// full reports whether WaitRoom would wait.
func (l *Link) full() bool {
	if l.fc != nil {
		return l.fc.Full()
	}
	return l.adapter.full()
}

// WaitRoom waits, within ctx, while too much is queued.
func (l *Link) WaitRoom(ctx context.Context) error {
	if l.fc != nil {
		return l.fc.Admit(ctx)
	}
	return l.adapter.waitRoom(ctx)
}

// WaitFlowRoom is WaitRoom for an item of a stream.
func (l *Link) WaitFlowRoom(ctx context.Context) error {
	if l.fc != nil {
		return l.fc.AdmitFlow(ctx)
	}
	return l.adapter.waitRoom(ctx)
}

// buffered reports whether the next message is in memory already. It belongs to
// the reader.
func (l *Link) buffered() bool { return l.fc != nil && l.fc.Buffered() }

// Memory returns that of the message that was received last, if it can be used
// again one day. It belongs to the reader.
func (l *Link) Memory() *framing.Memory {
	if l.fc == nil || !l.recycle {
		return nil
	}
	return l.fc.Memory()
}

// close closes the connection, in a bounded time: what was accepted is written,
// if the peer takes it before ctx ends.
func (l *Link) close(ctx context.Context) error {
	if l.fc != nil {
		return l.fc.CloseWithin(ctx)
	}
	l.adapter.waitSent(ctx)
	return l.t.Close()
}

// ownsLocked reports whether r is live in the tag table.
func (l *Link) ownsLocked(r *Request) bool {
	v, state := l.tags.Get(r.tag)
	return state == mtag.Live && v == r
}

// WaitReady waits, within ctx, the owner's life and until stop is closed, until
// requests may be sent, and returns the link.
func (s *Session) WaitReady(ctx context.Context, owner *Owner, stop <-chan struct{}) (*Link, error) {
	for {
		l, again, err := s.readyLink(owner)
		if err != nil || l != nil {
			return l, err
		}
		var gone <-chan struct{}
		if owner != nil {
			gone = owner.Done()
		}
		select {
		case <-again:
		case <-gone:
		case <-stop:
			return nil, ErrStopped
		case <-ctx.Done():
			return nil, ContextError(ctx)
		}
	}
}

// readyLink returns the link if requests may be sent, or else a channel that
// closes when it is worth asking again.
func (s *Session) readyLink(owner *Owner) (l *Link, again <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.errLocked(owner) != nil:
		return nil, nil, s.errLocked(owner)
	case s.link.ready:
		return s.link, nil, nil
	}
	return nil, s.readyAgain, nil
}

// waitRoom is WaitReady that also waits until the link has room for a message, so
// that a caller who gives up waiting has left no trace.
func (s *Session) waitRoom(ctx context.Context, owner *Owner) (*Link, error) {
	for {
		l, err := s.WaitReady(ctx, owner, nil)
		if err != nil || !l.full() {
			return l, err
		}
		both, cancel := owner.With(ctx)
		err = l.WaitRoom(both)
		cancel()
		if ctx.Err() != nil {
			return nil, ContextError(ctx)
		}
		if err != nil && both.Err() == nil {
			return nil, LostError(err)
		}
		// The owner's end is for WaitReady to find, a lost connection too.
	}
}
