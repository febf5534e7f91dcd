package fluxtest

import "github.com/flux-sdk/flux/codec"

// batch collects the connections that something was queued for, so that each
// of them is written to once, at the end. It belongs to one goroutine.
type batch struct {
	dirty []*Conn
	found lookup
}

// send queues m for c, whatever c does about it: it never waits. m is copied.
func (bt *batch) send(c *Conn, m *codec.Message) {
	if f := c.faults.Load(); f != nil {
		f.send(c, m, bt)
		return
	}
	bt.put(c, m)
}

// put is send behind the faults.
func (bt *batch) put(c *Conn, m *codec.Message) {
	c.queued.Add(1)
	if err := c.tc.Queue(m); err != nil {
		c.queued.Add(-1) // gone, or nothing that a frame can say
		return
	}
	bt.mark(c)
}

// mark sees to it that somebody flushes what was queued for c.
func (bt *batch) mark(c *Conn) {
	// Whoever finds the mark clear flushes; it is cleared before the flush, so
	// what was queued while it was set is flushed too.
	if !c.dirty.Swap(true) {
		bt.dirty = append(bt.dirty, c)
	}
}

// flush starts the writing. It does not wait.
func (bt *batch) flush() {
	for i, c := range bt.dirty {
		c.dirty.Store(false)
		c.tc.Flush()
		bt.dirty[i] = nil
	}
	bt.dirty = bt.dirty[:0]
}
