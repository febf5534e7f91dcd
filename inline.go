package flux

import (
	"sync/atomic"
	"time"
)

// inlineGrace is for how long, or up to twice as long, a handler on the reader
// may hold up the connection.
const inlineGrace = 5 * time.Millisecond

// baton is the right to read a link. The reader runs the handlers of inline
// routes itself; one that does not return soon loses it the baton, and another
// goroutine reads on, so that even a handler that waits for its own connection
// gets what it waits for.
type baton struct {
	turn  atomic.Uint64 // odd while the reader is in a handler; every handler has another
	armed atomic.Bool   // a timer watches turn
}

// runInline runs the handler on the reader. It reports false if the reader has
// lost the baton.
func (s *server) runInline(f *inflight) (mine bool) {
	b := &f.l.baton
	f.turn = b.turn.Add(1)
	if !b.armed.Load() && b.armed.CompareAndSwap(false, true) {
		s.c.watchInline(f.l, f.turn)
	}
	returned := false
	defer func() {
		s.mu.Lock()
		s.forget(f)
		s.mu.Unlock()
		mine = b.turn.CompareAndSwap(f.turn, f.turn+1)
		switch {
		case !mine:
			s.c.flush(f.l) // what was meant for the end of the reader's batch
		case !returned: // the handler has ended this goroutine
			go s.c.readOn(f.l)
		}
	}()
	f.run()
	returned = true
	return mine
}

// watchInline looks after a while whether the handler that has its turn now
// still has it, as long as there are any: an idle connection has no timer.
func (c *conn) watchInline(l *link, seen uint64) {
	time.AfterFunc(inlineGrace, func() {
		b := &l.baton
		switch now := b.turn.Load(); {
		case now != seen:
			c.watchInline(l, now)
		case now%2 == 0:
			b.armed.Store(false)
			if now = b.turn.Load(); now != seen && b.armed.CompareAndSwap(false, true) {
				c.watchInline(l, now)
			}
		case b.turn.CompareAndSwap(now, now+3):
			b.armed.Store(false)
			c.readOn(l)
		default:
			c.watchInline(l, b.turn.Load())
		}
	})
}

// readOn reads a link whose reader has been lost to a handler.
func (c *conn) readOn(l *link) {
	if !l.more() {
		c.flush(l)
	}
	c.read(l)
}
