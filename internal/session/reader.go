package session

import (
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/mtag"
)

// readLoop receives from a link until it ends. It never waits for anything but the
// transport, and for callers that read in its place.
func (s *Session) readLoop(l *Link) {
	var m codec.Message
	for {
		if err := l.t.Recv(&m); err != nil {
			s.lost(l, err)
			close(l.ended)
			return
		}
		s.dispatch(l, &m)
		s.letCallersRead(l)
	}
}

// dispatch delivers a message that was received.
func (s *Session) dispatch(l *Link, m *codec.Message) {
	s.counters.Received.count(m.Type)
	if s.cfg.Observer != nil {
		s.cfg.Observer.Received(m)
	}
	switch m.Type {
	case codec.TypeResponse:
		s.matchReply(l, m)
	case codec.TypeRequest:
		s.cfg.Handler.Request(l, m)
	case codec.TypeEvent:
		s.cfg.Handler.Event(m)
	}
}

// matchReply gives a response to the request that waits for it.
func (s *Session) matchReply(l *Link, m *codec.Message) {
	if len(m.Routes) > 0 || m.Matchtag == codec.MatchtagNone {
		s.counters.Stray.Add(1) // of another's tag space
		return
	}
	final := m.Final()
	s.mu.Lock()
	r, state := l.tags.Get(m.Matchtag)
	switch {
	case state != mtag.Live:
		if final {
			l.tags.Free(m.Matchtag)
		}
	case final:
		l.tags.Free(m.Matchtag)
		r.leftLocked()
		if l.tags.Live() == 0 && !r.Streaming {
			l.role.alone++
		} else {
			l.role.alone = 0
		}
	case !r.Streaming:
		// A stream of replies to a unary call: the first answers it.
		s.retireLocked(r)
	}
	s.mu.Unlock()
	switch state {
	case mtag.Live:
		s.counters.Responses.Add(1)
		r.Sink.Reply(m, final || !r.Streaming)
	case mtag.Retired:
		s.counters.Late.Add(1)
		s.reportLate(r, m)
	default:
		s.counters.Stray.Add(1)
	}
}
