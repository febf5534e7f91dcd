package flux

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/peertest"
)

// The Close of a clone ends its calls at once, those that wait for room too.
func TestCloneCloseWithAStuckPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := newPeer(t)
		n := stuff(t, c)
		clone := c.Clone()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		ends := startPending(ctx, clone, 2)
		synctest.Wait()
		begin := time.Now()
		clone.Close()
		for range 2 {
			wantErr(t, <-ends, ErrClosed)
		}
		if d := time.Since(begin); d != 0 {
			t.Errorf("the calls ended %v after the Close", d)
		}
		for range n {
			p.Want("stuff")
		}
		p.WantNothing(c)
		wantStats(t, c, 0, 0)
	})
}

func TestCloneCloseEndsItsCallsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := newPeer(t)
		clone := c.Clone()
		mine, its := startPending(t.Context(), c, 4), startPending(t.Context(), clone, 4)
		var asked []*codec.Message
		for range 8 {
			asked = append(asked, p.Recv())
		}
		clone.Close()
		for range 4 {
			err := <-its
			wantErr(t, err, ErrClosed)
			if SafeToRetry(err) {
				t.Errorf("%v is safe to retry, though the request was sent", err)
			}
		}
		wantStats(t, c, 4, 4)
		for _, m := range asked {
			p.Respond(m, nil)
		}
		for range 4 {
			if err := <-mine; err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		wantStats(t, c, 0, 0)
		wantErr(t, clone.Err(), ErrClosed)
		for name, send := range senders() {
			if err := send(t.Context(), clone); !errors.Is(err, ErrClosed) || !SafeToRetry(err) {
				t.Errorf("%s with a closed clone: %v", name, err)
			}
		}
	})
}

// Clones that come and go, each with calls under way, on a connection that is
// busy with the calls of others.
func TestCloneCloseRacesReplies(t *testing.T) {
	noLeaks(t)
	c, _ := servePeer(t, peertest.Echo)
	var stop atomic.Bool
	var others sync.WaitGroup
	for range 4 {
		others.Go(func() {
			for !stop.Load() {
				if _, err := c.Call(t.Context(), "a.b", "x"); err != nil {
					t.Errorf("a call of the connection that stays: %v", err)
					return
				}
			}
		})
	}
	for range 300 {
		clone := c.Clone()
		var wg sync.WaitGroup
		for _, name := range []string{"Call", "Go", "Call", "Go"} {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				for {
					if err := callers[name](ctx, clone); err != nil {
						if !errors.Is(err, ErrClosed) {
							t.Errorf("a call of the clone: %v", err)
						}
						return
					}
				}
			})
		}
		runtime.Gosched()
		clone.Close()
		wg.Wait()
	}
	stop.Store(true)
	others.Wait()
	waitStats(t, c, 0, 0)
}

// waitStats waits for so many live and retired tags.
func waitStats(t testing.TB, c *Client, live, retired int) {
	t.Helper()
	for end := time.Now().Add(patience); ; runtime.Gosched() {
		if s := c.Stats(); s.Live == live && s.Retired == retired {
			return
		} else if time.Now().After(end) {
			t.Fatalf("%d tags live, %d retired, want %d and %d: %+v", s.Live, s.Retired, live, retired, s)
		}
	}
}
