package sdk

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/bench/internal/measure"
)

// exchange is one request and what to do with its response.
type exchange struct {
	c       *flux.Client
	topic   string
	payload any
	check   func(flux.Response) error
}

// raw sends bytes and looks at the bytes that come back.
func raw(c *flux.Client, topic string, payload []byte) exchange {
	return exchange{c: c, topic: topic, payload: payload, check: func(r flux.Response) error {
		_, err := r.Bytes()
		return err
	}}
}

type attrRequest struct {
	Name string `json:"name"`
}

type attrResponse struct {
	Value string `json:"value"`
	Flags int    `json:"flags"`
}

// decoded encodes and decodes JSON.
func decoded(c *flux.Client) exchange {
	return exchange{c: c, topic: "attr.get", payload: attrRequest{"rank"}, check: func(r flux.Response) error {
		var v attrResponse
		return r.Decode(&v)
	}}
}

// request is the exchange that the arguments TOPIC PAYLOAD and -json ask for.
func (b *Bench) request(c *flux.Client, a args) exchange {
	if b.JSON {
		return decoded(c)
	}
	return raw(c, a[0], text(a[1]))
}

func (b *Bench) call(ctx context.Context, x exchange) error {
	ctx, cancel := b.callContext(ctx)
	defer cancel()
	r, err := x.c.Call(ctx, x.topic, x.payload)
	if err != nil {
		return err
	}
	defer r.Release()
	return x.check(r)
}

func (b *Bench) serial(ctx context.Context, a args) error {
	c, err := b.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return b.oneByOne(ctx, "serial:"+a[0], b.request(c, a), a.num(2))
}

// oneByOne measures calls of which each waits for the one before.
func (b *Bench) oneByOne(ctx context.Context, test string, x exchange, n int) error {
	lats := make([]time.Duration, n)
	var m *measure.Meter
	for i := -n / 10; i < n; i++ {
		if i == 0 {
			m = measure.Start()
		}
		start := time.Now()
		if err := b.call(ctx, x); err != nil {
			return err
		}
		if i >= 0 {
			lats[i] = time.Since(start)
		}
	}
	r := m.Stop(test, n)
	r.Latencies(lats)
	return b.print(r)
}

func (b *Bench) pipe(ctx context.Context, a args) error {
	c, err := b.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return b.many(ctx, fmt.Sprintf("pipe:%s:%s", a[0], a[2]), b.request(c, a), a.num(2), a.num(3))
}

// many measures n calls with depth of them in flight.
func (b *Bench) many(ctx context.Context, test string, x exchange, depth, n int) error {
	if err := b.inFlight(ctx, x, depth, n/10+1); err != nil {
		return err
	}
	m := measure.Start()
	if err := b.inFlight(ctx, x, depth, n); err != nil {
		return err
	}
	return b.print(m.Stop(test, n))
}

// latency measures n calls with depth of them in flight, each on a goroutine, and how
// long each takes.
func (b *Bench) latency(ctx context.Context, a args) error {
	c, err := b.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	x, depth, n := b.request(c, a), a.num(2), a.num(3)
	if err := b.goroutines(depth, n/10+1, func(int) error { return b.call(ctx, x) }); err != nil {
		return err
	}
	lats := make([]time.Duration, n)
	m := measure.Start()
	err = b.goroutines(depth, n, func(i int) error {
		start := time.Now()
		err := b.call(ctx, x)
		lats[i] = time.Since(start)
		return err
	})
	if err != nil {
		return err
	}
	r := m.Stop(fmt.Sprintf("lat:%s:%d", a[0], depth), n)
	r.Latencies(lats)
	return b.print(r)
}

// inFlight makes n calls with depth of them in flight.
func (b *Bench) inFlight(ctx context.Context, x exchange, depth, n int) error {
	if b.API == "go" {
		return b.throughGo(ctx, x, depth, n)
	}
	return b.goroutines(depth, n, func(int) error { return b.call(ctx, x) })
}

// goroutines has depth goroutines do something n times in all, by its number.
func (b *Bench) goroutines(depth, n int, do func(i int) error) error {
	var wg sync.WaitGroup
	var next atomic.Int64
	errs := make([]error, depth)
	for g := range depth {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				if errs[g] = do(int(i)); errs[g] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return firstError(errs)
}

// throughGo is inFlight with one goroutine, which takes the responses in the
// order of the requests.
func (b *Bench) throughGo(ctx context.Context, x exchange, depth, n int) error {
	ctx, cancel := b.callContext(ctx)
	defer cancel()
	ring := make([]<-chan flux.Response, min(depth, n))
	for i := range n + len(ring) {
		at := i % len(ring)
		if i >= len(ring) {
			r := <-ring[at]
			if err := x.check(r); err != nil {
				return err
			}
			r.Release()
		}
		if i < n {
			ring[at] = x.c.Go(ctx, x.topic, x.payload)
		}
	}
	return nil
}

func firstError(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
