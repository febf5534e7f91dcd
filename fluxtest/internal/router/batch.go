package router

import "github.com/flux-sdk/flux/codec"

// Batch collects the connections that something was queued for, so that each
// of them is written to once, at the end. It belongs to one goroutine.
type Batch struct {
	dirty []*Conn
	found lookup

	passed *codec.Message // the message that was passed on last
	to     *Conn          // and to whom
}

// pass is send for a message of a client on its way to another.
func (b *Batch) pass(c *Conn, m *codec.Message) {
	b.passed, b.to = m, c
	b.send(c, m)
}

// send queues m for c, whatever c does about it: it never waits. m is copied.
func (b *Batch) send(c *Conn, m *codec.Message) {
	if f := c.faults.Load(); f != nil {
		f.send(c, m, b)
		return
	}
	b.put(c, m)
}

// put is send behind the faults.
func (b *Batch) put(c *Conn, m *codec.Message) {
	if c.queue(m) {
		b.mark(c)
	}
}

// mark sees to it that somebody flushes what was queued for c.
func (b *Batch) mark(c *Conn) {
	// The batch that finds the mark clear flushes. The mark is cleared before the
	// flush, so what was queued while it was set is flushed too.
	if !c.dirty.Swap(true) {
		b.dirty = append(b.dirty, c)
	}
}

// Flush starts the writing of all that was queued. It does not wait.
func (b *Batch) Flush() { b.flush() }

func (b *Batch) flush() {
	for i, c := range b.dirty {
		c.dirty.Store(false)
		c.flush()
		b.dirty[i] = nil
	}
	b.dirty = b.dirty[:0]
}
