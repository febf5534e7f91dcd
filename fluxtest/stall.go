package fluxtest

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

// Stall makes the broker hang: it takes nothing from its clients and gives
// nothing to them, handshakes included, until Resume. With arguments only the
// directions named are stalled: with Reads, what clients write stays in the
// socket until that is full; with Writes, what they are sent piles up here.
func (b *Broker) Stall(dirs ...Dir) { b.faults.gate.close(dirs) }

// Resume ends a stall of the broker. Connections that were stalled by
// themselves stay so.
func (b *Broker) Resume() { b.faults.gate.open() }

// Stall is [Broker.Stall] for one connection.
func (c *Conn) Stall(dirs ...Dir) { c.stream.gate.close(dirs) }

// Resume ends a stall of the connection.
func (c *Conn) Resume() { c.stream.gate.open() }

// gate holds those up who go a direction that is shut.
type gate struct {
	mask atomic.Uint32 // of Dir
	mu   sync.Mutex
	ch   chan struct{} // closed when the gate opens
}

func (g *gate) close(dirs []Dir) {
	var mask Dir
	for _, d := range dirs {
		mask |= d
	}
	if mask == 0 {
		mask = Reads | Writes
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ch == nil {
		g.ch = make(chan struct{})
	}
	g.mask.Or(uint32(mask))
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
