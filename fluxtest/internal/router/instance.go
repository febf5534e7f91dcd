package router

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest/internal/jansson"
	"github.com/flux-sdk/flux/fluxtest/internal/service"
	"github.com/flux-sdk/flux/transport"
)

// Instance is one life of a broker, from up to down. Nothing of it survives a
// restart, so nothing has to be reset. It is the [service.Broker] of its
// services.
type Instance struct {
	b        *Broker
	ranks    []*Rank
	services []*service.Service // not changed once there are connections
	started  time.Time
	config   atomic.Pointer[jansson.Object]

	stopped atomic.Bool
	life    context.Context // ends with the instance
	end     context.CancelCauseFunc

	mu    sync.RWMutex     // guards conns, and names, held and listener of the ranks
	conns map[string]*Conn // by UUID
	gen   atomic.Uint64    // counts the changes of conns and of names; written under mu

	eventMu sync.Mutex // guards seq, subs, and subs and lastSeq of the connections; orders events
	seq     uint32
	subs    subscriptions
}

// NewInstance returns an instance without services. It runs once Listen has
// returned.
func (b *Broker) NewInstance() *Instance {
	inst := &Instance{b: b, started: time.Now(), conns: make(map[string]*Conn)}
	inst.life, inst.end = context.WithCancelCause(context.Background())
	inst.config.Store(new(jansson.Object{}))
	inst.subs.init()
	for i := range b.cfg.Size {
		r := &Rank{
			inst: inst, n: uint32(i), uuid: b.uuids.next(), connector: b.uuids.next(),
			names: make(map[string]*registration), held: make(map[string]*Conn),
		}
		r.hop, r.connectorHop = codec.MakeRoutes(r.uuid), codec.MakeRoutes(r.connector)
		r.directRoutes = codec.MakeRoutes(r.uuid, r.connector)
		r.online.Store(true)
		if i > 0 {
			r.parent = inst.ranks[(i-1)/b.cfg.FanOut]
			r.parent.children = append(r.parent.children, r)
			r.up = &link{parent: r.parent, child: r}
		}
		inst.ranks = append(inst.ranks, r)
	}
	return inst
}

// Listen opens the sockets, if there are to be any. The error is the system's.
func (inst *Instance) Listen() error {
	b := inst.b
	defer b.subscribed.notify()
	if b.cfg.SocketPath == nil {
		return nil
	}
	for _, r := range inst.ranks {
		path := b.cfg.SocketPath(r.n)
		l, err := transport.Listen(path, b.cfg.Conn)
		if err != nil {
			return err
		}
		r.listener = l
		if b.cfg.AllowGuests {
			// Others than the owner cannot reach a private socket.
			if err := openToAll(path); err != nil {
				return err
			}
		}
		b.cfg.Start(func() { r.accept(l) })
	}
	return nil
}

var errStopped = errors.New("fluxtest: the instance has ended")

// Stop ends all connections and closes the sockets. It may be called again.
func (inst *Instance) Stop() {
	inst.stopped.Store(true)
	inst.end(errStopped)
	for _, r := range inst.ranks {
		r.hangUp()
	}
}

// Stopped reports whether Stop has been called.
func (inst *Instance) Stopped() bool { return inst.stopped.Load() }

// Started is when the instance came to life.
func (inst *Instance) Started() time.Time { return inst.started }

// Ranks lists the ranks, in order.
func (inst *Instance) Ranks() []*Rank { return inst.ranks }

// Size is the number of ranks.
func (inst *Instance) Size() int { return len(inst.ranks) }

// Owner is the userid of the instance owner.
func (inst *Instance) Owner() uint32 { return inst.b.cfg.Owner }

// Access reports who may connect besides the owner.
func (inst *Instance) Access() (guests, rootOwner bool) {
	return inst.b.cfg.AllowGuests, inst.b.cfg.RootOwner
}

// Online reports whether a rank is there.
func (inst *Instance) Online(rank uint32) bool {
	return rank < uint32(len(inst.ranks)) && !inst.ranks[rank].lost.Load()
}

// Config is the configuration of the instance.
func (inst *Instance) Config() jansson.Object { return *inst.config.Load() }

// SetConfig replaces the configuration.
func (inst *Instance) SetConfig(o jansson.Object) { inst.config.Store(&o) }

// Go runs f in a goroutine, whose ctx ends with the instance.
func (inst *Instance) Go(f func(ctx context.Context)) bool {
	if inst.life.Err() != nil {
		return false
	}
	return inst.b.cfg.Start(func() { f(inst.life) })
}

// Connections lists the connections there are, in the order of connecting.
func (inst *Instance) Connections() []*Conn {
	inst.mu.RLock()
	conns := slices.Collect(maps.Values(inst.conns))
	inst.mu.RUnlock()
	slices.SortFunc(conns, func(a, b *Conn) int { return a.num - b.num })
	return conns
}

// LoseRank cuts a rank, and with it all below it, off the tree. Requests that
// wait across the cut are answered, then the services hear of it, and then the
// connections of the lost ranks end.
func (inst *Instance) LoseRank(r *Rank) {
	if r.lost.Swap(true) {
		return
	}
	var b Batch
	r.up.sever(&b)
	b.flush()
	for _, s := range inst.services {
		if s.RankLost != nil {
			r.Subtree(func(r *Rank) { s.RankLost(r.n) })
		}
	}
	r.Subtree((*Rank).hangUp)
}
