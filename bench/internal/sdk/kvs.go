package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flux-sdk/flux/bench/internal/measure"
	"github.com/flux-sdk/flux/kvs"
)

const (
	kvsKey   = "bench.key"
	kvsValue = "a value of thirty-two characters"
)

func (b *Bench) kvsGet(ctx context.Context, a args) error {
	return b.onKVS(ctx, a, "kvsget", func(ctx context.Context, s *kvs.Store) error {
		data, err := s.Get(ctx, kvsKey)
		if err == nil && string(data) != kvsValue {
			err = errors.New("another value")
		}
		return err
	})
}

func (b *Bench) kvsPut(ctx context.Context, a args) error {
	return b.onKVS(ctx, a, "kvsput", func(ctx context.Context, s *kvs.Store) error {
		_, err := s.Put(ctx, kvsKey, kvsValue)
		return err
	})
}

// onKVS measures an operation on the store, one by one or with several in flight.
func (b *Bench) onKVS(ctx context.Context, a args, op string, do func(context.Context, *kvs.Store) error) error {
	depth, n := a.num(0), a.num(1)
	c, err := b.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	s := kvs.Open(c)
	if _, err := s.Put(ctx, kvsKey, kvsValue); err != nil {
		return err
	}
	once := func() error {
		ctx, cancel := b.callContext(ctx)
		defer cancel()
		return do(ctx, s)
	}
	test := fmt.Sprintf("%s:%d", op, depth)
	if depth > 1 {
		if err := concurrently(depth, n/10+1, once); err != nil {
			return err
		}
		m := measure.Start()
		if err := concurrently(depth, n, once); err != nil {
			return err
		}
		return b.print(m.Stop(test, n))
	}
	lats := make([]time.Duration, n)
	var m *measure.Meter
	for i := -n / 10; i < n; i++ {
		if i == 0 {
			m = measure.Start()
		}
		start := time.Now()
		if err := once(); err != nil {
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

// concurrently does something n times, in depth goroutines.
func concurrently(depth, n int, do func() error) error {
	var wg sync.WaitGroup
	var todo atomic.Int64
	todo.Store(int64(n))
	errs := make([]error, depth)
	for g := range depth {
		wg.Go(func() {
			for todo.Add(-1) >= 0 {
				if errs[g] = do(); errs[g] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return firstError(errs)
}

// kvsLarge writes a value of so many megabytes and reads it again, in pieces.
// It tells how much the memory of this process grew, for each byte of the value.
func (b *Bench) kvsLarge(ctx context.Context, a args) error {
	megabytes := a.num(0)
	size := int64(megabytes) * 1e6
	c, err := b.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	s := kvs.Open(c)
	before := measure.PeakRSS()
	m := measure.Start()
	w := s.Writer(ctx, "bench.large")
	if _, err := io.CopyN(w, &counter{}, size); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	reader := s.Reader(ctx, "bench.large")
	defer reader.Close()
	check := &counter{}
	if n, err := io.Copy(check, reader); err != nil || n != size {
		return fmt.Errorf("read %d bytes of %d: %w", n, size, err)
	}
	r := m.Stop(fmt.Sprintf("kvslarge:%d", megabytes), megabytes)
	r.RSSBefore, r.RSSAfter = before, measure.PeakRSS()
	r.BytesPer = float64(r.RSSAfter-before) * 1024 / float64(size)
	if _, err := s.Delete(ctx, "bench.large"); err != nil {
		return err
	}
	return b.print(r)
}

// counter makes bytes that follow a rule, or checks that what is written follows it.
type counter struct{ at int64 }

func (c *counter) next() byte {
	c.at++
	return byte(c.at ^ c.at>>20)
}

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = c.next()
	}
	return len(p), nil
}

func (c *counter) Write(p []byte) (int, error) {
	for i := range p {
		if want := c.next(); p[i] != want {
			return i, fmt.Errorf("byte %d is %d, want %d", c.at, p[i], want)
		}
	}
	return len(p), nil
}
