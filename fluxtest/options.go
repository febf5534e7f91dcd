package fluxtest

import (
	"fmt"
	"os"
	"time"

	"github.com/flux-sdk/flux/transport"
)

// Option says how a broker is started.
type Option func(*settings)

// settings is what the options of a broker say.
type settings struct {
	size      int
	fanout    int
	inProcess bool
	owner     uint32
	guests    bool
	rootOwner bool
	mapCred   func(rank uint32, c transport.Cred) transport.Cred
	faults    Faults
	record    int
	heartbeat time.Duration
	state     string
	attrs     map[string]string
	seed      uint64
	leaksOK   bool
	conn      transport.Config
}

func newSettings(opts []Option) settings {
	cfg := settings{
		size: 1, fanout: 2, owner: uint32(os.Getuid()), record: defaultRecord, state: "run",
		// As much as the codec takes: a broker has no limit of its own.
		conn: transport.Config{MaxSize: 1<<31 - 1},
	}
	for i, opt := range opts {
		if opt == nil {
			panic(fmt.Sprintf("fluxtest: option %d of %d is nil", i+1, len(opts)))
		}
		opt(&cfg)
	}
	return cfg
}

// Size sets the number of ranks; the default is 1.
func Size(n int) Option { return func(c *settings) { c.size = n } }

// FanOut sets how many children a rank has in the tree; the default is 2. A
// real instance of few ranks is flat (32).
func FanOut(k int) Option { return func(c *settings) { c.fanout = k } }

// InProcess starts the broker without sockets. Its URIs have the scheme
// fluxtest and work in this process alone. Nothing waits for the system then,
// so it can live in a synctest bubble, if it is started there.
func InProcess() Option { return func(c *settings) { c.inProcess = true } }

// Owner sets the userid of the instance's owner; the default is this process's.
func Owner(uid uint32) Option { return func(c *settings) { c.owner = uid } }

// AllowGuests lets every user connect, as access.allow-guest-user does. The
// sockets, else private, are then open to all users of the host.
func AllowGuests() Option { return func(c *settings) { c.guests = true } }

// AllowRootOwner makes userid 0 an owner, as access.allow-root-owner does.
func AllowRootOwner() Option { return func(c *settings) { c.rootOwner = true } }

// MapCred changes who the clients of the sockets appear to be, so that a
// connection of this process can be a guest's. It may be called concurrently.
func MapCred(f func(rank uint32, c transport.Cred) transport.Cred) Option {
	return func(c *settings) { c.mapCred = f }
}

// WithFaults starts the broker with faults in force; see [Broker.SetFaults].
func WithFaults(f Faults) Option { return func(c *settings) { c.faults = f } }

// Record sets how many messages are remembered for [Broker.Requests] and
// [Broker.Await], the newest; the default is 4096. 0 remembers none, which is
// what a benchmark wants. Whatever the number, no more than 32 MiB are kept.
func Record(n int) Option { return func(c *settings) { c.record = n } }

// HeartbeatEvery makes rank 0 publish heartbeat.pulse periodically. Without it
// there are no pulses but those of [Broker.Heartbeat], and no timer runs.
func HeartbeatEvery(d time.Duration) Option { return func(c *settings) { c.heartbeat = d } }

// State starts the broker in a state other than "run"; see [Broker.SetState].
func State(name string) Option { return func(c *settings) { c.state = name } }

// Attr sets a broker attribute on all ranks, any name and value.
func Attr(name, value string) Option {
	return func(c *settings) {
		if c.attrs == nil {
			c.attrs = make(map[string]string)
		}
		c.attrs[name] = value
	}
}

// Seed makes the UUIDs of the instance and of its connections the same in
// every run that connects in the same order. The seed of faults is their own.
func Seed(n uint64) Option { return func(c *settings) { c.seed = n } }

// AllowLeaks keeps [New] from failing a test whose connections outlive it.
func AllowLeaks() Option { return func(c *settings) { c.leaksOK = true } }
