package flux_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
)

// countTo serves x.count, which streams n items.
func countTo(t testing.TB, c *flux.Client, n int) {
	mux := flux.NewServeMux()
	mux.HandleFunc("x.count", func(_ context.Context, w flux.Responder, _ *flux.Request) error {
		for i := range n {
			if err := w.Send(fmt.Appendf(nil, "item %d", i)); err != nil {
				return err
			}
		}
		return nil
	})
	mustServe(t, c, "x", mux)
}

// Small items of a stream are each its own as long as they are not released, and
// nobody's afterwards.
func TestReleaseStream(t *testing.T) {
	const n = 5_000
	b := fluxtest.New(t, fluxtest.Record(0))
	countTo(t, b.Client(), n)
	c := b.Client()
	for range 3 {
		stream, err := c.Stream(t.Context(), "x.count", nil)
		if err != nil {
			t.Fatal(err)
		}
		var all []flux.Response
		for r := range stream {
			if i := len(all); i%3 > 0 {
				if got := mustBytes(t, r); string(got) != fmt.Sprint("item ", i) {
					t.Fatalf("item %d is %q", i, got)
				}
				r.Release()
			}
			all = append(all, r)
		}
		if len(all) != n {
			t.Fatalf("%d items came, want %d", len(all), n)
		}
		for i, r := range all {
			p, err := r.Bytes()
			if released := i%3 > 0; released && !errors.Is(err, flux.ErrReleased) ||
				!released && (err != nil || !bytes.Equal(p, fmt.Appendf(nil, "item %d", i))) {
				t.Fatalf("item %d, released: %v, is %q and %v afterwards", i, released, p, err)
			}
			r.Release()
		}
	}
}

// A stream whose items are released takes next to no memory.
func TestReleaseStreamSavesMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes pooled memory away at random")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which would empty the pools
	const n, streams = 2_000, 10
	b := fluxtest.New(t, fluxtest.Record(0))
	mux := flux.NewServeMux()
	item := []byte("an item")
	mux.HandleFunc("x.same", func(_ context.Context, w flux.Responder, _ *flux.Request) error {
		for range n {
			if err := w.Send(item); err != nil {
				return err
			}
		}
		return nil
	})
	mustServe(t, b.Client(), "x", mux)
	c := b.Client()
	perItem := func(consume func(flux.Response)) int {
		var stats runtime.MemStats
		var before uint64
		for i := range streams + 1 {
			if i == 1 { // the first one is to warm up
				runtime.ReadMemStats(&stats)
				before = stats.TotalAlloc
			}
			stream, err := c.Stream(t.Context(), "x.same", nil)
			if err != nil {
				t.Fatal(err)
			}
			for r := range stream {
				consume(r)
			}
		}
		runtime.ReadMemStats(&stats)
		return int(stats.TotalAlloc-before) / n / streams
	}
	// A pool keeps what another processor has put there from this one, so the best of some.
	kept, released := perItem(func(flux.Response) {}), perItem(flux.Response.Release)
	for range 9 {
		if released <= kept*2/3 {
			break
		}
		released = min(released, perItem(flux.Response.Release))
	}
	if kept < 80 || released > kept*2/3 {
		t.Errorf("bytes allocated an item: %d, with Release %d", kept, released)
	}
}
