package router

import (
	"sync"
	"sync/atomic"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest/internal/service"
	"github.com/flux-sdk/flux/transport"
)

// Rank is one broker of the instance, with its local connector.
type Rank struct {
	inst     *Instance
	n        uint32
	parent   *Rank
	children []*Rank
	up       *link       // to the parent; nil at the root
	lost     atomic.Bool // takes no connections, and no events
	online   atomic.Bool // else it refuses most requests with EAGAIN

	uuid         string
	connector    string       // UUID of the local connector module
	hop          codec.Routes // that is this broker
	connectorHop codec.Routes // that is its connector
	directRoutes codec.Routes // both, on events sent directly on this rank

	// Guarded by inst.mu.
	listener *transport.Listener
	names    map[string]*registration // of services, by name
	held     map[string]*Conn         // names that only the connector still has

	connects atomic.Int64
	Counters Counters
}

// Counters are the messages that a rank has sent and received.
type Counters struct {
	TxResponse, RxRequest, RxResponse atomic.Int64
}

// Clear sets all counters to 0.
func (n *Counters) Clear() {
	n.TxResponse.Store(0)
	n.RxRequest.Store(0)
	n.RxResponse.Store(0)
}

// Number is the number of the rank.
func (r *Rank) Number() uint32 { return r.n }

// UUID is the identity of the rank's broker in route stacks.
func (r *Rank) UUID() string { return r.uuid }

// Parent is the rank above; nil at the root.
func (r *Rank) Parent() *Rank { return r.parent }

// Children are the ranks right below.
func (r *Rank) Children() []*Rank { return r.children }

// Lost reports whether the rank was cut off, or the instance has ended.
func (r *Rank) Lost() bool { return r.lost.Load() }

// SetOnline says whether the rank takes all requests, or only the few that a
// broker takes before it is online.
func (r *Rank) SetOnline(online bool) { r.online.Store(online) }

// Connects is the number of connections that there have been.
func (r *Rank) Connects() int64 { return r.connects.Load() }

// LinkUp reports whether the link to the parent is there and not broken.
func (r *Rank) LinkUp() bool { return r.up != nil && r.up.whole() }

// Pending counts the requests that wait for an answer from the other end of the
// link to the parent, at this end and at the parent's. They are 0 at the root.
func (r *Rank) Pending() (here, atParent int) {
	if r.up == nil {
		return 0, 0
	}
	atParent, here = r.up.pending()
	return here, atParent
}

// Subtree calls f for r and all below it, parents first.
func (r *Rank) Subtree(f func(*Rank)) {
	f(r)
	for _, c := range r.children {
		c.Subtree(f)
	}
}

// towards is the child whose subtree has rank n, nil if none has.
func (r *Rank) towards(n uint32) *Rank {
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

// Level is the distance to the root.
func (r *Rank) Level() int {
	if r.parent == nil {
		return 0
	}
	return 1 + r.parent.Level()
}

// Height is the distance to the farthest leaf below.
func (r *Rank) Height() int {
	h := 0
	for _, c := range r.children {
		h = max(h, 1+c.Height())
	}
	return h
}

// SubtreeSize is the number of ranks in the subtree, this one included.
func (r *Rank) SubtreeSize() int {
	n := 0
	r.Subtree(func(*Rank) { n++ })
	return n
}

// hangUp ends the connections of the rank, and takes no new ones.
func (r *Rank) hangUp() {
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
		wg.Go(c.Disconnect)
	}
	wg.Wait()
}

// A Rank is the responder of requests that are answered after their method has
// returned: what it sends is written at once.
var _ service.Responder = (*Rank)(nil)

// SendResponse sends a response as the broker of the rank does.
func (r *Rank) SendResponse(m *codec.Message) {
	var b Batch
	r.reply(m, &b)
	b.flush()
}

// SendEvent publishes an event from rank 0.
func (r *Rank) SendEvent(m *codec.Message) uint32 { return r.inst.Publish(m) }

// FlushSent does nothing, as all is written at once.
func (r *Rank) FlushSent() {}

// Later returns r.
func (r *Rank) Later() service.Responder { return r }
