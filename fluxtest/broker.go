package fluxtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flux-sdk/flux/codec"
)

// ErrClosed is the error of using a [Broker] after its Close, and the cause
// that ends the contexts of scripted requests then.
var ErrClosed = errors.New("fluxtest: broker closed")

// Broker is a running instance of one or more ranks. All its methods may be
// called concurrently. Close ends it.
//
// A Broker outlives its instance: [Broker.Restart] replaces that, with all its
// connections, services and counters, while scripts, faults, the record and
// the URIs stay.
//
// Locks, in the order in which they may be taken: life, then the lock of a
// broker service (log, groups, state) or of a scripted request, instance.evmu,
// instance.mu, link.mu, and the leaves (goMu, recorder, table of scripted
// requests, faults, a connection's writer). No lock is held while a script runs
// or while anything waits.
type Broker struct {
	cfg config
	id  uint64 // in URIs without a socket
	dir string // of the sockets; "" without

	life    sync.Mutex // Down, Up, Close, one at a time
	inst    atomic.Pointer[instance]
	closed  atomic.Bool
	done    context.Context // ends with the broker
	finish  context.CancelCauseFunc
	wg      sync.WaitGroup // every goroutine
	pulse   *time.Ticker
	connNum atomic.Int64
	uuids   uuidSource
	scripts scripts
	record  recorder
	faults  faultState
	tb      TB // nil for Start

	goMu     sync.Mutex // guards the start of goroutines against Close
	cleanups []func()   // of Client; under goMu
}

// Start starts a broker for a program. The caller must Close it; a test rather
// uses [New].
func Start(opts ...Option) (*Broker, error) {
	cfg := newConfig(opts)
	switch {
	case cfg.size < 1 || cfg.size > 1<<16:
		return nil, fmt.Errorf("fluxtest: Size(%d): want 1 to 65536", cfg.size)
	case cfg.fanout < 1:
		return nil, fmt.Errorf("fluxtest: FanOut(%d): want 1 or more", cfg.fanout)
	case stateNumber(cfg.state) < 0:
		return nil, fmt.Errorf("fluxtest: State(%q): want one of %q", cfg.state, stateNames)
	}
	b := &Broker{cfg: cfg}
	b.done, b.finish = context.WithCancelCause(context.Background())
	b.uuids.init(cfg.seed)
	b.record.init(cfg.record)
	b.faults.set(cfg.faults)
	if !cfg.inProcess {
		dir, err := socketDir()
		if err != nil {
			return nil, fmt.Errorf("fluxtest: %w", err)
		}
		b.dir = dir
	}
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

// up brings an instance to life. The caller holds life or is alone.
func (b *Broker) up() error {
	inst := newInstance(b)
	b.inst.Store(inst)
	if err := inst.listen(); err != nil {
		inst.stop()
		return fmt.Errorf("fluxtest: %w", err)
	}
	return nil
}

// Down takes the instance away as a crash does: its connections end, its
// sockets vanish, its state is forgotten. Up brings a new one.
func (b *Broker) Down() {
	b.life.Lock()
	defer b.life.Unlock()
	b.inst.Load().stop()
}

// Up starts a new instance at the same URIs after Down: new identities, no
// services or subscriptions, event numbers from 1. The error is the system's,
// about the sockets, or [ErrClosed].
func (b *Broker) Up() error {
	b.life.Lock()
	defer b.life.Unlock()
	if b.closed.Load() {
		return ErrClosed
	}
	if !b.inst.Load().stopped.Load() {
		return nil
	}
	return b.up()
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
	b.runCleanups()
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

// onClose notes what Close is to do first.
func (b *Broker) onClose(f func()) {
	b.goMu.Lock()
	defer b.goMu.Unlock()
	b.cleanups = append(b.cleanups, f)
}

func (b *Broker) runCleanups() {
	b.goMu.Lock()
	todo := b.cleanups
	b.cleanups = nil
	b.goMu.Unlock()
	for _, f := range todo {
		f()
	}
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

// URI is where rank 0 is to be dialed.
func (b *Broker) URI() string { return b.URIOf(0) }

// URIOf is where a rank is to be dialed. It stays the same over restarts.
func (b *Broker) URIOf(rank uint32) string {
	if b.dir == "" {
		return fmt.Sprintf("%s://%d/%d", scheme, b.id, rank)
	}
	return "local://" + b.socketPath(rank)
}

// Size is the number of ranks.
func (b *Broker) Size() int { return b.cfg.size }

// Heartbeat publishes heartbeat.pulse from rank 0, which a real instance does
// every two seconds, and returns the event's number.
func (b *Broker) Heartbeat() uint32 {
	return b.EmitMessage(codec.NewEvent("heartbeat.pulse"))
}

func (b *Broker) startPulse(every time.Duration) {
	b.pulse = time.NewTicker(every)
	b.start(func() {
		for {
			select {
			case <-b.pulse.C:
				b.Heartbeat()
			case <-b.done.Done():
				return
			}
		}
	})
}
