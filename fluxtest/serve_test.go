package fluxtest_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
)

func adder() flux.Handler {
	type in struct{ A, B int }
	mux := flux.NewServeMux()
	mux.Handle("calc.add", flux.Unary(func(_ context.Context, v in) (int, error) { return v.A + v.B, nil }))
	mux.HandleFunc("calc.hang", func(ctx context.Context, _ flux.Responder, _ *flux.Request) error {
		<-ctx.Done()
		return context.Cause(ctx)
	})
	mux.Handle("calc.sum", flux.Unary(func(_ context.Context, v in) (map[string]int, error) {
		return map[string]int{"sum": v.A + v.B}, nil
	}))
	return mux
}

func sum(ctx context.Context, c *flux.Client) (int, error) {
	v, err := flux.CallAs[struct{ Sum int }](ctx, c, "calc.sum", obj{"a": 1, "b": 2})
	return v.Sum, err
}

// restored waits for the gap item, which says that a client has reconnected.
func restored(t *testing.T, events <-chan flux.Event) {
	t.Helper()
	var gap *flux.GapError
	if err := (<-events).Err(); !errors.As(err, &gap) {
		t.Fatalf("%v, want a gap", err)
	}
}

// servingConn is the connection that has the service calc, nil if none has.
func servingConn(b *fluxtest.Broker) *fluxtest.Conn {
	for _, c := range b.Conns() {
		if slices.Contains(c.Services(), "calc") {
			return c
		}
	}
	return nil
}

// What is served takes requests as soon as Serve has returned, at all ranks, and
// again after a restart; its client's Close takes it away.
func TestServe(t *testing.T) {
	try := func(t *testing.T, b *fluxtest.Broker) {
		served := b.Serve("calc", adder())
		low := b.ClientAt(2, flux.WithReconnect(flux.ReconnectPolicy{}))
		if n, err := sum(t.Context(), low); n != 3 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		if conns := b.Conns(); len(conns) != 2 || len(conns[0].Services()) != 1 {
			t.Errorf("%d connections, services %q", len(conns), conns[0].Services())
		}
		events, err := low.Subscribe(t.Context(), "none")
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Restart(); err != nil {
			t.Fatal(err)
		}
		restored(t, events)
		_, err = b.Await(t.Context(), func(r fluxtest.Received) bool {
			return r.Message.Topic == "service.add" && r.Conn > 2
		})
		if err != nil {
			t.Fatal(err)
		}
		serving := servingConn(b)
		for ; serving == nil; serving = servingConn(b) {
			runtime.Gosched() // the request has come, and is about to take effect
		}
		if n, err := sum(t.Context(), low); n != 3 || err != nil {
			t.Fatalf("after the restart: %d, %v", n, err)
		}
		served.Close()
		<-serving.Done()
		if _, err := sum(t.Context(), low); !errors.Is(err, flux.ENOSYS) {
			t.Errorf("after Close: %v", err)
		}
	}
	t.Run("sockets", func(t *testing.T) { try(t, fluxtest.New(t, fluxtest.Size(3))) })
	t.Run("bubble", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { try(t, fluxtest.New(t, fluxtest.InProcess(), fluxtest.Size(3))) })
	})
}

// A handler that is at work when the test ends is cancelled, and nothing is left.
func TestServeEndsWithTheBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb := &spy{T: t}
		b := fluxtest.New(tb, fluxtest.InProcess())
		b.Serve("calc", adder())
		c := b.Client()
		hung := make(chan error, 1)
		go func() {
			_, err := c.Call(context.Background(), "calc.hang", nil)
			hung <- err
		}()
		synctest.Wait()
		tb.end()
		// Which of the two clients is closed first is not said.
		if err := <-hung; !errors.Is(err, flux.ErrClosed) && !errors.Is(err, flux.ECANCELED) {
			t.Errorf("%v, want %v or %v", err, flux.ErrClosed, flux.ECANCELED)
		}
		if len(tb.said) > 0 {
			t.Errorf("%q", tb.said)
		}
	})
}

// A service that cannot be registered fails the test, and says why.
func TestServeRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb := &spy{T: t}
		b := fluxtest.New(tb, fluxtest.InProcess())
		b.Serve("overlay", adder())
		said := strings.Join(tb.said, "\n")
		if !strings.Contains(said, `fluxtest: Serve("overlay"): `) || !strings.Contains(said, "EEXIST") {
			t.Errorf("%q", said)
		}
		tb.end()

		b, err := fluxtest.Start(fluxtest.InProcess())
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		defer func() {
			if recover() == nil {
				t.Errorf("no panic")
			}
		}()
		b.Serve("overlay", adder())
	})
}
