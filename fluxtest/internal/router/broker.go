// Package router is the inside of the embedded broker: connections, the tree of
// ranks, the routing of requests, responses and events, and the faults that it
// has on request. What answers requests is not here: services are registered
// with [Instance.Add], and scripts are given to the [Config].
//
// # Locks
//
// They are taken in this order: the lock of a service or of a scripted request,
// Instance.eventMu, Instance.mu, link.mu, and then one of those under which
// nothing else is taken: of faults, of a gate, of the source of UUIDs, of
// Broker.subscribed, of a connection's writer. No lock is held while a service
// or a script runs, or while anything waits.
package router

import (
	"sync"
	"sync/atomic"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/transport"
)

// Config is what a broker is made of. It must not be changed.
type Config struct {
	Size, FanOut int
	Owner        uint32 // userid of the instance owner
	AllowGuests  bool   // every user may connect
	RootOwner    bool   // userid 0 is an owner
	// MapCred, if not nil, changes who the client of a socket is.
	MapCred func(rank uint32, c transport.Cred) transport.Cred
	Seed    uint64           // of UUIDs; 0 is a random one
	Conn    transport.Config // of all connections
	// SocketPath is the path of a rank's socket; nil if there are to be none.
	SocketPath func(rank uint32) string
	// Start runs f in a goroutine that the end of the broker waits for. It
	// reports false, and does not run f, if the broker has ended.
	Start func(f func()) bool
	// Done is closed when the broker ends.
	Done <-chan struct{}
	// Received, if not nil, is called for each message of a client, as it was
	// sent. m is changed afterwards.
	Received func(c *Conn, m *codec.Message)
	// Face, if not nil, makes what [Conn.Face] returns, once for a connection.
	Face func(c *Conn) any
	// Scripts take requests before the services do.
	Scripts Scripts
	// Defaults are the methods that every module has, by name.
	Defaults map[string]DefaultMethod
}

// Scripts take requests before any service of a rank does.
type Scripts interface {
	// Take serves a request if there is a script for it. It must not keep m.
	Take(r *Rank, m *codec.Message, b *Batch) bool
	// Any reports whether there are scripts at all.
	Any() bool
	// HasService reports whether there are scripts for a service on a rank.
	HasService(name string, rank uint32) bool
	// Services lists the services that there are scripts for on a rank.
	Services(rank uint32) []string
	// Notice ends the scripted requests that a cancel or a disconnect notice
	// is about. It reports whether that is all there is to do about m.
	Notice(m *codec.Message) bool
}

// Broker is what the instances that follow each other in a test have in common.
type Broker struct {
	cfg        Config
	uuids      uuidSource
	gate       gate // stalls all connections
	faults     atomic.Pointer[Faults]
	connNum    atomic.Int64
	subscribed notifier // of new subscriptions, and of new instances
}

// New returns a broker without an instance.
func New(cfg Config) *Broker {
	b := &Broker{cfg: cfg}
	b.uuids.init(cfg.Seed)
	b.faults.Store(new(Faults))
	return b
}

// Stall makes the broker take or give nothing, or both, until Resume.
func (b *Broker) Stall(d Dir) { b.gate.close(d) }

// Resume ends a stall. Connections that are stalled by themselves stay so.
func (b *Broker) Resume() { b.gate.open() }

// Connects is the number of connections that there have been.
func (b *Broker) Connects() int { return int(b.connNum.Load()) }

// Subscribed is closed at the next subscription of any client, or when there is
// another instance.
func (b *Broker) Subscribed() <-chan struct{} { return b.subscribed.wait() }

// notifier wakes all that wait for something to happen once more.
type notifier struct {
	mu sync.Mutex
	ch chan struct{} // nil while nobody waits; guarded by mu
}

func (n *notifier) wait() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ch == nil {
		n.ch = make(chan struct{})
	}
	return n.ch
}

func (n *notifier) notify() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ch != nil {
		close(n.ch)
		n.ch = nil
	}
}

// The roles of RFC 12 that the broker itself uses, as messages have them.
const (
	roleOwner = uint32(flux.RoleOwner)
	roleUser  = uint32(flux.RoleUser)
	roleLocal = uint32(flux.RoleLocal)
)
