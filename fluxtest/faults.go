package fluxtest

import (
	"fmt"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest/internal/router"
)

// Faults is what goes wrong, on one connection or on all. The zero value is
// nothing. Probabilities are from 0 to 1 and, for each connection, drawn from
// Seed and its number, so a run whose messages come in the same order meets the
// same faults. Byte numbers count from when the faults were set.
type Faults struct {
	Seed uint64

	// Refuse answers the handshake of new connections with this errno, such as
	// flux.EPERM, which is at most 255. HangUp closes them instead of answering.
	Refuse flux.Errno
	HangUp bool

	// Drop, Duplicate and Reorder are the probabilities that a message to the
	// client is lost, sent twice, or sent behind the next one of another
	// stream. Order within one stream, among events, and among the requests
	// of one sender is kept.
	//
	// No real broker doubles a message. What the client promises to come once
	// comes twice under Duplicate: an event, with its number, to a
	// subscription, a request to a handler, and an item to a stream. A
	// response that ends its request is dropped the second time.
	Drop, Duplicate, Reorder float64
	// DropSent and DuplicateSent are those for messages from the client. An
	// event that is doubled so gets two numbers.
	DropSent, DuplicateSent float64
	// Match limits the five above to the messages it accepts. It must be
	// quick, and is called under a lock.
	Match func(*codec.Message) bool

	// MaxWrite splits what is written to the client into pieces of 1 to so
	// many bytes, each a write of its own.
	MaxWrite int
	// Latency goes by before each write and after each read. What is queued
	// meanwhile is one write: the way to coalesce.
	Latency time.Duration
	// CorruptByte is the number, from 1, of the byte to the client that has a
	// bit flipped.
	CorruptByte int64
	// ResetAfter closes the connection when so many bytes are written to the
	// client, in the middle of a message or not.
	ResetAfter int64
}

// check says what is wrong with the faults.
func (f *Faults) check() error {
	if f.Refuse < 0 || f.Refuse > 255 {
		return fmt.Errorf("fluxtest: Faults.Refuse is %d: want an errno from 1 to 255, or 0 for none",
			int32(f.Refuse))
	}
	return nil
}

func (f *Faults) forRouter() router.Faults {
	return router.Faults{
		Seed: f.Seed, Refuse: uint8(f.Refuse), HangUp: f.HangUp,
		Drop: f.Drop, Duplicate: f.Duplicate, Reorder: f.Reorder,
		DropSent: f.DropSent, DuplicateSent: f.DuplicateSent, Match: f.Match,
		MaxWrite: f.MaxWrite, Latency: f.Latency, CorruptByte: f.CorruptByte, ResetAfter: f.ResetAfter,
	}
}

// SetFaults replaces the faults of all connections, of those to come too. The
// zero Faults heals them. An errno that the handshake cannot hold panics.
func (b *Broker) SetFaults(f Faults) {
	if err := f.check(); err != nil {
		panic(err.Error())
	}
	b.router.SetFaults(f.forRouter(), b.inst.Load().Instance)
}

// SetFaults replaces the faults of this connection. Those of the handshake mean
// nothing here.
func (c *Conn) SetFaults(f Faults) { c.inner.SetFaults(f.forRouter()) }

// Dir is what of a broker's I/O is stalled.
type Dir uint8

// The broker reads from its clients and writes to them.
const (
	Reads  Dir = Dir(router.Reads)
	Writes Dir = Dir(router.Writes)
)

// all joins directions; none given are both.
func all(dirs []Dir) router.Dir {
	var d Dir
	for _, dir := range dirs {
		d |= dir
	}
	if d == 0 {
		d = Reads | Writes
	}
	return router.Dir(d)
}

// Stall makes the broker hang: it takes nothing from its clients and gives
// nothing to them, handshakes included, until Resume. With arguments only the
// directions named are stalled: with Reads, what clients write stays in the
// socket until that is full; with Writes, what they are sent piles up here.
func (b *Broker) Stall(dirs ...Dir) { b.router.Stall(all(dirs)) }

// Resume ends a stall of the broker. Connections that were stalled by
// themselves stay so.
func (b *Broker) Resume() { b.router.Resume() }

// Stall is [Broker.Stall] for one connection.
func (c *Conn) Stall(dirs ...Dir) { c.inner.Stall(all(dirs)) }

// Resume ends a stall of the connection.
func (c *Conn) Resume() { c.inner.Resume() }
