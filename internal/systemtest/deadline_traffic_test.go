package systemtest

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/flux-sdk/flux"
)

// deadlineTraffic is what a client does before it waits. What goes on while it waits
// ends with stop.
type deadlineTraffic struct {
	name string
	run  func(ctx context.Context, c *flux.Client, size int) (stop func(), err error)
}

var deadlineTraffics = []deadlineTraffic{
	{"none", func(context.Context, *flux.Client, int) (func(), error) { return func() {}, nil }},
	{"serial", serialTraffic},
	{"nearly-alone", nearlyAloneTraffic},
	{"pipelined", pipelinedTraffic},
	{"stream", streamTraffic},
}

// serialTraffic is enough calls, one after the other, for callers to read their own
// responses.
func serialTraffic(ctx context.Context, c *flux.Client, size int) (func(), error) {
	return func() {}, sizedCalls(ctx, c, size, 40)
}

// nearlyAloneTraffic is a little less than that.
func nearlyAloneTraffic(ctx context.Context, c *flux.Client, size int) (func(), error) {
	return func() {}, sizedCalls(ctx, c, size, 30)
}

func sizedCalls(ctx context.Context, c *flux.Client, size, n int) error {
	for range n {
		r, err := c.Call(ctx, "x.sized", fmt.Sprint(size))
		if err != nil {
			return err
		}
		if b, err := r.Bytes(); err != nil || len(b) != size {
			return fmt.Errorf("%d bytes in place of %d: %w", len(b), size, err)
		}
	}
	return nil
}

func pipelinedTraffic(ctx context.Context, c *flux.Client, size int) (func(), error) {
	var g errgroup.Group
	for range 8 {
		g.Go(func() error { return sizedCalls(ctx, c, size, 5) })
	}
	return func() {}, g.Wait()
}

// streamTraffic is a stream that goes on.
func streamTraffic(ctx context.Context, c *flux.Client, size int) (func(), error) {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := c.Stream(ctx, "x.items", fmt.Sprint(size))
	if err != nil {
		cancel()
		return nil, err
	}
	for range 5 {
		r := <-stream
		if b, err := r.Bytes(); err != nil || len(b) != size {
			cancel()
			return nil, fmt.Errorf("an item of %d bytes in place of %d: %w", len(b), size, err)
		}
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for r := range stream {
			r.Release()
		}
	}()
	return func() {
		cancel()
		<-drained
	}, nil
}
