package sdk

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/bench/internal/measure"
)

// echo measures calls to a service that returns the payload.
func (b *Bench) echo(ctx context.Context, a args) error {
	c, err := b.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	service, size, depth, n := a[0], a.num(1), a.num(2), a.num(3)
	check := func(r flux.Response) error {
		p, err := r.Bytes()
		if err == nil && len(p) != size {
			err = fmt.Errorf("%d bytes came back of %d", len(p), size)
		}
		return err
	}
	x := exchange{c: c, topic: service + ".echo", payload: bytes.Repeat([]byte{'x'}, size), check: check}
	if err := b.inFlight(ctx, x, depth, n/10+1); err != nil {
		return err
	}
	before, err := statsOf(ctx, c, service)
	if err != nil {
		return err
	}
	m := measure.Start()
	if err := b.inFlight(ctx, x, depth, n); err != nil {
		return err
	}
	r := m.Stop(fmt.Sprintf("echo:%d:%d", size, depth), n)
	after, err := statsOf(ctx, c, service)
	if err != nil {
		return err
	}
	r.Service, r.ServiceCPU = service, before.perRequest(after)
	return b.print(r)
}

// stream measures the consumer of a stream of n responses.
func (b *Bench) stream(ctx context.Context, a args) error {
	c, err := b.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return b.consume(ctx, c, "stream", a[0], a.num(1))
}

func (b *Bench) consume(ctx context.Context, c *flux.Client, test, service string, n int) error {
	before, err := statsOf(ctx, c, service)
	if err != nil {
		return err
	}
	m := measure.Start()
	if err := receive(ctx, c, service, n); err != nil {
		return err
	}
	r := m.Stop(test, n)
	after, err := statsOf(ctx, c, service)
	if err != nil {
		return err
	}
	r.Service, r.ServiceCPU = service, before.perRequest(after)
	return b.print(r)
}

// receive takes the n items of one stream.
func receive(ctx context.Context, c *flux.Client, service string, n int) error {
	stream, err := c.Stream(ctx, service+".stream", streamRequest{n}, flux.QueueLimit(n+1, 1<<30))
	if err != nil {
		return err
	}
	got := 0
	for r := range stream {
		if _, err := r.Bytes(); err != nil {
			return err
		}
		r.Release()
		got++
	}
	if got != n {
		return errCount
	}
	return nil
}

// connect measures a connection made for one call.
func (b *Bench) connect(ctx context.Context, a args) error {
	n := a.num(0)
	lats := make([]time.Duration, n)
	m := measure.Start()
	for i := range lats {
		start := time.Now()
		c, err := b.dial(ctx)
		if err != nil {
			return err
		}
		err = b.call(ctx, raw(c, "attr.get", text(`{"name":"rank"}`)))
		c.Close()
		if err != nil {
			return err
		}
		lats[i] = time.Since(start)
	}
	r := m.Stop("connect", n)
	r.Latencies(lats)
	return b.print(r)
}

// mem measures the memory of n calls that wait for an answer.
func (b *Bench) mem(ctx context.Context, a args) error {
	c, err := b.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	service, n := a[0], a.num(1)
	fence := func() error { // all that was sent before has been read there
		_, err := statsOf(ctx, c, service)
		return err
	}
	if err := fence(); err != nil {
		return err
	}
	x := raw(c, service+".hold", event)
	rss := measure.RSS()
	m := measure.Start()
	if b.API == "go" {
		for range n {
			c.Go(ctx, x.topic, x.payload)
		}
	} else {
		for range n {
			go b.call(ctx, x)
		}
	}
	for c.Stats().Live < n {
		time.Sleep(time.Millisecond)
	}
	r := m.Stop("mem", n)
	if err := fence(); err != nil {
		return err
	}
	r.RSSBefore, r.RSSAfter = rss, measure.RSS()
	r.BytesPer = float64(r.RSSAfter-rss) * 1024 / float64(n)
	return b.print(r)
}
