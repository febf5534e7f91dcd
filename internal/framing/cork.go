package framing

import "time"

// cork tells a fast flow of messages from single ones. It is guarded by
// writer.mu.
type cork struct {
	last  time.Time // the last flush that was not held back
	fast  int       // how many flushes came fast
	timed bool      // uncork is at work
}

// flushSoon writes at once, unless a fast flow is under way: a write costs ten
// times what encoding a small frame does, and each wakes the peer.
func (w *writer) flushSoon() {
	w.mu.Lock()
	if w.flushing || w.q.size == 0 || w.awake.Load() || w.q.size < corkBytes && w.holdBackLocked() {
		w.mu.Unlock()
		return
	}
	w.flushing = true
	w.mu.Unlock()
	w.write()
}

// holdBackLocked reports whether uncork will write what is queued.
func (w *writer) holdBackLocked() bool {
	c := &w.cork
	if c.timed {
		return true
	}
	now := time.Now()
	if now.Sub(c.last) < corkGap {
		c.fast++
	} else {
		c.fast = 0
	}
	c.last = now
	if c.fast < corkAfter {
		return false
	}
	c.timed = true
	go w.uncork()
	return true
}

// uncork writes what is held back until the flow has a pause, or somebody else
// is at the stream, who writes it too.
func (w *writer) uncork() {
	for {
		nap(corkPause)
		w.mu.Lock()
		if w.q.size == 0 || w.flushing {
			w.cork.timed, w.cork.last = false, time.Now()
			w.mu.Unlock()
			return
		}
		w.flushing = true
		w.mu.Unlock()
		w.write()
	}
}
