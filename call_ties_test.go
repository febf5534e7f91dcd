package flux

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/codec"
)

// size is how many ctxs are watched, and how many calls have them.
func (t *ties) size() (watched, calls int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, w := range t.of {
		for g := w.head; g != nil; g = g.next {
			calls++
		}
	}
	return len(t.of), calls
}

// Calls of few ctxs are answered and given up in any order; each has one end,
// and it is the right one.
func TestGoTies(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) { goTies(t, rand.New(rand.NewPCG(seed, 4))) })
	}
}

func goTies(t *testing.T, rng *rand.Rand) {
	var asked []*codec.Message
	c, p := servePeer(t, func(_ *peer, m *codec.Message) { asked = append(asked, m) })
	type call struct {
		ch  <-chan Response
		ctx int
	}
	cause := errors.New("cause")
	ctxs := make([]context.Context, 4)
	ends := make([]context.CancelCauseFunc, len(ctxs))
	renew := func(i int) {
		ctx, end := context.WithCancelCause(t.Context())
		t.Cleanup(func() { end(nil) })
		ctxs[i], ends[i] = ctx, end
	}
	for i := range ctxs {
		renew(i)
	}
	var calls []*call
	for range 300 {
		switch n := rng.IntN(10); {
		case n < 6:
			i := rng.IntN(len(ctxs))
			calls = append(calls, &call{ch: c.Go(context.WithValue(ctxs[i], "n", n), "some.call", nil), ctx: i}) //nolint:staticcheck // any key will do
			synctest.Wait()
		case n < 9 && len(calls) > 0:
			i := rng.IntN(len(calls))
			p.respond(asked[i], nil)
			synctest.Wait()
			if r := <-calls[i].ch; r.Err() != nil {
				t.Fatalf("call %d: %v", i, r.Err())
			}
			if _, more := <-calls[i].ch; more {
				t.Fatalf("call %d has two ends", i)
			}
			calls, asked = append(calls[:i], calls[i+1:]...), append(asked[:i], asked[i+1:]...)
		case n == 9:
			i := rng.IntN(len(ctxs))
			ends[i](cause)
			synctest.Wait()
			for k := len(calls) - 1; k >= 0; k-- {
				if calls[k].ctx != i {
					continue
				}
				if r := <-calls[k].ch; !errors.Is(r.Err(), cause) || !errors.Is(r.Err(), context.Canceled) {
					t.Fatalf("call %d: %v", k, r.Err())
				}
				p.respond(asked[k], nil) // late
				calls, asked = append(calls[:k], calls[k+1:]...), append(asked[:k], asked[k+1:]...)
			}
			synctest.Wait()
			renew(i)
		}
		if _, tied := c.c.ties.size(); tied != len(calls) {
			t.Fatalf("%d calls are tied, want %d", tied, len(calls))
		}
	}
	if watched, _ := c.c.ties.size(); watched > len(ctxs)+1 {
		t.Errorf("%d ctxs are watched", watched)
	}
	c.Close()
	for _, call := range calls {
		if r := <-call.ch; !errors.Is(r.Err(), ErrClosed) {
			t.Errorf("after Close: %v", r.Err())
		}
	}
	if watched, tied := c.c.ties.size(); watched+tied > 0 {
		t.Errorf("after Close %d ctxs are watched for %d calls", watched, tied)
	}
}

// A ctx that ended before, or between two calls, ends what it is given to.
func TestGoEndedCtx(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := servePeer(t, func(*peer, *codec.Message) {})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		first := c.Go(ctx, "some.call", nil)
		time.Sleep(2 * time.Second)
		second := c.Go(ctx, "some.call", nil)
		for _, ch := range []<-chan Response{first, second} {
			if r := <-ch; !errors.Is(r.Err(), context.DeadlineExceeded) {
				t.Errorf("call: %v", r.Err())
			}
		}
	})
}

// Programs start calls by the hundred thousand.
func TestGoCallSize(t *testing.T) {
	if n := reflect.TypeFor[goCall]().Size(); math.MaxUint == math.MaxUint64 && n > 96 {
		t.Errorf("a call that is waited for takes %d bytes, want at most 96", n)
	}
}
