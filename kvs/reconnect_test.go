package kvs_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/kvs"
)

// reconnecting is for a client that makes its connection again at once.
func reconnecting() flux.DialOption {
	return flux.WithReconnect(flux.ReconnectPolicy{MinBackoff: time.Millisecond, MaxBackoff: 10 * time.Millisecond})
}

// cut replaces the connection of a client and waits until the service has forgotten the watches of the old one.
func cut(t testing.TB, ctx context.Context, c, other *flux.Client, namespace string) {
	t.Helper()
	if err := c.Reconnect(ctx); err != nil {
		t.Fatal(err)
	}
	for watchers(t, ctx, other, namespace) != 0 {
		if ctx.Err() != nil {
			t.Fatal("the watches of the old connection are still there")
		}
	}
}

func TestWatchResume(t *testing.T) {
	onBoth(t, func(t *testing.T, b instance) {
		ctx := bounded(t)
		c, other := dial(t, b, 0, reconnecting()), dial(t, b, 0)
		name := newNamespace(t, other)
		s, o := kvs.Open(c, kvs.Namespace(name)), kvs.Open(other, kvs.Namespace(name))
		begin := func(key string, opts ...kvs.WatchOption) *follower {
			return follow(t, s.Watch(ctx, key, append(opts, kvs.Resume())...))
		}
		put(t, ctx, o, "a", "1")
		w := begin("a")
		w.want("=1")
		cut(t, ctx, c, other, name)
		put(t, ctx, o, "a", "2")
		w.want("gap", "=2")

		// Nothing was committed meanwhile: there is no gap, and nothing is repeated.
		cut(t, ctx, c, other, name)
		got := make(chan string)
		go func() {
			v, err, ok := w.next()
			got <- show(v, err, ok)
		}()
		for watchers(t, ctx, other, name) == 0 && ctx.Err() == nil {
		}
		put(t, ctx, o, "a", "3")
		if got := <-got; got != "=3" {
			t.Errorf("%s, want =3", got)
		}
		cut(t, ctx, c, other, name)
		must[kvs.Version](t)(o.Delete(ctx, "a"))
		w.want("gap", "deleted")
		put(t, ctx, o, "a", "4")
		w.want("=4")
		w.stop()

		// A value that is the same is not repeated to who wants different ones.
		w = begin("a", kvs.Unique())
		w.want("=4")
		cut(t, ctx, c, other, name)
		put(t, ctx, o, "unrelated", "x")
		w.want("gap")
		go func() {
			v, err, ok := w.next()
			got <- show(v, err, ok)
		}()
		for watchers(t, ctx, other, name) == 0 && ctx.Err() == nil {
		}
		put(t, ctx, o, "a", "5")
		if got := <-got; got != "=5" {
			t.Errorf("%s, want =5", got)
		}
		w.stop()

		// What is appended is neither lost nor repeated.
		add := func(text string) { must[kvs.Version](t)(o.Txn().Append("log", text).Commit(ctx)) }
		add("a")
		add("b")
		w = begin("log", kvs.InitialMarker())
		w.want("=a", "=b", "marker")
		cut(t, ctx, c, other, name)
		add("c")
		w.want("=c")
		cut(t, ctx, c, other, name)
		put(t, ctx, o, "log", "xyz and more")
		w.want("overwritten", "end")

		// Without Resume the loss is the end.
		w = follow(t, s.Watch(ctx, "a"))
		w.want("=5")
		cut(t, ctx, c, other, name)
		if _, err, _ := w.next(); !errors.Is(err, flux.ErrConnLost) {
			t.Errorf("%v", err)
		}
		w.want("end")
		// And so is the end of the client with it.
		w = begin("a")
		w.want("=5")
		c.Close()
		if _, err, _ := w.next(); !errors.Is(err, flux.ErrClosed) {
			t.Errorf("%v", err)
		}
	})
}

// An eventlog that is followed over many reconnects has each entry once and in order.
func TestFollowOverReconnects(t *testing.T) {
	onBoth(t, func(t *testing.T, b instance) {
		ctx := bounded(t)
		c, other := dial(t, b, 0, reconnecting()), dial(t, b, 1)
		name := newNamespace(t, other)
		s, o := kvs.Open(c, kvs.Namespace(name)), kvs.Open(other, kvs.Namespace(name))
		const n = 200
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := range n {
				e, err := kvs.NewEvent(fmt.Sprintf("e%d", i), nil)
				if err == nil {
					_, err = o.AppendEvent(ctx, "log", e)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
		next := 0
		for e, err := range s.FollowEventlog(ctx, "log", kvs.WaitCreate(), kvs.Resume()) {
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf("e%d", next); e.Name != want {
				t.Fatalf("%s, want %s", e.Name, want)
			}
			if next++; next == n {
				break
			}
			if next%20 == 0 {
				if err := c.Reconnect(ctx); err != nil {
					t.Fatal(err)
				}
			}
		}
		wg.Wait()
	})
}

// Reads are linearizable by versions, also while connections are lost: who waits for the version that a commit returned
// reads what it wrote or something newer, and nobody reads backwards.
func TestLinearizable(t *testing.T) {
	onBoth(t, func(t *testing.T, b instance) {
		ctx := bounded(t)
		const writes, readers = 150, 3
		other := dial(t, b, 0)
		name := newNamespace(t, other)
		clients := make([]*flux.Client, readers+1)
		for i := range clients {
			clients[i] = dial(t, b, uint32(i), reconnecting())
		}
		type written struct {
			n int
			v kvs.Version
		}
		var newest atomic.Pointer[written]
		newest.Store(&written{})
		put(t, ctx, kvs.Open(other, kvs.Namespace(name)), "n", "0")
		var work, cuts sync.WaitGroup
		cutting, stop := context.WithCancel(ctx)
		for _, c := range clients {
			cuts.Go(func() {
				for cutting.Err() == nil {
					_ = c.Reconnect(cutting)
					for range 20 { // something in between
						_, _ = kvs.Open(c, kvs.Namespace(name)).Version(cutting)
					}
				}
			})
		}
		var done atomic.Bool
		work.Go(func() {
			defer done.Store(true)
			s := kvs.Open(clients[0], kvs.Namespace(name))
			for n := 1; n <= writes; n++ {
				v, err := s.Put(ctx, "n", n)
				for err != nil { // made or not, it is made again
					if ctx.Err() != nil || !errors.Is(err, flux.ErrConnLost) {
						t.Errorf("Put: %v", err)
						return
					}
					v, err = s.Put(ctx, "n", n)
				}
				newest.Store(&written{n, v})
			}
		})
		for _, c := range clients[1:] {
			work.Go(func() {
				s, last := kvs.Open(c, kvs.Namespace(name)), 0
				for !done.Load() {
					w := newest.Load()
					if err := s.WaitVersion(ctx, w.v); err != nil {
						if errors.Is(err, flux.ErrConnLost) {
							continue
						}
						t.Errorf("WaitVersion: %v", err)
						return
					}
					n, err := kvs.GetAs[int](ctx, s, "n")
					switch {
					case errors.Is(err, flux.ErrConnLost):
						continue
					case err != nil:
						t.Errorf("Get: %v", err)
						return
					case n < w.n || n < last || n > writes:
						t.Errorf("read %d after %d was read and %d was written", n, last, w.n)
						return
					}
					last = n
				}
			})
		}
		work.Wait()
		stop()
		cuts.Wait()
	})
}
