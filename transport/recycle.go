package transport

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

const (
	// recycleMax is the size of the largest body that has memory which can be used
	// again: it is read in one piece.
	recycleMax = claimStep
	// Memory beyond largeObject is allocated in whole pages, so that a little
	// more costs nothing and makes it fit for more.
	largeObject = 32 << 10
	pageSize    = 8 << 10
)

// Recycler is what a [Conn] has, besides, that can use the memory of a message
// again. All conns of this package that are made of a byte stream are Recyclers.
type Recycler interface {
	// Memory is where the Routes and the Payload of the message are that Recv
	// returned last, and possibly those of others; nil if it is not worth being
	// used again. It belongs to the goroutine that calls Recv.
	Memory() *Memory
}

// Memory holds what one received message refers to, or several small ones that
// share it.
type Memory struct {
	b      []byte
	shared bool
	users  atomic.Int32 // messages that have not been recycled, less those that share it
}

// memories are unused memory by size: what has as many bits is one class.
var memories [bits.UintSize + 1]sync.Pool

// Recycle lets later messages, on any connection, use the memory, once it has
// been called for all that share it. Nothing may refer to the message any more.
// It is to be called once at most for a message, by any goroutine; on nil it does
// nothing.
func (m *Memory) Recycle() {
	switch {
	case m == nil:
	case !m.shared:
		memories[bits.Len(uint(cap(m.b)))].Put(m)
	case m.users.Add(-1) == 0:
		blocks.Put(m)
	}
}

// blocks are unused memory, of blockSize, for small messages to share.
var blocks sync.Pool

func newBlock() *Memory {
	if m, ok := blocks.Get().(*Memory); ok {
		return m
	}
	return &Memory{b: make([]byte, blockSize), shared: true}
}

// full says that the block is shared by so many messages, and no more will come.
func (m *Memory) full(users int32) {
	if m != nil && m.users.Add(users) == 0 {
		blocks.Put(m)
	}
}

// newMemory returns memory of n bytes, with anything in them.
func newMemory(n int) *Memory {
	room := n
	if n > largeObject {
		room = (n + pageSize - 1) &^ (pageSize - 1)
	}
	m, _ := memories[bits.Len(uint(room))].Get().(*Memory)
	if m == nil || cap(m.b) < n {
		m = &Memory{b: make([]byte, room)} // one that was too small has had its time
	}
	m.b = m.b[:n]
	return m
}

func (c *streamConn) Memory() *Memory { return c.r.mem }
