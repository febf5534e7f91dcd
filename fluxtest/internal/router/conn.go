package router

import (
	"errors"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/framing"
)

// Conn is one connection of a client, as the broker sees it. All its methods
// may be called concurrently and after its end.
type Conn struct {
	inst     *Instance
	r        *Rank
	num      int
	uuid     string
	userid   uint32
	roles    uint32
	pid      int
	stream   *stream
	conn     *framing.Conn
	gone     chan struct{}
	hangOnce sync.Once
	face     any

	atBroker  codec.Routes // what a request of it bears at its broker
	atService codec.Routes // and at a client's service on the same rank

	dirty  atomic.Bool  // in a batch that will flush it
	recvd  atomic.Int64 // messages from the client
	queued atomic.Int64 // messages to it, whether written or not
	faults atomic.Pointer[connFaults]

	// Owned by the reading goroutine.
	armed   map[armKey]*codec.Message
	notices []*codec.Message // the same, in order
	lastArm armKey
	relay   relay

	subs     map[string]int      // uses of each topic; guarded by inst.eventMu
	lastSeq  uint32              // the last event it got; guarded by inst.eventMu
	services map[string]struct{} // guarded by inst.mu
}

// Face is the connection as the users of the broker have it.
func (c *Conn) Face() any { return c.face }

// Number counts connections from 1, over restarts, in the order of connecting.
func (c *Conn) Number() int { return c.num }

// Rank is the rank it is connected to.
func (c *Conn) Rank() uint32 { return c.r.n }

// UUID is its identity in route stacks.
func (c *Conn) UUID() string { return c.uuid }

// UserID is who it was found to be when it connected.
func (c *Conn) UserID() uint32 { return c.userid }

// Done is closed when the connection has ended and left no trace.
func (c *Conn) Done() <-chan struct{} { return c.gone }

// Subscriptions lists the event topics it is subscribed to.
func (c *Conn) Subscriptions() []string {
	c.inst.eventMu.Lock()
	defer c.inst.eventMu.Unlock()
	return slices.Sorted(maps.Keys(c.subs))
}

// Services lists the services it has registered.
func (c *Conn) Services() []string {
	c.inst.mu.RLock()
	defer c.inst.mu.RUnlock()
	return slices.Sorted(maps.Keys(c.services))
}

// newConnLocked enters a connection into the tables; nil says that the rank has
// gone. inst.mu is held, also while the client is welcomed, so that a client
// which is connected is among the connections.
func (r *Rank) newConnLocked(s *stream, who Peer) *Conn {
	b := r.inst.b
	c := &Conn{
		inst: r.inst, r: r, uuid: b.uuids.next(),
		userid: who.UserID, roles: who.Roles, pid: who.PID,
		stream: s, gone: make(chan struct{}),
		armed: make(map[armKey]*codec.Message, 1),
	}
	c.atBroker = codec.MakeRoutes(r.connector, c.uuid)
	c.atService = codec.MakeRoutes(r.uuid, r.connector, c.uuid)
	c.conn = framing.New(s, framing.Config{MaxSize: b.cfg.Conn.MaxSize})
	if b.cfg.Face != nil {
		c.face = b.cfg.Face(c)
	}
	if r.lost.Load() {
		return nil
	}
	c.num = int(b.connNum.Add(1))
	r.inst.conns[c.uuid] = c
	r.inst.gen.Add(1)
	r.connects.Add(1)
	if f := b.faults.Load(); f.messages() || f.bytes() {
		c.SetFaults(*f)
	}
	return c
}

// FlushEvery is how many messages of a batch are passed on before they are
// written: those they are for are at work on them while the rest is passed on.
const FlushEvery = 64

// readLoop is the reader: it handles all that the client sends, until the end.
func (c *Conn) readLoop() {
	var m codec.Message
	var b Batch
	for n := 1; ; n++ {
		relays := c.faults.Load() == nil && c.inst.b.relays()
		var err error
		if relays {
			err = c.conn.RecvBorrowed(&m)
		} else {
			err = c.conn.Recv(&m)
		}
		if err != nil {
			b.flush()
			c.drain(err)
			break
		}
		c.recvd.Add(1)
		f := c.faults.Load()
		if relays && (f != nil || !c.inst.b.relays()) {
			m, relays = *owned(&m), false // somebody has come since who may keep it
		}
		switch {
		case relays:
			n += c.passOn(&m, &b)
		case f != nil:
			c.receiveWith(f, &m, &b)
		default:
			c.receive(&m, &b)
		}
		if n >= FlushEvery || !c.conn.Buffered() {
			b.flush()
			n = 0
		}
	}
	c.leave(&b)
	b.flush()
	c.Disconnect()
	close(c.gone)
}

// receiveWith is receive as often as the faults let a message through.
func (c *Conn) receiveWith(f *connFaults, received *codec.Message, b *Batch) {
	m := clone(received) // for what Match may keep
	switch f.arrivals(m) {
	case 1:
		c.receive(m, b)
	case 2:
		again := *m
		c.receive(&again, b)
		c.receive(m, b)
	}
}

// lethal is the least of the frame lengths that end a real broker's process.
const lethal = 0xfffffff8

// drain does what a real broker does about a length that it believes: it waits
// for the rest of the frame, until the client goes.
func (c *Conn) drain(err error) {
	if errors.Is(err, codec.ErrTooLarge) && c.stream.in.length < lethal {
		io.Copy(io.Discard, c.stream)
	}
}

// leave undoes what the connection did, in the order of a real broker.
func (c *Conn) leave(b *Batch) {
	c.fireDisconnect(b)
	c.inst.mu.Lock()
	c.unregisterLocked()
	delete(c.inst.conns, c.uuid)
	c.inst.gen.Add(1)
	c.inst.mu.Unlock()
	c.inst.eventMu.Lock()
	for topic := range c.subs {
		c.inst.subs.remove(topic, c)
	}
	c.subs = nil
	c.inst.eventMu.Unlock()
}

// Disconnect ends the connection from the broker's side. What was queued is
// written first, for as long as the transport gives it, unless the connection is
// stalled.
func (c *Conn) Disconnect() {
	c.hangOnce.Do(func() {
		c.SetFaults(Faults{}) // nothing held, nothing delayed
		if c.stream.gate.shut(Writes) || c.inst.b.gate.shut(Writes) {
			c.stream.Close()
		}
		c.conn.Close()
	})
}

// queue accepts a message for the client without waiting. It reports false for
// one that no frame can hold, or if the client has gone.
func (c *Conn) queue(m *codec.Message) bool {
	c.queued.Add(1)
	if err := c.conn.Queue(m); err != nil {
		c.queued.Add(-1)
		return false
	}
	return true
}

// flush starts the writing of what was queued.
func (c *Conn) flush() { c.conn.Flush() }

// Received is the number of messages from the client, Written of those written
// to it, and Backlog of those that wait to be written.
func (c *Conn) Received() int64 { return c.recvd.Load() }
func (c *Conn) Written() int64  { return c.stream.out.frames.Load() }
func (c *Conn) Backlog() int64  { return max(0, c.queued.Load()-c.Written()) }

// PID is the process of the client.
func (c *Conn) PID() int { return c.pid }
