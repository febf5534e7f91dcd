package fluxtest

import (
	"fmt"
	"sync"

	"github.com/flux-sdk/flux/codec"
)

// link is one edge of the tree. It remembers the requests that crossed it and
// wait for an answer, because they get one when it breaks.
type link struct {
	parent, child *rank

	mu     sync.Mutex
	broken bool
	toward [2]map[pendingKey]*codec.Message // by side: sent by the parent, by the child
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

func (l *link) side(sender *rank) int {
	if sender == l.parent {
		return byParent
	}
	return byChild
}

// forward notes a request that from is about to send over l; false says that
// the link is broken. The routes are those before from adds its own.
func (l *link) forward(from *rank, m *codec.Message) bool {
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
		if l.toward[side] == nil {
			l.toward[side] = make(map[pendingKey]*codec.Message)
		}
		key := pendingKey{m.Routes.Origin(), m.Matchtag}
		if l.toward[side][key] == nil {
			l.toward[side][key] = header(m)
		}
	case isDisconnect(m.Topic):
		origin := m.Routes.Origin()
		for k := range l.toward[side] {
			if k.origin == origin {
				delete(l.toward[side], k)
			}
		}
	}
	return true
}

// answered notes a response that is about to cross l to next; false says that
// the link is broken.
func (l *link) answered(next *rank, m *codec.Message) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		return false
	}
	if m.Final() {
		delete(l.toward[l.side(next)], pendingKey{m.Routes.Origin(), m.Matchtag})
	}
	return true
}

// sever breaks the link and answers what was pending across it.
func (l *link) sever(bt *batch) {
	l.mu.Lock()
	pending := l.toward
	l.broken = true
	l.toward = [2]map[pendingKey]*codec.Message{}
	l.mu.Unlock()
	for _, req := range pending[byParent] {
		l.parent.giveUp(req, "", bt)
	}
	for _, req := range pending[byChild] {
		l.child.giveUp(req, "overlay disconnect", bt)
	}
}

// giveUp answers a request that was pending across a link that broke. It is the
// overlay that does, without credentials: they are filled in where the answer
// comes to the next broker, whose own it seems.
func (r *rank) giveUp(req *codec.Message, text string, bt *batch) {
	m := failure(req, eHOSTUNREACH, text)
	if from := r.neighbour(m.Routes); from != nil {
		if !r.link(from).answered(from, m) {
			return
		}
		m.Routes = m.Routes[len(from.self):]
		r = from
	}
	r.reply(m, bt)
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
	return len(l.toward[byParent]), len(l.toward[byChild])
}

// LoseRank cuts a rank, and with it all below it, off the tree. Requests that
// wait across the cut are answered EHOSTUNREACH on both sides, later ones to
// the lost ranks too, and then the lost brokers exit: their connections end and
// their sockets vanish. [Broker.Restart] brings them back. The error is about
// the rank: rank 0 can only go [Broker.Down].
func (b *Broker) LoseRank(rank uint32) error {
	inst := b.inst.Load()
	if rank == 0 || rank >= uint32(len(inst.ranks)) {
		return fmt.Errorf("fluxtest: LoseRank(%d): want 1 to %d", rank, len(inst.ranks)-1)
	}
	r := inst.ranks[rank]
	if r.lost.Swap(true) {
		return nil
	}
	var bt batch
	r.up.sever(&bt)
	bt.flush()
	r.subtree(inst.groups.drop)
	r.subtree(hangUpRank)
	return nil
}
