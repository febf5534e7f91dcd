package fluxtest

import (
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flux-sdk/flux/codec"
)

// Faults is what goes wrong, on one connection or on all. The zero value is
// nothing. Probabilities are from 0 to 1 and, for each connection, drawn from
// Seed and its number, so a run whose messages come in the same order meets the
// same faults. Byte numbers count from when the faults were set.
type Faults struct {
	Seed uint64

	// Refuse answers the handshake of new connections with this errno, and
	// HangUp closes them instead of answering.
	Refuse uint8
	HangUp bool

	// Drop, Duplicate and Reorder are the probabilities that a message to the
	// client is lost, sent twice, or sent behind the next one of another
	// stream. Order within one stream, among events, and among the requests
	// of one sender is kept.
	Drop, Duplicate, Reorder float64
	// DropSent and DuplicateSent are those for messages from the client.
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

func (f *Faults) messages() bool {
	return f.Drop > 0 || f.Duplicate > 0 || f.Reorder > 0 || f.DropSent > 0 || f.DuplicateSent > 0
}

func (f *Faults) bytes() bool {
	return f.MaxWrite > 0 || f.Latency > 0 || f.CorruptByte > 0 || f.ResetAfter > 0
}

// faultState is the broker's part of the faults.
type faultState struct {
	gate gate
	now  atomic.Pointer[Faults]
}

func (s *faultState) set(f Faults) { s.now.Store(&f) }

func (s *faultState) current() *Faults { return s.now.Load() }

// adopt puts the faults in force on a new connection.
func (s *faultState) adopt(c *Conn) {
	if f := s.current(); f.messages() || f.bytes() {
		c.SetFaults(*f)
	}
}

// SetFaults replaces the faults of all connections, of those to come too. The
// zero Faults heals them.
func (b *Broker) SetFaults(f Faults) {
	b.faults.set(f)
	for _, c := range b.Conns() {
		c.SetFaults(f)
	}
}

// SetFaults replaces the faults of this connection. Those of the handshake mean
// nothing here.
func (c *Conn) SetFaults(f Faults) {
	seed := func() *rand.Rand { return rand.New(rand.NewPCG(f.Seed, uint64(c.num))) }
	var bytes *byteFaults
	if f.bytes() {
		bytes = &byteFaults{Faults: f, rng: seed()}
	}
	c.stream.faults.Store(bytes)
	var next *connFaults
	if f.messages() {
		next = &connFaults{Faults: f, c: c, rng: seed()}
	}
	if prev := c.faults.Swap(next); prev != nil {
		prev.release()
	}
}

// reorderHold is how long a message waits for another to overtake it.
const reorderHold = 20 * time.Millisecond

// connFaults are the faults that concern the messages of one connection.
type connFaults struct {
	Faults
	c *Conn

	mu    sync.Mutex
	rng   *rand.Rand
	held  *codec.Message // waits for one to overtake it
	timer *time.Timer    // ends the wait
}

func (f *connFaults) roll(p float64) bool { return p > 0 && f.rng.Float64() < p }

func (f *connFaults) matches(m *codec.Message) bool { return f.Match == nil || f.Match(m) }

// send is batch.send with faults.
func (f *connFaults) send(c *Conn, m *codec.Message, bt *batch) {
	m = clone(m) // for what is held, and what Match may keep
	f.mu.Lock()
	defer f.mu.Unlock()
	hit := f.matches(m)
	if hit && f.roll(f.Drop) {
		return
	}
	if h := f.held; h != nil {
		f.unhold()
		if !sameStream(h, m) {
			bt.put(c, m)
			bt.put(c, h)
			return
		}
		bt.put(c, h)
	}
	if hit && f.roll(f.Reorder) {
		f.held = m
		f.timer = time.AfterFunc(reorderHold, f.release)
		return
	}
	bt.put(c, m)
	if hit && f.roll(f.Duplicate) {
		bt.put(c, m)
	}
}

func (f *connFaults) unhold() {
	f.held = nil
	f.timer.Stop()
}

// release sends the message that is held, if there is one.
func (f *connFaults) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h := f.held; h != nil {
		f.unhold()
		var bt batch
		bt.put(f.c, h)
		bt.flush()
	}
}

// sameStream says whether two messages to one client must keep their order.
func sameStream(a, b *codec.Message) bool {
	if a.Type != b.Type {
		return false
	}
	switch a.Type {
	case codec.TypeResponse:
		return a.Matchtag == b.Matchtag
	case codec.TypeRequest:
		return a.Routes.Origin() == b.Routes.Origin()
	}
	return true
}

// arrivals says how often a message from the client is handled.
func (f *connFaults) arrivals(m *codec.Message) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case !f.matches(m):
		return 1
	case f.roll(f.DropSent):
		return 0
	case f.roll(f.DuplicateSent):
		return 2
	}
	return 1
}

// byteFaults are the faults that concern the bytes of one connection. The rng
// and the count belong to the one who writes.
type byteFaults struct {
	Faults
	rng  *rand.Rand
	sent int64
}

// pause is the latency, cut short by stop.
func (f *byteFaults) pause(stop <-chan struct{}) {
	if f.Latency <= 0 {
		return
	}
	t := time.NewTimer(f.Latency)
	defer t.Stop()
	select {
	case <-t.C:
	case <-stop:
	}
}

func (f *byteFaults) write(s *stream, p []byte) (int, error) {
	done := 0
	for done < len(p) {
		f.pause(s.closed)
		n := len(p) - done
		if f.MaxWrite > 0 {
			n = min(n, 1+f.rng.IntN(f.MaxWrite))
		}
		cut := f.ResetAfter > 0 && f.sent+int64(n) >= f.ResetAfter
		if cut {
			n = int(f.ResetAfter - f.sent)
		}
		k, err := s.Stream.Write(f.corrupt(p[done : done+n]))
		s.out.count(p[done : done+k])
		done += k
		f.sent += int64(k)
		switch {
		case err != nil:
			return done, err
		case cut:
			s.Close()
			return done, io.ErrClosedPipe
		case done < len(p):
			runtime.Gosched() // let the reader see the piece
		}
	}
	return done, nil
}

// corrupt returns p with a bit flipped if the byte in question is in it.
func (f *byteFaults) corrupt(p []byte) []byte {
	i := f.CorruptByte - 1 - f.sent
	if f.CorruptByte == 0 || i < 0 || i >= int64(len(p)) {
		return p
	}
	q := append([]byte(nil), p...)
	q[i] ^= 1 << f.rng.IntN(8)
	return q
}
