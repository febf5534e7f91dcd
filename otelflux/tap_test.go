package otelflux

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
)

// responses makes n successful responses and one that failed.
func responses(t *testing.T, n int) (good []flux.Response, failed flux.Response) {
	b := fluxtest.New(t, fluxtest.InProcess())
	c := b.Client()
	for range n {
		r, err := c.Call(t.Context(), "broker.ping", map[string]int{"seq": len(good)})
		if err != nil {
			t.Fatal(err)
		}
		good = append(good, r)
	}
	failed, err := c.Call(t.Context(), "nobody.home", nil)
	if err == nil {
		t.Fatal("nobody.home answered")
	}
	return good, failed
}

// A consumer that is gone holds nothing up once its ctx has ended, and whatever
// the order of events, the channel never closes as if it were complete.
func TestForwardAfterDone(t *testing.T) {
	good, failed := responses(t, 3*tapBuffer)
	for name, ending := range map[string]*flux.Response{"error": &failed, "clean": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in, out := make(chan flux.Response), make(chan flux.Response, tapBuffer)
				done := make(chan struct{})
				var n int64
				var err error
				finished := make(chan struct{})
				go func() {
					defer close(finished)
					n, err = forward(done, in, out)
					close(out)
				}()
				for _, r := range good[:tapBuffer+1] { // one more than out takes
					in <- r
				}
				synctest.Wait()
				close(done)
				for _, r := range good[tapBuffer+1:] {
					in <- r
				}
				if ending != nil {
					in <- *ending
				}
				close(in)
				<-finished
				if n != tapBuffer || err == nil {
					t.Errorf("forwarded %d, error %v; want %d and an error", n, err, tapBuffer)
				}
				var last error
				got := 0
				for r := range out {
					got++
					last = r.Err()
				}
				if got != tapBuffer || last == nil {
					t.Errorf("received %d items, the last with the error %v", got, last)
				}
			})
		})
	}
}

// A slow consumer gets everything, in order.
func TestForwardAll(t *testing.T) {
	good, _ := responses(t, 3*tapBuffer)
	synctest.Test(t, func(t *testing.T) {
		in, out := make(chan flux.Response), make(chan flux.Response, tapBuffer)
		go func() {
			for _, r := range good {
				in <- r
			}
			close(in)
		}()
		go func() {
			defer close(out)
			if n, err := forward(nil, in, out); n != int64(len(good)) || err != nil {
				t.Errorf("forwarded %d, error %v", n, err)
			}
		}()
		i := 0
		for r := range out {
			if r != good[i] {
				t.Fatalf("item %d is another", i)
			}
			i++
			time.Sleep(time.Second)
		}
		if i != len(good) {
			t.Errorf("%d items, want %d", i, len(good))
		}
	})
}

func TestErrorType(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&flux.Error{Errno: flux.EAGAIN}, "EAGAIN"},
		{errors.Join(context.Canceled, &flux.Error{Errno: flux.ECANCELED}), "ECANCELED"},
		{context.DeadlineExceeded, "timeout"},
		{context.Canceled, "canceled"},
		{flux.ErrConnLost, "connection_lost"},
		{flux.ErrClosed, "client_closed"},
		{flux.ErrSlowConsumer, "slow_consumer"},
		{flux.EPROTO, "EPROTO"},
		{errors.New("else"), "_OTHER"},
	} {
		if got := errorType(tt.err); got != tt.want {
			t.Errorf("errorType(%v) = %q, want %q", tt.err, got, tt.want)
		}
	}
}
