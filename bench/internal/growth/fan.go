package growth

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/flux-sdk/flux"
)

// feeds is a service that keeps its streams and sends when it is told to.
type feeds struct {
	mu   sync.Mutex
	open []flux.Responder
}

func (f *feeds) ServeFlux(ctx context.Context, w flux.Responder, r *flux.Request) error {
	f.mu.Lock()
	f.open = append(f.open, w)
	f.mu.Unlock()
	<-ctx.Done()
	return context.Cause(ctx)
}

// send sends n messages to the first streams in turn.
func (f *feeds) send(n, streams int) error {
	for i := range n {
		if err := f.open[i%streams].Send(event); err != nil {
			return err
		}
	}
	return nil
}

func (f *feeds) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.open)
}

var streamSweep = sweep{
	name:    "streams",
	what:    "Time per message with so many streams open, all on one client, and the bytes of each on the client's side.",
	columns: []column{{"one of them busy", false}, {"all in turn", false}, {"bytes each", true}},
	sizes:   []int{1, 10, 100, 1000, 10000}, small: 1000, base: 1,
	row: func(ctx context.Context, streams int, short bool) ([]float64, error) {
		f := &feeds{}
		r, err := newRig(ctx, f)
		if err != nil {
			return nil, err
		}
		defer r.close()
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		var got atomic.Int64
		arrived := make(chan struct{}, 1)
		var want atomic.Int64
		for range streams {
			stream, err := r.client.Stream(ctx, "x.feed", nil)
			if err != nil {
				return nil, err
			}
			go func() {
				for r := range stream {
					if r.Err() == nil && got.Add(1) == want.Load() {
						arrived <- struct{}{}
					}
				}
			}()
		}
		for f.count() < streams {
			if _, err := r.client.Attr(ctx, "rank"); err != nil {
				return nil, err
			}
		}
		n := 20000
		if short {
			n = 4000
		}
		busy := func(streams int) func() (float64, error) {
			return func() (float64, error) {
				return best(n, func() error {
					want.Store(got.Load() + int64(n))
					if err := f.send(n, streams); err != nil {
						return err
					}
					<-arrived
					return nil
				})
			}
		}
		row, err := both(busy(1), busy(streams))
		return append(row, bytesPerStream(ctx, streams)), err
	},
}

// bytesPerStream is the memory of an open stream and its consumer.
func bytesPerStream(ctx context.Context, n int) float64 {
	c, stop := sink()
	defer stop()
	before := inUse()
	for range n {
		stream, err := c.Stream(ctx, "x.feed", nil)
		if err != nil {
			return 0
		}
		go func() {
			for range stream {
			}
		}()
	}
	return (inUse() - before) / float64(n)
}

var subscriptionSweep = sweep{
	name:    "subscriptions",
	what:    "Time per event with so many subscriptions to other topics, and with so many to the event's own.",
	columns: times("others", "own, per delivery"),
	sizes:   []int{1, 10, 100, 1000}, small: 100, base: 1,
	row: func(ctx context.Context, subs int, short bool) ([]float64, error) {
		n := 10000
		if short {
			n = 2000
		}
		return both(
			func() (float64, error) { return events(ctx, n, subs, false) },
			func() (float64, error) { return events(ctx, max(n/subs, 100), subs, true) })
	},
}

// events times the delivery of n events to one subscriber among others, or to
// all, in which case the time is for each delivery.
func events(ctx context.Context, n, subs int, same bool) (float64, error) {
	r, err := newRig(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer r.close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var got, want atomic.Int64
	arrived := make(chan struct{}, 1)
	for i := range subs {
		topic := "growth.hot"
		if i > 0 && !same {
			topic = fmt.Sprintf("growth.%d", i)
		}
		ch, err := r.client.Subscribe(ctx, topic)
		if err != nil {
			return 0, err
		}
		go func() {
			for e := range ch {
				if e.Err() == nil && got.Add(1) == want.Load() {
					arrived <- struct{}{}
				}
			}
		}()
	}
	deliveries := n
	if same {
		deliveries *= subs
	}
	return best(deliveries, func() error {
		want.Store(got.Load() + int64(deliveries))
		for range n {
			if _, err := r.service.Publish(ctx, "growth.hot", event, flux.Unconfirmed()); err != nil {
				return err
			}
		}
		<-arrived
		return nil
	})
}

var routeSweep = sweep{
	name:    "routes",
	what:    "Time per call of one method, 16 in flight, of a service with so many; globs are looked through one by one.",
	columns: times("plain topics", "globs"),
	sizes:   []int{1, 10, 100, 1000, 10000}, small: 1000, base: 1,
	row: func(ctx context.Context, routes int, short bool) ([]float64, error) {
		n := 10000
		if short {
			n = 2000
		}
		with := func(pattern string) func() (float64, error) {
			return func() (float64, error) { return routed(ctx, n, routes, pattern) }
		}
		return both(with("x.method%d"), with("x.method%d.*"))
	},
}

// routed times calls of the first of many routes, the one found last.
func routed(ctx context.Context, n, routes int, pattern string) (float64, error) {
	mux := flux.NewServeMux()
	for i := range routes {
		mux.HandleFunc(fmt.Sprintf(pattern, i), func(_ context.Context, w flux.Responder, _ *flux.Request) error {
			return w.Respond(event)
		})
	}
	r, err := newRig(ctx, mux)
	if err != nil {
		return 0, err
	}
	defer r.close()
	topic := strings.ReplaceAll(fmt.Sprintf(pattern, 0), "*", "any")
	return best(n, func() error {
		return concurrently(16, n, func() error {
			_, err := r.client.Call(ctx, topic, event)
			return err
		})
	})
}
