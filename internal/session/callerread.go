package session

import (
	"context"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/framing"
)

// callersReadAfter is how many calls in a row must each have been all that was under way
// before callers read their own responses. With 0 the reader steps aside after the
// first call.
const callersReadAfter = 32

// readRole is the right to read a link. It is the reader's, but while one call
// comes after the other and nothing else is under way, each caller takes it and
// reads its response itself. That spares a wake-up of the reader's thread and one
// of the caller's: without it a call that is alone takes a third longer and three
// times the processor time.
//
// The wait of a caller ends with its ctx, which interrupts it. While nobody reads,
// the reader waits for the broker to close, and for a goroutine that needs it.
type readRole struct {
	// Guarded by Session.mu.
	holder roleHolder
	wanted bool          // the reader takes it from the caller who has it
	given  chan struct{} // one token: it is the reader's again

	// Owned by the goroutine that has the role.
	alone   int             // calls in a row that were all that was under way
	msg     codec.Message   // of a caller
	done    <-chan struct{} // of the ctx that interrupts a caller
	unwatch func() bool     // ends that
}

type roleHolder uint8

const (
	readerReads roleHolder = iota
	nobodyReads            // the next caller takes it
	callerReads
)

// letCallersRead lets callers read, if that would have paid lately, and returns when
// the role is the reader's again. It runs on the reader.
func (s *Session) letCallersRead(l *Link) {
	r := &l.role
	if r.alone < callersReadAfter || l.fc == nil || l.buffered() {
		return
	}
	r.alone = 0
	if r.given == nil {
		if !l.fc.Interruptible() {
			return
		}
		r.given = make(chan struct{}, 1)
	}
	if l.fc.ArmHangup() != nil {
		return
	}
	select {
	case <-r.given:
	default:
	}
	if !s.startCallerReads(l) {
		return
	}
	l.fc.AwaitHangup()
	for !s.stopCallerReads(l) { // the caller hears of the hangup as well
		<-r.given
	}
	r.watch(context.Background(), l.fc)
}

// startCallerReads leaves the role to the next caller, if nothing but replies to calls
// is to be expected.
func (s *Session) startCallerReads(l *Link) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.idleOnLocked(l) {
		return false
	}
	l.role.holder = nobodyReads
	return true
}

// stopCallerReads gives the role to the reader. It reports false while a caller
// has it, who then gives it back.
func (s *Session) stopCallerReads(l *Link) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &l.role
	if r.holder == callerReads {
		r.wanted = true
		return false
	}
	r.holder, r.wanted = readerReads, false
	return true
}

// idleOnLocked reports whether l is the present link and nothing is under way.
func (s *Session) idleOnLocked(l *Link) bool { return s.link == l && s.phaseLocked() == phaseIdle }

// needReaderLocked gives the role to the reader, unless a caller has it.
func (l *Link) needReaderLocked() {
	if l.role.holder == nobodyReads {
		l.role.holder = readerReads
		l.fc.WakeHangup()
	}
}

// claimReadingLocked gives the role to r, if nobody has it and r is a call that a
// goroutine waits for, and otherwise to the reader.
func (l *Link) claimReadingLocked(r *Request) {
	if l.role.holder != nobodyReads {
		return
	}
	if _, waits := r.Sink.(Waiter); waits {
		l.role.holder = callerReads
		r.reads = true
	} else {
		l.needReaderLocked()
	}
}

// MayRead reports whether the caller of Send is to call Read.
func (r *Request) MayRead() bool { return r.reads }

// Read receives messages, on the goroutine of the call, until the Waiter of r is
// answered or ctx ends.
//
//go:noinline
func (s *Session) Read(ctx context.Context, r *Request, w Waiter) {
	l := r.link
	role := &l.role
	role.watch(ctx, l.fc)
	for !w.Answered() && ctx.Err() == nil {
		came, err := l.fc.RecvOr(&role.msg)
		if err != nil {
			break // the reader will meet it, too
		}
		if came {
			s.dispatch(l, &role.msg)
		}
	}
	s.returnReading(r, w.Answered())
}

// giveUpReading ends the right to read of a call that was not sent.
func (s *Session) giveUpReading(r *Request) { s.returnReading(r, false) }

// returnReading ends a call's right to read. The next call may take it, unless
// there is something for the reader to do.
func (s *Session) returnReading(r *Request, answered bool) {
	r.reads = false
	l := r.link
	role := &l.role
	more := l.buffered()
	role.msg = codec.Message{}
	l.Flush() // what was queued while it read; perhaps nobody reads next
	s.mu.Lock()
	defer s.mu.Unlock()
	if answered && !more && !role.wanted && s.idleOnLocked(l) {
		role.holder = nobodyReads
		return
	}
	role.holder = readerReads
	role.given <- struct{}{}
	l.fc.WakeHangup()
}

// interrupt makes a call that reads look for its end.
func (l *Link) interrupt() {
	if l.fc != nil {
		l.fc.Interrupt()
	}
}

// watch makes the end of ctx interrupt a caller that reads. For calls in a row that
// have the same ctx the watch stays.
func (r *readRole) watch(ctx context.Context, fc *framing.Conn) {
	done := ctx.Done()
	if done == r.done {
		return
	}
	if r.unwatch != nil {
		r.unwatch()
	}
	r.done, r.unwatch = done, nil
	if done != nil {
		r.unwatch = context.AfterFunc(ctx, fc.Interrupt)
	}
}
