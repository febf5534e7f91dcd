package session

import (
	"context"
	"strconv"

	"github.com/flux-sdk/flux/codec"
)

// Post sends a message that no reply is expected to. An error says that it was not
// accepted for sending.
func (s *Session) Post(ctx context.Context, owner *Owner, m *codec.Message) error {
	if ctx.Err() != nil {
		return ContextError(ctx)
	}
	for {
		l, err := s.waitRoom(ctx, owner)
		if err != nil {
			return err
		}
		if err = s.transmit(ctx, owner, l, m); err == nil {
			return nil
		}
		if !s.Replaced(ctx, owner, l, err) {
			return s.sendError(ctx, owner, err)
		}
	}
}

// Ask registers and queues one of the program's own small requests, without
// waiting or writing, on a link that need not be ready. It may be called under a
// lock of the Handler's. The caller is to call Link.Flush with no lock held.
// After an error the Sink is not called.
func (s *Session) Ask(l *Link, topic string, req any, sink Sink) error {
	m := codec.NewRequest(topic)
	payload, err := codec.EncodePayload(req, nil)
	if err != nil {
		return err
	}
	m.Payload = payload
	r := &Request{link: l, Topic: topic, Sink: sink}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
		return s.err
	case l.dead:
		return ErrConnLost
	}
	tag, ok := l.tags.Take(r)
	if !ok {
		return errNoMatchtag
	}
	r.tag, m.Matchtag = tag, tag
	l.needReaderLocked()
	if err = s.Queue(l, m); err == nil {
		return nil
	}
	l.tags.Free(tag)
	if Unsendable(err) {
		return err
	}
	return LostError(err)
}

// Cancel queues and writes the request that cancels r, whose payload it makes. It
// does nothing for a zero message. Best effort: if it does not get through,
// neither will anything else.
func (s *Session) Cancel(r *Request, m *codec.Message) {
	if m.Type == 0 {
		return
	}
	m.Payload = append(strconv.AppendUint([]byte(`{"matchtag":`), uint64(r.tag), 10), '}', 0)
	s.Queue(r.link, m)
	r.link.Flush()
}

// Queue accepts m without waiting and without I/O, so it may be called under a
// lock. The caller is to call Link.Flush with no lock held. A failure that is not
// Unsendable means that the connection is going away, which the reader will find
// out.
func (s *Session) Queue(l *Link, m *codec.Message) error {
	s.Stamp(m)
	var err error
	if s.cfg.Observer != nil {
		err = s.queueObserved(l, m)
	} else {
		err = l.queue(m)
	}
	if err == nil {
		s.counters.Sent.count(m.Type)
	}
	return err
}

// queueObserved tells the Observer of m, too. It works on a copy, so that m need not
// be allocated where there is no Observer.
//
//go:noinline
func (s *Session) queueObserved(l *Link, m *codec.Message) error {
	own := *m
	return s.cfg.Observer.Sending(&own, func() error { return l.queue(&own) })
}

// transmit queues m on a link that waitRoom has returned and starts writing. It
// waits only on a foreign connection, within ctx and the owner's life.
func (s *Session) transmit(ctx context.Context, owner *Owner, l *Link, m *codec.Message) error {
	if l.adapter != nil {
		return s.sendForeign(ctx, owner, l, m)
	}
	if err := s.Queue(l, m); err != nil {
		return err
	}
	l.Flush()
	return nil
}

func (s *Session) sendForeign(ctx context.Context, owner *Owner, l *Link, m *codec.Message) error {
	s.Stamp(m)
	send := func() error {
		both, cancel := owner.With(ctx)
		defer cancel()
		err := l.t.Send(both, m)
		if err != nil && both.Err() == nil && !Unsendable(err) && s.isLive(l) {
			l.t.Close() // so that the reader hears of it
		}
		return err
	}
	var err error
	if s.cfg.Observer != nil {
		err = s.cfg.Observer.SendingSlowly(m, send)
	} else {
		err = send()
	}
	if err == nil {
		s.counters.Sent.count(m.Type)
	}
	return err
}

// isLive reports whether l is in use and neither lost nor being closed.
func (s *Session) isLive(l *Link) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err == nil && !l.dead
}

// Replaced reports whether a message that l did not accept is for the next link,
// and waits until it is known here that l is over.
func (s *Session) Replaced(ctx context.Context, owner *Owner, l *Link, err error) bool {
	if l.adapter != nil || !s.restorable() || ctx.Err() != nil || Unsendable(err) {
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

// sendError explains why the transport accepted nothing of a message.
func (s *Session) sendError(ctx context.Context, owner *Owner, err error) error {
	if Unsendable(err) {
		return err
	}
	if ctx.Err() != nil {
		return ContextError(ctx)
	}
	if gone := s.Err(owner); gone != nil {
		return gone
	}
	return LostError(err)
}

// Stamp fills in the credentials that the Config has.
func (s *Session) Stamp(m *codec.Message) {
	if s.cfg.UserID != nil && m.UserID == codec.UserIDUnknown {
		m.UserID = *s.cfg.UserID
	}
	if s.cfg.Roles != nil && m.Rolemask == codec.RoleNone {
		m.Rolemask = *s.cfg.Roles
	}
}

// MaxBody returns the largest body of a frame that the connection carries.
func (s *Session) MaxBody() int {
	if s.cfg.MaxMessage > 0 {
		return s.cfg.MaxMessage
	}
	return codec.DefaultMaxSize
}

// Fits reports whether m is within the size of a message on the connection.
func (s *Session) Fits(m *codec.Message) bool {
	return codec.FrameSize(m)-codec.PrefixSize <= s.MaxBody()
}
