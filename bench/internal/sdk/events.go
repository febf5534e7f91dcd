package sdk

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/bench/internal/measure"
)

// pub measures confirmed publishing.
func (b *Bench) pub(ctx context.Context, a args) error {
	c, err := b.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	depth, n := a.num(0), a.num(1)
	publish := func() error {
		ctx, cancel := b.callContext(ctx)
		defer cancel()
		_, err := c.Publish(ctx, "bench.ev", event)
		return err
	}
	lats := make([]time.Duration, n)
	run := func(n int) error {
		return b.goroutines(depth, n, func(i int) error {
			start := time.Now()
			err := publish()
			lats[i] = time.Since(start)
			return err
		})
	}
	if err := run(n/10 + 1); err != nil {
		return err
	}
	m := measure.Start()
	if err := run(n); err != nil {
		return err
	}
	r := m.Stop(fmt.Sprintf("pub:%d", depth), n)
	r.Latencies(lats)
	return b.print(r)
}

// blast publishes n events without asking for their numbers.
func (b *Bench) blast(ctx context.Context, a args) error {
	c, err := b.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	n := a.num(0)
	m := measure.Start()
	for range n {
		if _, err := c.Publish(ctx, "bench.sub", event, flux.Unconfirmed()); err != nil {
			return err
		}
	}
	// A call behind the events: nothing is lost on close.
	if err := b.call(ctx, raw(c, "attr.get", text(`{"name":"rank"}`))); err != nil {
		return err
	}
	return b.print(m.Stop("blast", n))
}

// sub measures the receiving of events that another program publishes.
func (b *Bench) sub(ctx context.Context, a args) error {
	c, err := b.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	n := a.num(0)
	events, err := c.Subscribe(ctx, "bench.sub", flux.QueueLimit(n+1, 1<<30))
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, a[1], a[2:]...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	defer cmd.Wait()
	var m *measure.Meter
	got := 0
	for e := range events {
		if _, err := e.Bytes(); err != nil {
			return err
		}
		if m == nil {
			m = measure.Start() // the first one is not counted
			continue
		}
		if got++; got == n-1 {
			return b.print(m.Stop("sub", n-1))
		}
	}
	return errCount
}
