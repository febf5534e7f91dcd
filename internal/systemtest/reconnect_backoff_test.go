package systemtest

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/transport"
)

var errNoWay = errors.New("no way there")

// flaky dials a broker the first time and fails from then on, taking that long.
// It notes when it was called.
type flaky struct {
	b     *fluxtest.Broker
	takes time.Duration
	at    []time.Time
	count atomic.Int32
}

func (f *flaky) dial(ctx context.Context) (transport.Conn, error) {
	if f.count.Add(1) == 1 {
		return f.b.Dial(ctx)
	}
	f.at = append(f.at, time.Now())
	if f.takes > 0 {
		select {
		case <-time.After(f.takes):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return nil, errNoWay
}

func TestReconnectBackoff(t *testing.T) {
	for _, tt := range []struct {
		name     string
		policy   flux.ReconnectPolicy
		takes    time.Duration
		min, max time.Duration // of the pauses, as they must be
		dial     time.Duration // that an attempt takes
	}{
		{"default", flux.ReconnectPolicy{MaxAttempts: 20}, 0, 50 * time.Millisecond, 5 * time.Second, 0},
		{"own", flux.ReconnectPolicy{MinBackoff: time.Second, MaxBackoff: 10 * time.Second, MaxAttempts: 20}, 0,
			time.Second, 10 * time.Second, 0},
		{"min over max", flux.ReconnectPolicy{MinBackoff: time.Minute, MaxBackoff: time.Second, MaxAttempts: 20}, 0,
			time.Minute, time.Minute, 0},
		{"no bound", flux.ReconnectPolicy{MinBackoff: time.Hour, MaxBackoff: 1<<63 - 1, MaxAttempts: 15}, 0, time.Hour,
			1<<63 - 1, 0},
		{"slow dial", flux.ReconnectPolicy{MaxAttempts: 5}, time.Hour, 50 * time.Millisecond, 5 * time.Second,
			30 * time.Second},
		{"own timeout", flux.ReconnectPolicy{MaxAttempts: 5, AttemptTimeout: time.Second}, time.Hour, 50 * time.Millisecond,
			5 * time.Second, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			jittered := 0
			for range 5 {
				synctest.Test(t, func(t *testing.T) {
					b := fluxtest.New(t, fluxtest.InProcess())
					f := &flaky{b: b, takes: tt.takes}
					c := dialWith(t, f.dial, flux.WithReconnect(tt.policy))
					synctest.Wait() // until the broker knows it
					last := time.Now()
					b.Disconnect()
					<-c.Done()
					mustMatch(t, "Err", c.Err(), flux.ErrConnLost)
					if want := errNoWay; tt.takes == 0 {
						mustMatch(t, "Err", c.Err(), want)
					}
					if !strings.Contains(c.Err().Error(), "attempts") {
						t.Errorf("error %q does not say what was tried", c.Err())
					}
					if len(f.at) != tt.policy.MaxAttempts {
						t.Fatalf("%d attempts, want %d", len(f.at), tt.policy.MaxAttempts)
					}
					full := tt.min
					for i, at := range f.at {
						pause := at.Sub(last)
						if pause > full || pause < full/2 {
							t.Errorf("the pause before attempt %d was %v, want %v to %v", i+1, pause, full/2, full)
						}
						if pause < full {
							jittered++
						}
						full += min(full, tt.max-full)
						last = at.Add(tt.dial)
					}
				})
			}
			if want := 5 * tt.policy.MaxAttempts / 2; jittered < want {
				t.Errorf("%d pauses were cut, want at least %d", jittered, want)
			}
		})
	}
}

// When the attempts are used up, all that waits ends, and so does the client.
func TestReconnectGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fluxtest.New(t, fluxtest.InProcess())
		f := &flaky{b: b}
		c := dialWith(t, f.dial, flux.WithReconnect(flux.ReconnectPolicy{MaxAttempts: 3}))
		clone := c.Clone()
		events, _ := mustSubscribe(t, clone, "a")
		served, _ := mustServe(t, c, "calc", echo)
		b.Disconnect()
		synctest.Wait()
		if c.Err() != nil {
			t.Errorf("Err is %v while the connection is being restored", c.Err())
		}
		ends := make(map[string]<-chan error)
		for name, op := range operations() {
			ends[name] = begin(func() error { return op(t.Context(), c) })
		}
		again := begin(func() error { return c.Reconnect(t.Context()) })
		for name, ch := range ends {
			err := <-ch
			mustMatch(t, name, err, flux.ErrConnLost, errNoWay)
			if !flux.SafeToRetry(err) {
				t.Errorf("%s: %v is not safe to retry, though nothing was sent", name, err)
			}
		}
		mustMatch(t, "Reconnect", <-again, flux.ErrConnLost)
		mustMatch(t, "Serve", <-served, flux.ErrConnLost, errNoWay)
		e := <-events
		mustMatch(t, "the subscription", e.Err(), flux.ErrConnLost, errNoWay)
		<-clone.Done()
		mustMatch(t, "the clone", clone.Err(), flux.ErrConnLost)
		mustMatch(t, "Reconnect", c.Reconnect(t.Context()), flux.ErrConnLost)
		mustMatch(t, "a clone", c.Clone().Err(), flux.ErrConnLost)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		mustBeIdle(t, c)
	})
}

// A success starts the count of attempts anew.
func TestReconnectCountsInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fluxtest.New(t, fluxtest.InProcess())
		dials := 0
		c := dialWith(t, func(ctx context.Context) (transport.Conn, error) {
			if dials++; dials%3 != 1 { // two in three fail
				return nil, errNoWay
			}
			return b.Dial(ctx)
		}, flux.WithReconnect(flux.ReconnectPolicy{MaxAttempts: 3}))
		for range 10 {
			restart(t, b, c)
		}
		if s := c.Stats(); s.Reconnects != 10 {
			t.Errorf("%d reconnects, want 10", s.Reconnects)
		}
	})
}
