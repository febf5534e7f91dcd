package fluxtest

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest/internal/kvs"
	"github.com/flux-sdk/flux/transport"
)

// instance is one life of a Broker, from up to down. Nothing of it survives a
// restart, so nothing has to be reset.
type instance struct {
	b       *Broker
	ranks   []*rank
	started time.Time
	stopped atomic.Bool
	groups  groups
	config  configuration
	kvs     *kvs.Service

	mu    sync.RWMutex     // guards conns, and services and listener of the ranks
	conns map[string]*Conn // by UUID
	gen   atomic.Uint64    // of conns and services: counts their changes, under mu

	evmu sync.Mutex // orders events; guards seq, subs and the subscriptions of the conns
	seq  uint32
	subs subscriptions
}

// rank is one broker of the instance, with its connector.
type rank struct {
	inst     *instance
	n        uint32
	parent   *rank
	children []*rank
	up       *link // to the parent; nil at the root
	lost     atomic.Bool

	uuid      string
	connector string       // UUID of the local connector module
	self      codec.Routes // the hop that is this broker
	conn      codec.Routes // the hop that is its connector
	direct    codec.Routes // both, on events sent directly on this rank

	listener *transport.Listener
	services map[string]*service
	held     map[string]*Conn // names that only the router still has; under inst.mu
	connects atomic.Int64
	counters counters

	attrs attrs
	log   logRing
	state stateMachine
	env   environ
}

func newInstance(b *Broker) *instance {
	inst := &instance{b: b, started: time.Now(), conns: make(map[string]*Conn)}
	inst.kvs = newKVS(b)
	inst.subs.init()
	inst.groups.init(b.cfg.size)
	inst.config.init(inst)
	for i := range b.cfg.size {
		r := &rank{inst: inst, n: uint32(i), uuid: b.uuids.next(), connector: b.uuids.next(), held: make(map[string]*Conn)}
		r.self, r.conn = codec.MakeRoutes(r.uuid), codec.MakeRoutes(r.connector)
		r.direct = codec.MakeRoutes(r.uuid, r.connector)
		if i > 0 {
			r.parent = inst.ranks[(i-1)/b.cfg.fanout]
			r.parent.children = append(r.parent.children, r)
			r.up = &link{parent: r.parent, child: r}
		}
		inst.ranks = append(inst.ranks, r)
	}
	for _, r := range inst.ranks {
		r.services = builtinServices(r)
		r.attrs.init(r)
		r.log.init(r)
		r.state.init(r, b.cfg.state)
	}
	return inst
}

// listen opens the sockets, if there are to be any.
func (inst *instance) listen() error {
	b := inst.b
	if b.dir == "" {
		return nil
	}
	for _, r := range inst.ranks {
		l, err := transport.Listen(b.socketPath(r.n), b.cfg.conn)
		if err != nil {
			return err
		}
		r.listener = l
		if b.cfg.guests {
			// Others than the owner cannot reach a private socket.
			if err := openToAll(b.dir, b.socketPath(r.n)); err != nil {
				return err
			}
		}
		b.start(func() { r.accept(l) })
	}
	return nil
}

// stop ends all connections and closes the sockets. It may be called again.
func (inst *instance) stop() {
	inst.stopped.Store(true)
	for _, r := range inst.ranks {
		r.hangUp()
	}
}

// hangUp ends the connections of a rank, and takes no new ones.
func (r *rank) hangUp() {
	r.lost.Store(true)
	r.inst.mu.Lock()
	l := r.listener
	r.listener = nil
	var conns []*Conn
	for _, c := range r.inst.conns {
		if c.r == r {
			conns = append(conns, c)
		}
	}
	r.inst.mu.Unlock()
	if l != nil {
		l.Close()
	}
	var wg sync.WaitGroup // a client that does not read takes a while
	for _, c := range conns {
		wg.Go(c.hangUp)
	}
	wg.Wait()
}

func hangUpRank(r *rank) { r.hangUp() }

// towards is the child whose subtree has rank n, nil if none has.
func (r *rank) towards(n uint32) *rank {
	if n >= uint32(len(r.inst.ranks)) {
		return nil
	}
	for at := r.inst.ranks[n]; at.parent != nil; at = at.parent {
		if at.parent == r {
			return at
		}
	}
	return nil
}

// subtree calls f for r and all below it, parents first.
func (r *rank) subtree(f func(*rank)) {
	f(r)
	for _, c := range r.children {
		c.subtree(f)
	}
}

// level is the distance to the root; height the one to the farthest leaf.
func (r *rank) level() int {
	if r.parent == nil {
		return 0
	}
	return 1 + r.parent.level()
}

func (r *rank) height() int {
	h := 0
	for _, c := range r.children {
		h = max(h, 1+c.height())
	}
	return h
}

func (r *rank) size() int {
	n := 0
	r.subtree(func(*rank) { n++ })
	return n
}

func (r *rank) String() string { return strconv.FormatUint(uint64(r.n), 10) }
