package fluxtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flux-sdk/flux/fluxtest/internal/router"
	"github.com/flux-sdk/flux/fluxtest/internal/services/defaults"
	"github.com/flux-sdk/flux/fluxtest/internal/services/state"
)

// ErrClosed is the error of using a [Broker] after its Close, and the cause
// that ends the contexts of scripted requests then.
var ErrClosed = errors.New("fluxtest: broker closed")

// Version is the release of flux-core that the broker says it is.
const Version = "0.88.0"

// Broker is a running instance of one or more ranks. Its methods may be called
// concurrently. Close ends it.
//
// A Broker outlives its instance: [Broker.Restart] replaces that, with all its
// connections, services and counters, while scripts, faults, the record and
// the URIs stay.
type Broker struct {
	cfg     settings
	id      uint64 // in URIs without a socket
	dir     string // of the sockets; "" without
	router  *router.Broker
	scripts scripts
	record  recorder
	tb      TB // nil for Start

	lifeMu sync.Mutex // held during Down, Up and Close
	inst   atomic.Pointer[instance]
	done   context.Context // ends with the broker
	finish context.CancelCauseFunc
	pulse  *time.Ticker

	closed  atomic.Bool // written under goMu
	goMu    sync.Mutex  // orders the start of goroutines and Close
	wg      sync.WaitGroup
	clients []*madeClient // of Client and Serve; guarded by goMu
}

// Start starts a broker for a program. The caller must Close it; a test rather
// uses [New]. The error says which option is wrong, or is the system's about the
// sockets.
func Start(opts ...Option) (*Broker, error) {
	cfg := newSettings(opts)
	switch {
	case cfg.size < 1 || cfg.size > 1<<16:
		return nil, fmt.Errorf("fluxtest: Size(%d): want 1 to 65536", cfg.size)
	case cfg.fanout < 1:
		return nil, fmt.Errorf("fluxtest: FanOut(%d): want 1 or more", cfg.fanout)
	case !state.Known(cfg.state):
		return nil, fmt.Errorf("fluxtest: State(%q): want one of %q", cfg.state, state.Names())
	}
	if err := cfg.faults.check(); err != nil {
		return nil, err
	}
	b := &Broker{cfg: cfg}
	b.done, b.finish = context.WithCancelCause(context.Background())
	b.record.max = cfg.record
	b.scripts.b = b
	if !cfg.inProcess {
		dir, err := socketDir()
		if err != nil {
			return nil, fmt.Errorf("fluxtest: %w", err)
		}
		b.dir = dir
	}
	b.router = router.New(b.routerConfig())
	b.router.SetFaults(cfg.faults.forRouter(), nil)
	register(b)
	if err := b.up(); err != nil {
		b.Close()
		return nil, err
	}
	if cfg.heartbeat > 0 {
		b.startPulse(cfg.heartbeat)
	}
	return b, nil
}

func (b *Broker) routerConfig() router.Config {
	cfg := router.Config{
		Size: b.cfg.size, FanOut: b.cfg.fanout, Owner: b.cfg.owner,
		AllowGuests: b.cfg.guests, RootOwner: b.cfg.rootOwner, MapCred: b.cfg.mapCred,
		Seed: b.cfg.seed, Conn: b.cfg.conn,
		Start: b.start, Done: b.done.Done(),
		Scripts: &b.scripts, Defaults: defaults.Methods(), Face: newConn,
	}
	if b.cfg.record > 0 {
		cfg.Received = b.record.add
	}
	if b.dir != "" {
		cfg.SocketPath = b.socketPath
	}
	return cfg
}

// up brings an instance to life. The caller holds lifeMu or is alone.
func (b *Broker) up() error {
	inst := b.newInstance()
	b.inst.Store(inst)
	if err := inst.Listen(); err != nil {
		inst.Stop()
		return fmt.Errorf("fluxtest: %w", err)
	}
	return nil
}

// Down takes the instance away as a crash does: its connections end, its
// sockets vanish, its state is forgotten. Up brings a new one.
func (b *Broker) Down() {
	b.lifeMu.Lock()
	defer b.lifeMu.Unlock()
	b.inst.Load().Stop()
}

// Up starts a new instance at the same URIs after Down: new identities, no
// services or subscriptions, event numbers from 1. The error is the system's,
// about the sockets, or [ErrClosed].
func (b *Broker) Up() error {
	b.lifeMu.Lock()
	defer b.lifeMu.Unlock()
	if b.closed.Load() {
		return ErrClosed
	}
	if !b.inst.Load().Stopped() {
		return nil
	}
	return b.up()
}

// LoseRank cuts a rank, and with it all below it, off the tree. Requests that
// wait across the cut are answered EHOSTUNREACH on both sides, later ones to
// the lost ranks too, and then the lost brokers exit: their connections end and
// their sockets vanish. [Broker.Restart] brings them back. The error is about
// the rank: rank 0 can only go [Broker.Down].
func (b *Broker) LoseRank(rank uint32) error {
	inst := b.inst.Load()
	ranks := inst.Ranks()
	if rank == 0 || rank >= uint32(len(ranks)) {
		return fmt.Errorf("fluxtest: LoseRank(%d): want 1 to %d", rank, len(ranks)-1)
	}
	inst.LoseRank(ranks[rank])
	return nil
}

// Restart is Down and Up at once.
func (b *Broker) Restart() error {
	b.Down()
	return b.Up()
}

// Close ends the broker, closes the clients that [Broker.Client] made and waits
// for the scripts that still run; their contexts end. The error says which of
// them did not return. It may be called more than once.
func (b *Broker) Close() error {
	b.closeClients()
	b.goMu.Lock()
	again := b.closed.Swap(true)
	b.goMu.Unlock()
	if again {
		return nil
	}
	unregister(b)
	if b.pulse != nil {
		b.pulse.Stop()
	}
	b.finish(ErrClosed)
	b.Down()
	b.scripts.endAll(ErrClosed)
	var err error
	if !waitFor(&b.wg, closeWait) {
		err = fmt.Errorf("fluxtest: still running after Close: %s", b.scripts.stuck())
	}
	if b.dir != "" {
		if rerr := os.RemoveAll(b.dir); err == nil {
			err = rerr
		}
	}
	return err
}

// start runs f in a goroutine that Close waits for; false says that there is no
// starting any more.
func (b *Broker) start(f func()) bool {
	b.goMu.Lock()
	defer b.goMu.Unlock()
	if b.closed.Load() {
		return false
	}
	b.wg.Go(f)
	return true
}

// closeWait is how long Close waits for scripts to return.
const closeWait = 5 * time.Second

// waitFor waits for wg, no longer than d.
func waitFor(wg *sync.WaitGroup, d time.Duration) bool {
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		return false
	}
}

// Size is the number of ranks.
func (b *Broker) Size() int { return b.cfg.size }

func (b *Broker) socketPath(rank uint32) string {
	return filepath.Join(b.dir, "local-"+strconv.FormatUint(uint64(rank), 10))
}

// runDir is what the attribute rundir says.
func (b *Broker) runDir() string {
	if b.dir == "" {
		return "/fluxtest"
	}
	return b.dir
}

// socketDir makes a private directory with a path short enough for sockets.
func socketDir() (string, error) {
	dir, err := os.MkdirTemp("", "flux-")
	if err != nil || len(dir) < 80 {
		return dir, err
	}
	os.Remove(dir)
	return os.MkdirTemp("/tmp", "flux-")
}
