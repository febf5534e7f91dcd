package fluxtest

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
	inst     *instance
	r        *rank
	num      int
	uuid     string
	userid   uint32
	roles    uint32
	pid      int
	stream   *stream
	tc       *framing.Conn
	gone     chan struct{}
	hangOnce sync.Once

	atBroker  codec.Routes // what a request of it bears at its broker
	atService codec.Routes // and at a client's service on the same rank

	dirty  atomic.Bool  // in the batch of somebody who will flush
	tx     atomic.Int64 // messages from the client
	queued atomic.Int64 // messages to it, whether written or not
	faults atomic.Pointer[connFaults]

	// Of the reader alone.
	armed   map[armKey]*codec.Message
	notices []*codec.Message // the same, in order
	lastArm armKey

	subs     map[string]int      // by topic, the use count; under inst.evmu
	lastSeq  uint32              // the last event it got; under inst.evmu
	services map[string]struct{} // under inst.mu
}

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
	c.inst.evmu.Lock()
	defer c.inst.evmu.Unlock()
	return slices.Sorted(maps.Keys(c.subs))
}

// Services lists the services it has registered.
func (c *Conn) Services() []string {
	c.inst.mu.RLock()
	defer c.inst.mu.RUnlock()
	return slices.Sorted(maps.Keys(c.services))
}

// Disconnect ends the connection from the broker's side.
func (c *Conn) Disconnect() { c.hangUp() }

// Conns lists the connections there are, in the order of connecting.
func (b *Broker) Conns() []*Conn {
	return b.inst.Load().connections()
}

func (inst *instance) connections() []*Conn {
	inst.mu.RLock()
	conns := slices.Collect(maps.Values(inst.conns))
	inst.mu.RUnlock()
	slices.SortFunc(conns, func(a, b *Conn) int { return a.num - b.num })
	return conns
}

// Disconnect ends all connections from the broker's side. New ones are taken.
func (b *Broker) Disconnect() {
	for _, c := range b.Conns() {
		c.Disconnect()
	}
}

// newConn enters a connection into the tables; nil says that the rank has gone.
// Called with inst.mu held, so that who welcomes a client under the same lock
// has nobody miss it who looks for it afterwards.
func (r *rank) newConn(s *stream, who peer) *Conn {
	b := r.inst.b
	c := &Conn{
		inst: r.inst, r: r, uuid: b.uuids.next(),
		userid: who.uid, roles: who.roles, pid: who.pid,
		stream: s, gone: make(chan struct{}),
		armed: make(map[armKey]*codec.Message, 1),
	}
	c.atBroker = codec.MakeRoutes(r.connector, c.uuid)
	c.atService = codec.MakeRoutes(r.uuid, r.connector, c.uuid)
	c.tc = framing.New(s, framing.Config{MaxSize: b.cfg.conn.MaxSize})
	if r.lost.Load() {
		return nil
	}
	c.num = int(b.connNum.Add(1))
	r.inst.conns[c.uuid] = c
	r.inst.gen.Add(1)
	r.connects.Add(1)
	b.faults.adopt(c)
	return c
}

// flushEvery is how many messages of a batch are passed on before they are
// written: those they are for are at work on them while the rest is passed on.
const flushEvery = 64

// serve is the reader: it handles all that the client sends, until the end.
func (c *Conn) serve() {
	var m codec.Message
	var bt batch
	for n := 1; ; n++ {
		err := c.tc.Recv(&m)
		if err != nil {
			bt.flush()
			c.drain(err)
			break
		}
		c.tx.Add(1)
		if f := c.faults.Load(); f != nil {
			c.receiveWith(f, &m, &bt)
		} else {
			c.receive(&m, &bt)
		}
		if n >= flushEvery || !c.tc.Buffered() {
			bt.flush()
			n = 0
		}
	}
	c.leave(&bt)
	bt.flush()
	c.hangUp()
	close(c.gone)
}

// receiveWith is receive as often as the faults let a message through.
func (c *Conn) receiveWith(f *connFaults, received *codec.Message, bt *batch) {
	m := clone(received) // for what Match may keep
	switch f.arrivals(m) {
	case 1:
		c.receive(m, bt)
	case 2:
		again := *m
		c.receive(&again, bt)
		c.receive(m, bt)
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
func (c *Conn) leave(bt *batch) {
	c.fireDisconnect(bt)
	c.inst.mu.Lock()
	c.unregister()
	delete(c.inst.conns, c.uuid)
	c.inst.gen.Add(1)
	c.inst.mu.Unlock()
	c.inst.evmu.Lock()
	for topic := range c.subs {
		c.inst.subs.remove(topic, c)
	}
	c.subs = nil
	c.inst.evmu.Unlock()
}

// hangUp closes the stream. What was queued is written first, for as long as
// the transport gives it, unless the connection is stalled.
func (c *Conn) hangUp() {
	c.hangOnce.Do(func() {
		c.SetFaults(Faults{}) // nothing held, nothing delayed
		if c.stream.gate.shut(Writes) || c.inst.b.faults.gate.shut(Writes) {
			c.stream.Close()
		}
		c.tc.Close()
	})
}

// backlog is the number of messages that wait to be written to the client.
func (c *Conn) backlog() int64 {
	return max(0, c.queued.Load()-c.stream.out.frames.Load())
}
