package systemtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
