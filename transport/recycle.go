package transport

import (
	"math/bits"
	"sync"
)

const (
	// recycleMin is the size of the smallest body whose memory can be used again:
	// below, the garbage collector is as cheap.
	recycleMin = 16 << 10
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
	// returned last; nil if it is not worth being used again. It belongs to the
	// goroutine that calls Recv.
	Memory() *Memory
}

// Memory holds what one large received message refers to.
type Memory struct{ b []byte }

// memories are unused memory by size: what has as many bits is one class.
var memories [bits.UintSize + 1]sync.Pool

// Recycle lets a later message, on any connection, use the memory. Nothing may
// refer to the message any more. It is to be called once at most for a message,
// by any goroutine; on nil it does nothing.
func (m *Memory) Recycle() {
	if m != nil {
		memories[bits.Len(uint(cap(m.b)))].Put(m)
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
