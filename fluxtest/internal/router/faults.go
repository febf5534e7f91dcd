package router

import (
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/flux-sdk/flux/codec"
)

// Faults is what goes wrong on the connections. The face of fluxtest has the same
// type, with the promises.
type Faults struct {
	Seed uint64

	Refuse uint8 // errno for the handshake of new connections
	HangUp bool  // closes new connections

	Drop, Duplicate, Reorder float64 // of messages to the client
	DropSent, DuplicateSent  float64 // of messages from the client
	Match                    func(*codec.Message) bool
	MaxWrite                 int
	Latency                  time.Duration
	CorruptByte              int64
	ResetAfter               int64
}

func (f *Faults) messages() bool {
	return f.Drop > 0 || f.Duplicate > 0 || f.Reorder > 0 || f.DropSent > 0 || f.DuplicateSent > 0
}

func (f *Faults) bytes() bool {
	return f.MaxWrite > 0 || f.Latency > 0 || f.CorruptByte > 0 || f.ResetAfter > 0
}

// SetFaults sets the faults of connections to come, and of those of inst.
func (b *Broker) SetFaults(f Faults, inst *Instance) {
	b.faults.Store(&f)
	if inst == nil {
		return
	}
	for _, c := range inst.Connections() {
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

	// Guarded by mu.
	mu    sync.Mutex
	rng   *rand.Rand
	held  *codec.Message // waits for one to overtake it
	timer *time.Timer    // ends the wait
}

func (f *connFaults) rollLocked(p float64) bool { return p > 0 && f.rng.Float64() < p }

func (f *connFaults) matches(m *codec.Message) bool { return f.Match == nil || f.Match(m) }

// send is Batch.send with faults.
func (f *connFaults) send(c *Conn, m *codec.Message, b *Batch) {
	m = clone(m) // for what is held, and what Match may keep
	f.mu.Lock()
	defer f.mu.Unlock()
	hit := f.matches(m)
	if hit && f.rollLocked(f.Drop) {
		return
	}
	if h := f.held; h != nil {
		f.unholdLocked()
		if !sameStream(h, m) {
			b.put(c, m)
			b.put(c, h)
			return
		}
		b.put(c, h)
	}
	if hit && f.rollLocked(f.Reorder) {
		f.held = m
		f.timer = time.AfterFunc(reorderHold, f.release)
		return
	}
	b.put(c, m)
	if hit && f.rollLocked(f.Duplicate) {
		b.put(c, m)
	}
}

func (f *connFaults) unholdLocked() {
	f.held = nil
	f.timer.Stop()
}

// release sends the message that is held, if there is one.
func (f *connFaults) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h := f.held; h != nil {
		f.unholdLocked()
		var b Batch
		b.put(f.c, h)
		b.flush()
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
	case f.rollLocked(f.DropSent):
		return 0
	case f.rollLocked(f.DuplicateSent):
		return 2
	}
	return 1
}

// byteFaults are the faults that concern the bytes of one connection. The rng
// and the count are owned by the writing goroutine.
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
