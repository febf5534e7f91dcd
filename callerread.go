package flux

import (
	"context"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/framing"
)

// lendAfter is how many calls in a row must each have been all that was under way
// before callers read their own responses. With 0 the reader steps aside after the
// first call.
const lendAfter = 32

// readRole is the right to read a link. It is the reader's, but while one call
// comes after the other and nothing else is under way, each caller takes it and
// reads its response itself. That spares a wake-up of the reader's thread and one
// of the caller's: without it a call that is alone takes a third longer and three
// times the processor time.
//
// The wait of a caller ends with its ctx, which interrupts it. While nobody reads,
// the reader waits for the broker to close, and for somebody who needs it.
type readRole struct {
	// Guarded by conn.mu.
	holder roleHolder
	wanted bool          // the reader takes it from the caller who has it
	given  chan struct{} // one token: it is the reader's again

	// Of the holder.
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

// lend lets callers read, if that would have paid lately, and returns when the
// role is the reader's again. It runs on the reader.
func (c *conn) lend(l *link) {
	r := &l.role
	if r.alone < lendAfter || l.fc == nil || l.buffered() {
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
	c.mu.Lock()
	if !c.onlyCallsLocked(l) {
		c.mu.Unlock()
		return
	}
	r.holder = nobodyReads
	c.mu.Unlock()
	l.fc.AwaitHangup()
	c.mu.Lock()
	for r.holder == callerReads { // it hears of the hangup as well
		r.wanted = true
		c.mu.Unlock()
		<-r.given
		c.mu.Lock()
	}
	r.holder, r.wanted = readerReads, false
	c.mu.Unlock()
	r.watch(nil, nil)
}

// onlyCallsLocked reports whether nothing is under way and nothing but responses
// to calls is to be expected.
func (c *conn) onlyCallsLocked(l *link) bool {
	return len(c.services) == 0 && c.fallback == nil && len(c.subs.topics) == 0 && !l.dead &&
		l.tags.Live()+l.tags.Retired() == 0
}

// needReaderLocked gives the role to the reader, unless somebody has it.
func (l *link) needReaderLocked() {
	if l.role.holder == nobodyReads {
		l.role.holder = readerReads
		l.fc.WakeHangup()
	}
}

// claimLocked gives the role to p, if nobody has it and p is a call that waits, and
// otherwise to the reader.
func (l *link) claimLocked(p *pending) {
	if l.role.holder != nobodyReads {
		return
	}
	if u, waits := p.sink.(*unary); waits {
		l.role.holder = callerReads
		u.reads = true
	} else {
		l.needReaderLocked()
	}
}

// read receives messages, on the goroutine of the call, until its response is
// among them or its ctx ends.
//
//go:noinline
func (u *unary) read(ctx context.Context) {
	c, l := u.c, u.link
	r := &l.role
	r.watch(ctx, l.fc)
	for len(u.ch) == 0 && ctx.Err() == nil {
		came, err := l.fc.RecvOr(&r.msg)
		if err != nil {
			break // the reader will meet it, too
		}
		if came {
			c.dispatch(l, &r.msg)
		}
	}
	u.giveRole()
}

// giveRole ends a call's right to read. The next call may take it, unless there is
// something for the reader to do.
func (u *unary) giveRole() {
	if !u.reads {
		return
	}
	u.reads = false
	c, l := u.c, u.link
	r := &l.role
	more := l.buffered()
	r.msg = codec.Message{}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !more && !r.wanted && len(u.ch) > 0 && c.onlyCallsLocked(l) {
		r.holder = nobodyReads
		return
	}
	r.holder = readerReads
	r.given <- struct{}{}
	l.fc.WakeHangup()
}

// interrupt has a call that reads look for its end.
func (l *link) interrupt() {
	if l.fc != nil {
		l.fc.Interrupt()
	}
}

// watch makes the end of ctx interrupt a caller that reads. For calls in a row that
// have the same ctx it is done once.
func (r *readRole) watch(ctx context.Context, fc *framing.Conn) {
	var done <-chan struct{}
	if ctx != nil {
		done = ctx.Done()
	}
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
