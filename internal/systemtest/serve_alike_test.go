package systemtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
)

// The same between Go programs on the embedded broker.
func TestServeEmbedded(t *testing.T) {
	b := fluxtest.New(t, fluxtest.Size(4))
	servedAlike(t, b.URI(), b.URIOf(3))
}

// servedAlike checks what a real broker and the embedded one do alike. The URIs
// are of rank 0 and rank 3.
func servedAlike(t *testing.T, uri0, uri3 string) {
	ctx := realCtx(t)
	g, server := realServe(t, uri3, "gofar")
	c := realDial(t, uri0)

	// Services of another rank are reached by its number only.
	_, err := c.Call(ctx, "gofar.add", map[string]int{"a": 1})
	if !errors.Is(err, flux.ENOSYS) {
		t.Errorf("call without a rank: %v", err)
	}
	got, err := flux.CallAs[map[string]int](ctx, c, "gofar.add", map[string]int{"a": 1, "b": 2}, flux.Rank(3))
	if err != nil || got["sum"] != 3 {
		t.Errorf("call of rank 3: %v, %v", got, err)
	}
	got, err = flux.CallAs[map[string]int](ctx, server, "gofar.add", map[string]int{"a": 1, "b": 2})
	if err != nil || got["sum"] != 3 {
		t.Errorf("call of one's own service: %v, %v", got, err)
	}

	for _, n := range []int{0, 1, 2, 254, 255, 256, 4096, 70000, 1 << 20} {
		want := make([]byte, n)
		for i := range want {
			want[i] = byte(31*i + 7)
		}
		echo, err := flux.CallAs[[]byte](ctx, c, "gofar.echo", want, flux.Rank(3))
		if err != nil || !bytes.Equal(echo, want) {
			t.Errorf("echo of %d bytes: %d bytes, %v", n, len(echo), err)
		}
	}

	// A stream that ends, one that is canceled and one whose client leaves.
	n := 0
	for item, err := range flux.StreamAs[map[string]int](ctx, c, "gofar.watch", "text", flux.Rank(3)) {
		if err != nil || item["i"] != n {
			t.Errorf("item %d is %v, %v", n, item, err)
		}
		n++
	}
	if n != 3 {
		t.Errorf("%d items, want 3", n)
	}
	for _, tt := range []struct {
		end  func(c *flux.Client, cancel func())
		want error
	}{
		{func(_ *flux.Client, cancel func()) { cancel() }, flux.ErrPeerCanceled},
		{func(c *flux.Client, _ func()) { c.Close() }, flux.ErrPeerDisconnected},
	} {
		leaving := realDial(t, uri0)
		sctx, cancel := context.WithCancel(ctx)
		stream, err := leaving.Stream(sctx, "gofar.watch", nil, flux.Rank(3), flux.CancelTopic("gofar.watch-cancel"))
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := (<-stream).Err(); err != nil {
				t.Error(err)
			}
		}
		tt.end(leaving, cancel)
		if err := <-g.ended; err != tt.want {
			t.Errorf("cause is %v, want %v", err, tt.want)
		}
		cancel()
	}

	for name, want := range map[string]error{"gofar": flux.EEXIST, "groups": flux.EEXIST, "attr": flux.EEXIST} {
		other := realDial(t, uri3)
		if err := other.Serve(ctx, name, flux.NewServeMux()); !errors.Is(err, want) ||
			!strings.Contains(err.Error(), "choose another name") {
			t.Errorf("Serve %s: %v, want %v", name, err, want)
		}
	}
	servedToTheEnd(t, uri3, c)
}

// servedToTheEnd checks that a call in progress is answered when its service
// ends, and that the name is free then.
func servedToTheEnd(t *testing.T, uri3 string, c *flux.Client) {
	server := realDial(t, uri3)
	for round := range 3 {
		ctx, cancel := context.WithCancel(realCtx(t))
		entered, ready := make(chan struct{}), make(chan struct{})
		done := make(chan error, 1)
		go func() {
			done <- server.Serve(ctx, "goend", flux.HandlerFunc(func(ctx context.Context, w flux.Responder,
				_ *flux.Request) error {
				close(entered)
				if round == 0 {
					<-ctx.Done()
					return ctx.Err()
				}
				return w.Respond(fmt.Sprint("round ", round))
			}), flux.OnReady(func() { close(ready) }), flux.DrainTimeout(10*time.Millisecond))
		}()
		<-ready
		reply := c.Go(realCtx(t), "goend.call", nil, flux.Rank(3))
		<-entered
		cancel()
		err := <-done
		text, rerr := (<-reply).Text()
		if round == 0 {
			if !errors.Is(err, flux.ErrDrainTimeout) || !errors.Is(rerr, flux.ECANCELED) {
				t.Errorf("Serve returned %v, the call %v", err, rerr)
			}
		} else if err != nil || rerr != nil || text != fmt.Sprint("round ", round) {
			t.Errorf("Serve returned %v, the call %q, %v", err, text, rerr)
		}
		if _, err := c.Call(realCtx(t), "goend.call", nil, flux.Rank(3)); !errors.Is(err, flux.ENOSYS) {
			t.Errorf("call after the end: %v, want %v", err, flux.ENOSYS)
		}
	}
}
