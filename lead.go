package flux

import (
	"context"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/transport"
)

const (
	// loneCalls is how many calls in a row must each have been all that was under
	// way before callers read their own responses.
	loneCalls = 32
	// leadWait is for how long, or up to twice as long, the reader waits for the
	// next of them. Meanwhile nobody learns that the broker has closed.
	leadWait = 10 * time.Millisecond
)

// lead is the right to read a link. It is the reader's, but while one call comes
// after the other and nothing else is under way, each caller takes it and reads
// its response itself, which spares waking the reader and then the caller. What
// else comes is left to the reader, and so is a response that takes longer.
//
// It changes hands with conn.mu held.
type lead struct {
	short transport.ShortReceiver // nil if the reader never lends it
	wake  chan struct{}           // one token: it is the reader's again

	// Guarded by conn.mu.
	with leader
	turn uint // of the callers

	// Of whoever has it.
	lone int           // calls in a row that were all that was under way
	msg  codec.Message // of the caller
	left bool          // msg is for the reader to deal with
}

type leader uint8

const (
	leadReader leader = iota
	leadNobody        // the next caller takes it
	leadCaller
)

// onlyCalls reports whether nothing but responses to calls is expected. Called
// with mu held.
func (c *conn) onlyCalls(l *link) bool {
	return len(c.services) == 0 && c.fallback == nil && len(c.subs.topics) == 0 && !l.dead
}

// lend lets callers take the lead if that would have paid lately, and returns
// when it is the reader's again. It runs on the reader.
func (c *conn) lend(l *link) {
	if l.lead.lone < loneCalls {
		return
	}
	defer func() { l.lead.lone = 0 }()
	c.mu.Lock()
	if !c.onlyCalls(l) || l.tags.Live() > 0 {
		c.mu.Unlock()
		return
	}
	l.lead.with = leadNobody
	seen := l.lead.turn
	c.mu.Unlock()
	c.awaitLead(l, seen)
}

// awaitLead waits for the lead to be given back, or for too long a time without
// a caller.
func (c *conn) awaitLead(l *link, seen uint) {
	t := time.NewTimer(leadWait)
	defer t.Stop()
	for {
		select {
		case <-l.lead.wake:
			return
		case <-t.C:
		}
		c.mu.Lock()
		if l.lead.with == leadNobody && l.lead.turn == seen {
			l.lead.with = leadReader
			c.mu.Unlock()
			return
		}
		seen = l.lead.turn
		c.mu.Unlock()
		t.Reset(leadWait)
	}
}

// needReader gives the lead to the reader, unless somebody has it. Called with
// mu held.
func (l *link) needReader() {
	if l.lead.with == leadNobody {
		l.lead.with = leadReader
		l.lead.wake <- struct{}{}
	}
}

// takeLead gives the lead to p, if nobody has it and p is a call that waits, and
// otherwise to the reader. Called with mu held.
func (l *link) takeLead(p *pending) {
	if l.lead.with != leadNobody {
		return
	}
	if u, waits := p.sink.(*unary); waits {
		l.lead.with = leadCaller
		u.leads = true
	} else {
		l.needReader()
	}
}

// passLead ends u's lead, if it has it. The next caller may take it, unless there
// is something for the reader to do.
func (u *unary) passLead(idle bool) {
	if !u.leads {
		return
	}
	u.leads = false
	c, l := u.c, u.link
	idle = idle && !l.more()
	c.mu.Lock()
	defer c.mu.Unlock()
	l.lead.with = leadNobody
	l.lead.turn++
	if !idle || l.tags.Live() > 0 || !c.onlyCalls(l) {
		l.needReader()
	}
}

// readOwn receives the response to u, unless it takes long or something else
// comes first, or ctx may end meanwhile: then the reader goes on.
//
//go:noinline
func (u *unary) readOwn(ctx context.Context) {
	if end, ok := ctx.Deadline(); ok && time.Until(end) < leadWait {
		u.passLead(false)
		return
	}
	c, l := u.c, u.link
	m := &l.lead.msg
	came, err := l.lead.short.RecvShort(m)
	if came && err == nil { // an error is what the reader will meet as well
		c.took(m)
		l.follows = l.more()
		if m.Type == codec.TypeResponse {
			c.response(l, m)
		} else {
			l.lead.left = true
		}
	}
	u.passLead(len(u.ch) > 0)
}
