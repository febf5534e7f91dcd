package systemtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/flux-sdk/flux"
)

// alone makes calls one after the other until callers read their own responses.
func alone(t *testing.T, c *flux.Client) {
	t.Helper()
	for range 100 {
		if _, err := c.Call(t.Context(), "x.echo", "x"); err != nil {
			t.Fatal(err)
		}
	}
}

// closesSoon fails the test if done does not close in real time.
func closesSoon(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(returnPatience):
		t.Fatalf("%s: not after %v", what, returnPatience)
	}
}

// A broker that closes while nobody has anything to receive is noticed at once,
// without a call.
func TestClosingBrokerIsNoticed(t *testing.T) {
	uri, stop := stoppableProcess(t)
	c, err := flux.Dial(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	alone(t, c)
	stop()
	closesSoon(t, "Done after the broker has closed", c.Done())
	if err := c.Err(); !errors.Is(err, flux.ErrConnLost) {
		t.Errorf("the client ended with %v", err)
	}
}

// A call that reads for itself ends with its ctx, with its client and with the
// broker, at once.
func TestReadingCallEnds(t *testing.T) {
	cause := errors.New("enough")
	for _, tt := range []struct {
		name string
		end  func(c *flux.Client, cancel context.CancelCauseFunc, stop func())
		want error
	}{
		{"cancel", func(_ *flux.Client, cancel context.CancelCauseFunc, _ func()) { cancel(cause) }, cause},
		{"close", func(c *flux.Client, _ context.CancelCauseFunc, _ func()) { c.Close() }, flux.ErrClosed},
		{"broker", func(_ *flux.Client, _ context.CancelCauseFunc, stop func()) { stop() }, flux.ErrConnLost},
	} {
		t.Run(tt.name, func(t *testing.T) {
			uri, stop := stoppableProcess(t)
			first, err := flux.Dial(t.Context(), uri)
			if err != nil {
				t.Fatal(err)
			}
			defer first.Close()
			c := first.Clone()
			defer c.Close()
			alone(t, c)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_, err = c.Call(ctx, "x.never", nil)
			}()
			until(t, "the call has begun", func() bool { return c.Stats().Live > 0 })
			tt.end(c, cancel, stop)
			closesSoon(t, "the call", ended)
			if !errors.Is(err, tt.want) {
				t.Errorf("the call ended with %v, want %v", err, tt.want)
			}
			if tt.name == "broker" {
				return
			}
			if _, err := first.Call(t.Context(), "x.echo", "x"); err != nil { // the connection goes on
				t.Error(err)
			}
		})
	}
}

// What else begins while callers read is received.
func TestReadingCallsGiveWay(t *testing.T) {
	c, err := flux.Dial(t.Context(), otherProcess(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 5 {
		alone(t, c)
		ctx, cancel := context.WithCancel(t.Context())
		waits := make(chan struct{})
		go func() {
			defer close(waits)
			c.Call(ctx, "x.never", nil)
		}()
		until(t, "the call has begun", func() bool { return c.Stats().Live > 0 })
		for range 10 { // behind a call that reads
			r, err := c.Call(t.Context(), "x.echo", "x")
			if err != nil || r.Err() != nil {
				t.Fatal(err)
			}
			if r := <-c.Go(t.Context(), "x.echo", "x"); r.Err() != nil {
				t.Fatal(r.Err())
			}
		}
		events, err := c.Subscribe(ctx, "some")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Publish(t.Context(), "some.event", nil); err != nil {
			t.Fatal(err)
		}
		if e := <-events; e.Err() != nil {
			t.Fatal(e.Err())
		}
		cancel()
		closesSoon(t, "the call that waits", waits)
		for range events {
		}
	}
}
