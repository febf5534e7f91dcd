package systemtest

import (
	"context"
	"fmt"
	"iter"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
)

func dialLoop(t testing.TB, opts ...flux.DialOption) *flux.Client {
	t.Helper()
	c, err := flux.Dial(t.Context(), "loop://", opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// On loop:// a client answers itself: there is no broker, but rank, size and
// what this package needs of a router.
func TestLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dialLoop(t)
		for name, want := range map[string]string{"rank": "0", "size": "1"} {
			if got, err := c.Attr(t.Context(), name); err != nil || got != want {
				t.Errorf("attribute %s is %q, %v, want %s", name, got, err, want)
			}
		}
		if n := c.Stats().Sent; n != 0 {
			t.Errorf("%d messages were sent to find out", n)
		}
		_, err := c.Attr(t.Context(), "version")
		mustMatch(t, "another attribute", err, flux.ENOSYS)

		mux := flux.NewServeMux()
		mux.Handle("calc.whoami", flux.HandlerFunc(func(_ context.Context, w flux.Responder, r *flux.Request) error {
			return w.Respond(fmt.Sprint(r.UserID(), " ", r.Roles()))
		}))
		mux.Handle("calc.count", flux.ServerStream(func(ctx context.Context, _ struct{}) iter.Seq2[item, error] {
			return func(yield func(item, error) bool) {
				for i := 0; yield(item{i}, nil); i++ {
					select {
					case <-time.After(time.Second):
					case <-ctx.Done():
						return
					}
				}
			}
		}))
		served, stop := mustServe(t, c, "calc", mux)
		want := fmt.Sprint(os.Getuid(), " owner")
		if s, err := flux.CallAs[string](t.Context(), c, "calc.whoami", nil); err != nil || s != want {
			t.Errorf("calc.whoami: %q, %v, want %q", s, err, want)
		}
		if s, err := flux.CallAs[string](t.Context(), c, "calc.whoami", nil, flux.Upstream()); err != nil || s != want {
			t.Errorf("calc.whoami upstream: %q, %v, want %q", s, err, want)
		}
		n := 0
		for v, err := range flux.StreamAs[item](t.Context(), c, "calc.count", nil) {
			if err != nil || v.I != n {
				t.Fatalf("item %d, %v, want %d", v.I, err, n)
			}
			if n++; n == 5 {
				break
			}
		}
		synctest.Wait()
		mustBeIdle(t, c) // the cancel request came back, and had its effect
		_, err = c.Call(t.Context(), "calc.nosuch", nil)
		mustMatch(t, "an unknown method", err, flux.ENOSYS)

		events, unsubscribe := mustSubscribe(t, c, "a")
		if _, err := c.Publish(t.Context(), "a.b", "x", flux.Unconfirmed()); err != nil {
			t.Fatal(err)
		}
		mustEvents(t, events, "a.b")
		unsubscribe()
		stop()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if err := c.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
}

func TestLoopWithHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dialLoop(t, flux.WithHandler(echo), flux.WithUserID(1234), flux.WithRoles(flux.RoleUser),
			flux.WithReconnect(quick))
		if s, err := flux.CallAs[string](t.Context(), c, "any.thing", "hello"); err == nil {
			t.Errorf("a handler for the owner answered user 1234: %q", s)
		}
		owner := codec.NewRequest("any.thing")
		owner.UserID, owner.Rolemask = 7, uint32(flux.RoleOwner)
		owner.SetPayload([]byte("hello\x00"))
		r, err := c.Do(t.Context(), owner)
		if s, _ := r.Text(); err != nil || s != "hello" {
			t.Errorf("an owner's request: %q, %v", s, err)
		}
		served, _ := mustServe(t, c, "calc", echo)
		if err := c.Reconnect(t.Context()); err != nil {
			t.Fatal(err)
		}
		if rank, err := c.Rank(t.Context()); err != nil || rank != 0 {
			t.Errorf("rank after a reconnect: %d, %v", rank, err)
		}
		pendingYet(t, "Serve", served)
		c.Close()
		mustMatch(t, "Serve", <-served, flux.ErrClosed)
	})
}
