package session

import (
	"context"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/framing"
	"github.com/flux-sdk/flux/internal/mtag"
)

// Request is a request that waits for replies. It is small because programs leave
// very many unanswered. The goroutine that takes it out of the tag table ends it,
// so it ends once.
type Request struct {
	// Set before Send and not changed.
	Owner *Owner // nil for the program's own small requests
	Topic string
	Sink  Sink

	link  *Link
	where *string // the line that started it, if matchtags are being debugged
	tag   uint32

	Streaming bool         // set before Send
	Watched   bool         // for the Sink's own use; set before Send
	reads     bool         // it has the right to read its link; of the caller
	phase     requestPhase // of a stream; guarded by Session.mu
}

// requestPhase is how far the sending of a stream's request is.
type requestPhase uint8

const (
	requestQueued   requestPhase = iota
	requestSent                  // it is with the transport
	requestOrphaned              // it was ended before that, so its sender must cancel it
)

// Sink is where the replies to a request go. Its methods are called with no lock
// held and must not wait: Reply runs on the reader.
type Sink interface {
	// Reply delivers a response; final says that it is the last.
	Reply(m *codec.Message, final bool)
	// Fail ends the request with a local error, in place of a last reply.
	Fail(err error)
}

// Waiter is a Sink whose request a goroutine waits for. It may read its link by
// itself; see Read.
type Waiter interface {
	Sink
	// Answered reports whether there is nothing to wait for any more.
	Answered() bool
}

// Canceler is the Sink of a stream that its service can be asked to end.
type Canceler interface {
	Sink
	// CancelMessage returns the request that cancels the stream, but for its
	// payload. It is zero if there is none.
	CancelMessage() *codec.Message
}

// Tag returns the request's matchtag.
func (r *Request) Tag() uint32 { return r.tag }

// Memory returns that of the reply that is being delivered; see Link.Memory. Only
// a Sink's Reply may call it.
func (r *Request) Memory() *framing.Memory { return r.link.Memory() }

// Registered reports whether the request has been given a matchtag.
func (r *Request) Registered() bool { return r.link != nil }

// fail ends a request with a local error. A caller that reads is made to look for
// it.
func (r *Request) fail(err error) {
	l := r.link // r may be another call's once this one has its end
	_, waits := r.Sink.(Waiter)
	r.Sink.Fail(err)
	if waits {
		l.interrupt()
	}
}

// Send registers r and then queues m with r's tag. After nil, r's Sink gets exactly
// one end. After an error it gets none, and nothing was accepted for sending.
func (s *Session) Send(ctx context.Context, r *Request, m *codec.Message) error {
	if ctx.Err() != nil {
		return ContextError(ctx)
	}
	for {
		l, err := s.register(r)
		if err != nil {
			return err
		}
		if l == nil {
			if _, err := s.waitRoom(ctx, r.Owner); err != nil {
				return err
			}
			continue
		}
		s.noteWhere(r)
		m.Matchtag = r.tag
		err = s.transmit(ctx, r.Owner, l, m)
		switch {
		case err == nil && r.Streaming:
			s.noteSent(r)
			return nil
		case err == nil, !s.unregister(r):
			// Or else the end of the session or of the owner got there first
			// and has told the Sink.
			return nil
		}
		if r.reads {
			s.giveUpReading(r)
		}
		if !s.Replaced(ctx, r.Owner, l, err) {
			return s.sendError(ctx, r.Owner, err)
		}
	}
}

// register gives r a matchtag of the present link and returns the link. It returns
// nil without an error if the caller has to wait before.
func (s *Session) register(r *Request) (*Link, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.errLocked(r.Owner); err != nil {
		return nil, err
	}
	l := s.link
	if !l.ready || l.full() {
		return nil, nil
	}
	tag, ok := l.tags.Take(r)
	if !ok {
		return nil, errNoMatchtag
	}
	r.link, r.tag, r.phase = l, tag, requestQueued
	l.claimReadingLocked(r)
	return l, nil
}

// noteSent notes that a stream's request is on its way. If the stream was ended
// before, its cancel request, which must not overtake it, is sent now.
func (s *Session) noteSent(r *Request) {
	s.mu.Lock()
	orphaned := r.phase == requestOrphaned
	r.phase = requestSent
	s.mu.Unlock()
	if orphaned {
		s.cancelStream(r)
	}
}

// cancelStream sends the cancel request of a stream, if it has one.
func (s *Session) cancelStream(r *Request) {
	if c, ok := r.Sink.(Canceler); ok {
		s.Cancel(r, c.CancelMessage())
	}
}

// unregister takes r, of which nothing was sent, out of the table. It reports
// false if r has been ended already.
func (s *Session) unregister(r *Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !r.link.ownsLocked(r) {
		if _, state := r.link.tags.Get(r.tag); state == mtag.Retired {
			r.link.tags.Free(r.tag) // no reply will come
		}
		return false
	}
	r.link.tags.Free(r.tag)
	r.leftLocked()
	return true
}

// Abandon ends r from this side and keeps its tag in use until the last reply has
// come. It reports false if r has ended already.
func (s *Session) Abandon(r *Request) bool {
	if !s.retire(r) {
		return false
	}
	s.noteRetired(r)
	return true
}

func (s *Session) retire(r *Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !r.link.ownsLocked(r) {
		return false
	}
	s.retireLocked(r)
	return true
}

func (s *Session) retireLocked(r *Request) {
	r.link.tags.Retire(r.tag, r.tombstone())
	r.leftLocked()
}

func (s *Session) noteRetired(r *Request) {
	s.counters.Abandoned.Add(1)
	if s.cfg.Observer != nil {
		s.cfg.Observer.Retired(r.Topic, r.tag)
	}
}
