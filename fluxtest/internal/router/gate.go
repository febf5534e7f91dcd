package router

import (
	"sync"
	"sync/atomic"
)

// Dir is what of a broker's I/O is stalled.
type Dir uint8

// The broker reads from its clients and writes to them.
const (
	Reads Dir = 1 << iota
	Writes
)

// Stall is [Broker.Stall] for one connection.
func (c *Conn) Stall(d Dir) { c.stream.gate.close(d) }

// Resume ends a stall of the connection.
func (c *Conn) Resume() { c.stream.gate.open() }

// gate holds up what goes in a direction that is shut.
type gate struct {
	mask atomic.Uint32 // of Dir; written under mu
	mu   sync.Mutex
	ch   chan struct{} // closed when the gate opens, nil while it is open; guarded by mu
}

func (g *gate) close(d Dir) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ch == nil {
		g.ch = make(chan struct{})
	}
	g.mask.Or(uint32(d))
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mask.Store(0)
	if g.ch != nil {
		close(g.ch)
		g.ch = nil
	}
}

func (g *gate) shut(d Dir) bool { return g.mask.Load()&uint32(d) != 0 }

// wait holds until the direction is open; false says that stop came first.
func (g *gate) wait(d Dir, stop <-chan struct{}) bool {
	for g.shut(d) {
		g.mu.Lock()
		ch := g.ch
		g.mu.Unlock()
		if ch == nil {
			continue // opened meanwhile
		}
		select {
		case <-ch:
		case <-stop:
			return false
		}
	}
	return true
}
