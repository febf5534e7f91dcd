package router

import (
	"sync"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
)

// link is one edge of the tree. It remembers the requests that crossed it and
// wait for an answer, because they get one when it breaks.
type link struct {
	parent, child *Rank

	mu        sync.Mutex
	broken    bool                             // guarded by mu
	pendingBy [2]map[pendingKey]*codec.Message // by byParent, byChild, the sender; guarded by mu
}

const (
	byParent = 0
	byChild  = 1
)

// pendingKey is what brokers identify a request by.
type pendingKey struct {
	origin   string
	matchtag uint32
}

func (l *link) side(sender *Rank) int {
	if sender == l.parent {
		return byParent
	}
	return byChild
}

// forward notes a request that from is about to send over l; false says that
// the link is broken. The routes are those before from adds its own.
func (l *link) forward(from *Rank, m *codec.Message) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		return false
	}
	side := l.side(from)
	switch {
	case m.Flags&codec.FlagNoResponse == 0:
		if m.Matchtag == codec.MatchtagNone {
			break // ambiguous: real brokers do not track it either
		}
		if l.pendingBy[side] == nil {
			l.pendingBy[side] = make(map[pendingKey]*codec.Message)
		}
		key := pendingKey{m.Routes.Origin(), m.Matchtag}
		if l.pendingBy[side][key] == nil {
			l.pendingBy[side][key] = header(m)
		}
	case IsDisconnect(m.Topic):
		origin := m.Routes.Origin()
		for k := range l.pendingBy[side] {
			if k.origin == origin {
				delete(l.pendingBy[side], k)
			}
		}
	}
	return true
}

// answered notes a response that is about to cross l to next; false says that
// the link is broken.
func (l *link) answered(next *Rank, m *codec.Message) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		return false
	}
	if m.Final() {
		delete(l.pendingBy[l.side(next)], pendingKey{m.Routes.Origin(), m.Matchtag})
	}
	return true
}

// sever breaks the link and answers what was pending across it.
func (l *link) sever(b *Batch) {
	l.mu.Lock()
	pending := l.pendingBy
	l.broken = true
	l.pendingBy = [2]map[pendingKey]*codec.Message{}
	l.mu.Unlock()
	for _, req := range pending[byParent] {
		l.parent.answerUnreachable(req, "", b)
	}
	for _, req := range pending[byChild] {
		l.child.answerUnreachable(req, "overlay disconnect", b)
	}
}

// answerUnreachable answers a request that was pending across a link that broke.
// The overlay does that, without credentials. They are filled in by the next broker
// on the way, as if the answer were its own.
func (r *Rank) answerUnreachable(req *codec.Message, text string, b *Batch) {
	m := failure(req, flux.EHOSTUNREACH, text)
	if from := r.neighbour(m.Routes); from != nil {
		if !r.link(from).answered(from, m) {
			return
		}
		m.Routes = m.Routes[len(from.hop):]
		r = from
	}
	r.reply(m, b)
}

// whole says that the link is not broken.
func (l *link) whole() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.broken
}

// pending counts the requests that each side waits for.
func (l *link) pending() (parent, child int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pendingBy[byParent]), len(l.pendingBy[byChild])
}
