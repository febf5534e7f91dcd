package growth

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flux-sdk/flux"
)

var callSweep = sweep{
	name:    "calls in flight",
	what:    "Time per call of attr.get, which the embedded broker answers itself; 100 in flight is 1.",
	columns: times("Call, a goroutine each", "Go"),
	sizes:   []int{1, 10, 100, 1000, 10000, 100000}, small: 1000, base: 100,
	row: func(ctx context.Context, depth int, short bool) ([]float64, error) {
		r, err := newRig(ctx, nil)
		if err != nil {
			return nil, err
		}
		defer r.close()
		n := max(2*depth, 20000)
		if depth == 1 || short {
			n = max(2*depth, 4000)
		}
		payload := []byte("{\"name\":\"rank\"}\x00")
		return both(
			func() (float64, error) {
				return best(n, func() error {
					return concurrently(depth, n, func() error {
						_, err := r.client.Call(ctx, "attr.get", payload)
						return err
					})
				})
			},
			func() (float64, error) {
				return best(n, func() error { return pipelined(ctx, r.client, "attr.get", payload, depth, n) })
			})
	},
}

var heldSweep = sweep{
	name:    "unanswered calls",
	what:    "Bytes of heap and stack for each call that waits, with a peer that does not answer.",
	columns: []column{{"Call, a goroutine each", true}, {"Go", true}},
	sizes:   []int{1000, 10000, 100000}, small: 10000,
	row: func(ctx context.Context, n int, _ bool) ([]float64, error) {
		held := func(start func(c *flux.Client, ended *sync.WaitGroup)) func() (float64, error) {
			return func() (float64, error) {
				var ended sync.WaitGroup // or their stacks would be in use at the next start
				c, stop := sink()
				before := inUse()
				for range n {
					start(c, &ended)
				}
				for c.Stats().Live < n {
					time.Sleep(time.Millisecond)
				}
				after := inUse()
				stop()
				ended.Wait()
				return (after - before) / float64(n), nil
			}
		}
		return both(
			held(func(c *flux.Client, ended *sync.WaitGroup) {
				ended.Go(func() { c.Call(ctx, "x.hold", event) })
			}),
			held(func(c *flux.Client, _ *sync.WaitGroup) { c.Go(ctx, "x.hold", event) }))
	},
}

var payloadSweep = sweep{
	name:    "payload bytes",
	what:    "Time per echoed call, one at a time, through the embedded broker: four hops. An empty payload is 1.",
	columns: times("per call"),
	sizes:   []int{0, 1 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 16 << 20}, small: 1 << 20,
	row: func(ctx context.Context, size int, _ bool) ([]float64, error) {
		r, err := newRig(ctx, flux.HandlerFunc(func(_ context.Context, w flux.Responder, req *flux.Request) error {
			p, err := req.Bytes()
			if err != nil {
				return err
			}
			return w.Respond(p)
		}))
		if err != nil {
			return nil, err
		}
		defer r.close()
		payload := bytes.Repeat([]byte{'x'}, size)
		n := min(2000, max(4, 32<<20/(size+1)))
		v, err := best(n, func() error {
			for range n {
				resp, err := r.client.Call(ctx, "x.echo", payload)
				if err != nil {
					return err
				}
				if b, _ := resp.Bytes(); len(b) != size {
					return fmt.Errorf("%d bytes came back of %d", len(b), size)
				}
			}
			return nil
		})
		return []float64{v}, err
	},
}

// both collects two columns.
func both(a, b func() (float64, error)) ([]float64, error) {
	x, err := a()
	if err != nil {
		return nil, err
	}
	y, err := b()
	return []float64{x, y}, err
}

// concurrently calls f n times from depth goroutines.
func concurrently(depth, n int, f func() error) error {
	var wg sync.WaitGroup
	var todo atomic.Int64
	var failed atomic.Pointer[error]
	todo.Store(int64(n))
	for range depth {
		wg.Go(func() {
			for todo.Add(-1) >= 0 {
				if err := f(); err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// pipelined makes n calls through Go, depth in flight, from one goroutine.
func pipelined(ctx context.Context, c *flux.Client, topic string, payload []byte, depth, n int) error {
	ring := make([]<-chan flux.Response, depth)
	for i := range n + depth {
		at := i % depth
		if i >= depth {
			if r := <-ring[at]; r.Err() != nil {
				return r.Err()
			}
		}
		if i < n {
			ring[at] = c.Go(ctx, topic, payload)
		}
	}
	return nil
}
