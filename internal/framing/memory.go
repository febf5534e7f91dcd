package framing

import (
	"math/bits"
	"sync"
)

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
