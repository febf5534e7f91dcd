package systemtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
)

// seedEnv repeats the run of a seed that failed.
const seedEnv = "FLUX_TEST_SEED"

// seeds are those of n runs: new ones each time, or the one that was asked for.
func seeds(t testing.TB, n int) []uint64 {
	t.Helper()
	if s := os.Getenv(seedEnv); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return []uint64{seed}
	}
	list := make([]uint64, n)
	for i := range list {
		list[i] = rand.Uint64()
	}
	t.Logf("seeds %d; repeat one with %s", list, seedEnv)
	return list
}

// chaos is a broker that things happen to, and a client that works with it.
type chaos struct {
	t   *testing.T
	b   *fluxtest.Broker
	c   *flux.Client
	ctx context.Context // ends the work

	mu   sync.Mutex
	rng  *rand.Rand
	ends map[string]int // how often requests ended how
}

func (ch *chaos) pick(n int) int {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.rng.IntN(n)
}

func (ch *chaos) pause(max time.Duration) {
	select {
	case <-time.After(time.Duration(ch.pick(int(max)) + 1)):
	case <-ch.ctx.Done():
	}
}

// end counts an end and checks that it is one of those there are.
func (ch *chaos) end(what string, err error, also ...error) {
	kind := ""
	for name, target := range map[string]error{
		"lost": flux.ErrConnLost, "deadline": context.DeadlineExceeded, "no service": flux.ENOSYS,
		"not running": flux.EAGAIN, "canceled": context.Canceled, "service ends": flux.ECANCELED,
	} {
		if errors.Is(err, target) {
			kind = name
		}
	}
	for _, target := range also {
		if errors.Is(err, target) {
			kind = target.Error()
		}
	}
	switch {
	case err == nil:
		kind = "well"
	case kind == "":
		ch.t.Errorf("%s: unexpected end %v", what, err)
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.ends[kind]++
}

// disturb does something to the broker or to the connection.
func (ch *chaos) disturb() {
	b := ch.b
	switch ch.pick(10) {
	case 0:
		b.Restart()
	case 1:
		b.Disconnect()
	case 2:
		b.Down()
		ch.pause(time.Second)
		b.Up()
	case 3:
		b.Stall([]fluxtest.Dir{fluxtest.Reads, fluxtest.Writes, fluxtest.Reads | fluxtest.Writes}[ch.pick(3)])
		ch.pause(time.Second)
		b.Resume()
	case 4:
		b.Stall()
		ch.pause(time.Second)
		b.Restart()
		b.Resume()
	case 5:
		b.SetFaults(fluxtest.Faults{Seed: uint64(ch.pick(1 << 30)), ResetAfter: int64(1 + ch.pick(4096))})
	case 6:
		b.SetFaults(fluxtest.Faults{Seed: uint64(ch.pick(1 << 30)), MaxWrite: 1 + ch.pick(64),
			Latency: time.Duration(ch.pick(int(time.Millisecond)))})
	case 7:
		b.SetFaults(fluxtest.Faults{HangUp: true})
		b.Disconnect()
		ch.pause(time.Second)
		b.SetFaults(fluxtest.Faults{})
	case 8:
		b.SetState("init")
		ch.pause(time.Second)
		b.SetState("run")
	case 9:
		ctx, cancel := context.WithTimeout(ch.ctx, 5*time.Second)
		defer cancel()
		ch.end("Reconnect", ch.c.Reconnect(ctx))
	}
}

// work is one request after the other with a client.
func (ch *chaos) work(c *flux.Client, also ...error) {
	for ch.ctx.Err() == nil && c.Err() == nil {
		ctx, cancel := context.WithTimeout(ch.ctx, time.Duration(1+ch.pick(3_000_000))*time.Microsecond)
		n := ch.pick(1000)
		switch ch.pick(8) {
		case 0:
			r, err := c.Call(ctx, "calc.c", fmt.Sprint(n))
			ch.check(r, err, n, also...)
		case 1:
			r := <-c.Go(ctx, "svc.echo", fmt.Sprint(n))
			ch.check(r, r.Err(), n, also...)
		case 2:
			ch.end("stream", readStream(ch.t, c, ctx, "calc.s"), also...)
		case 3:
			s, err := c.Stream(ctx, "svc.never-ending", nil)
			if err == nil {
				err = streamEnd(s)
			}
			ch.end("endless stream", err, also...)
		case 4:
			_, err := c.Publish(ctx, "a.b", nil)
			ch.end("publish", err, also...)
		case 5:
			events, err := c.Subscribe(ctx, "a")
			if ch.end("subscribe", err, also...); err != nil {
				break
			}
			for e := range events {
				var gap *flux.GapError
				if err := e.Err(); err != nil && !errors.As(err, &gap) {
					ch.end("subscription", err, also...)
				}
			}
		case 6:
			_, err := c.Attr(ctx, "rank")
			ch.end("attr", err, also...)
		case 7:
			ch.pause(100 * time.Millisecond)
		}
		cancel()
	}
}

func (ch *chaos) check(r flux.Response, err error, n int, also ...error) {
	ch.end("call", err, also...)
	if err != nil {
		return
	}
	if s, err := r.Text(); err != nil || s != fmt.Sprint(n) {
		ch.t.Errorf("the answer is %q, %v, want %d", s, err, n)
	}
}

// clones come, work and go at a random moment.
func (ch *chaos) clones() {
	for ch.ctx.Err() == nil {
		clone := ch.c.Clone()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { ch.work(clone, flux.ErrClosed) })
		}
		wg.Go(func() {
			name := fmt.Sprint("clone-", ch.pick(1000))
			if err := clone.Serve(ch.ctx, name, echo); err != nil {
				ch.end("a clone's Serve", err, flux.ErrClosed, flux.EEXIST)
			}
		})
		ch.pause(2 * time.Second)
		if ch.pick(2) == 0 {
			clone.Close()
		} else {
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(ch.pick(int(time.Second))))
			ch.end("Shutdown", clone.Shutdown(ctx))
			cancel()
		}
		wg.Wait()
	}
}

func (ch *chaos) run() {
	var wg sync.WaitGroup
	ctx, stop := context.WithCancel(context.Background())
	ch.ctx = ctx
	wg.Go(func() {
		if err := ch.c.Serve(ctx, "calc", handleAll(ch.t)); err != nil {
			ch.t.Errorf("Serve: %v", err)
		}
	})
	wg.Go(func() { watch(ch.t, ch.c, ctx, true) })
	for range 4 {
		wg.Go(func() { ch.work(ch.c) })
	}
	for range 2 {
		wg.Go(ch.clones)
	}
	for range 40 {
		ch.pause(300 * time.Millisecond)
		ch.disturb()
	}
	ch.b.SetFaults(fluxtest.Faults{})
	ch.b.Resume()
	ch.b.SetState("run")
	if ch.pick(2) == 0 {
		ch.b.Disconnect() // or else what a reset has half written
	}
	ch.settled()
	stop()
	wg.Wait()
}

// settled checks that all is restored once nothing happens any more.
func (ch *chaos) settled() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	events, err := ch.c.Subscribe(ctx, "end")
	for errors.Is(err, flux.ErrConnLost) {
		events, err = ch.c.Subscribe(ctx, "end")
	}
	if err != nil {
		ch.t.Errorf("Subscribe after all: %v", err)
		return
	}
	for {
		_, err := ch.c.Call(ctx, "calc.c", "hello")
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			ch.t.Errorf("the service is not there after all: %v", err)
			return
		}
		<-time.After(time.Second)
	}
	ch.b.Emit("end", nil)
	for e := range events {
		if e.Topic() == "end" {
			return
		}
	}
	ch.t.Error("the event was not received")
}

// Whatever happens to the broker and to the connection, everything ends once, in
// one of the ways there are, and in the end all is restored.
func TestChaos(t *testing.T) {
	n := 30
	if testing.Short() || raceEnabled {
		n = 5
	}
	total := make(map[string]int)
	for _, seed := range seeds(t, n) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := fluxtest.New(t, fluxtest.InProcess(), fluxtest.Seed(seed), fluxtest.Record(0))
				b.Handle("svc.echo", func(r *fluxtest.Request) { r.Respond(r.Message().Payload) })
				b.Handle("svc.never-ending", never)
				c := b.Client(flux.WithReconnect(flux.ReconnectPolicy{MaxBackoff: time.Second}))
				ch := &chaos{t: t, b: b, c: c, rng: rand.New(rand.NewPCG(seed, 1)), ends: make(map[string]int)}
				ch.run()
				// What was given up is answered or was given up with its connection.
				<-time.After(time.Minute)
				mustBeIdle(t, c)
				if err := c.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				for kind, n := range ch.ends {
					total[kind] += n
				}
				if n := c.Stats().Reconnects; n < 5 {
					t.Errorf("%d reconnects only", n)
				}
			})
		})
	}
	t.Logf("ends: %v", total)
}
