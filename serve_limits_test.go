package flux

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
)

const overloaded = `EAGAIN "service is overloaded: 1024 requests wait"`

// gate is a handler that lets requests through one by one.
type gate struct {
	open chan struct{}

	mu        sync.Mutex
	now, peak int
	order     []uint32 // matchtags as the handler began
}

func newGate() *gate { return &gate{open: make(chan struct{})} }

func (g *gate) pass(ctx context.Context, w Responder, r *Request) error {
	g.mu.Lock()
	g.now++
	g.peak = max(g.peak, g.now)
	g.order = append(g.order, r.Message().Matchtag)
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		g.now--
		g.mu.Unlock()
	}()
	select {
	case <-g.open:
		return w.Respond("passed")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tagsOf are the matchtags of the replies that say what is wanted.
func tagsOf(replies []*codec.Message, want string) (tags []uint32) {
	for _, m := range replies {
		if show(m) == want {
			tags = append(tags, m.Matchtag)
		}
	}
	slices.Sort(tags)
	return tags
}

func upTo(first, last uint32) (tags []uint32) {
	for n := first; n <= last; n++ {
		tags = append(tags, n)
	}
	return tags
}

func TestServeMaxInFlight(t *testing.T) {
	for _, limit := range []int{1, 2, 100} {
		synctest.Test(t, func(t *testing.T) {
			f, g := newFront(t), newGate()
			f.serve("calc", HandlerFunc(g.pass), MaxInFlight(limit))
			accepted := uint32(limit + waitLimit)
			for range accepted + 5 {
				f.send("calc.pass")
			}
			f.books("calc", limit, waitLimit, int(accepted))
			if got := tagsOf(f.replies(), overloaded); !slices.Equal(got, upTo(accepted+1, accepted+5)) {
				t.Fatalf("refused are %d, want the last five", got)
			}
			f.want(f.send("calc.pass", quiet))
			f.tag--              // it has none
			g.open <- struct{}{} // one goes, and one may come
			f.books("calc", limit, waitLimit-1, int(accepted)-1)
			f.send("calc.pass")
			f.send("calc.pass")
			if got := tagsOf(f.replies(), overloaded); !slices.Equal(got, []uint32{accepted + 7}) {
				t.Errorf("refused are %d, want %d", got, accepted+7)
			}
			close(g.open)
			if got := tagsOf(f.replies(), "ok passed"); len(got) != int(accepted) {
				t.Errorf("%d passed, want %d", len(got), accepted)
			}
			f.books("calc", 0, 0, 0)
			if g.peak != limit {
				t.Errorf("%d ran at once, want %d", g.peak, limit)
			}
			if limit == 1 && !slices.IsSorted(g.order) {
				t.Errorf("waiting requests ran in the order %d", g.order)
			}
		})
	}
}

// Those that are ended while they wait are answered at once, are never handled,
// and make room.
func TestServeCancelWaiting(t *testing.T) {
	for _, route := range []RouteOption{nil, Sequential()} {
		synctest.Test(t, func(t *testing.T) {
			f, g, mux := newFront(t), newGate(), NewServeMux()
			var opts []RouteOption
			if route != nil {
				opts = append(opts, route)
			}
			mux.HandleFunc("calc.pass", g.pass, opts...)
			f.serve("calc", mux, MaxInFlight(1))
			first := f.send("calc.pass")
			var waiting []*codec.Message
			for range waitLimit {
				waiting = append(waiting, f.send("calc.pass", from("client-2")))
			}
			f.want(f.send("calc.pass"), overloaded)
			f.cancelOf(waiting[3], "calc.cancel")
			f.want(waiting[3], canceledCall)
			f.cancelOf(waiting[5], "calc.cancel")
			f.want(waiting[5], canceledCall)
			f.want(f.send("calc.pass", from("client-3")))
			f.want(f.send("calc.pass", from("client-3"), streaming))
			f.want(f.send("calc.pass"), overloaded)
			f.disconnect("calc.disconnect", from("client-2"))
			if got := f.replies(); len(got) > 0 {
				t.Errorf("%d replies after a disconnect", len(got))
			}
			last := f.send("calc.pass")
			close(g.open)
			got := f.replies()
			if n := len(tagsOf(got, "ok passed")); n != 4 || len(got) != 5 || show(got[3]) != "ENODATA" {
				t.Errorf("%d passed, %d replies, want 4 and 5", n, len(got))
			}
			if g.order[0] != first.Matchtag || g.order[3] != last.Matchtag || len(g.order) != 4 {
				t.Errorf("handled were %d, want 4, from %d to %d", g.order, first.Matchtag, last.Matchtag)
			}
			f.books("calc", 0, 0, 0)
		})
	}
}

func TestServeSequential(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, a, b, plain, mux := newFront(t), newGate(), newGate(), newGate(), NewServeMux()
		mux.HandleFunc("calc.a", a.pass, Sequential())
		route := mux.HandleFunc("calc.b*", b.pass, Sequential())
		mux.HandleFunc("calc.plain", plain.pass)
		f.serve("calc", mux, MaxInFlight(1))
		rng := rand.New(rand.NewPCG(5, 5))
		var wantA, wantB []uint32
		for range 300 {
			if rng.IntN(2) == 0 {
				wantA = append(wantA, f.send("calc.a").Matchtag)
			} else {
				wantB = append(wantB, f.send(fmt.Sprint("calc.b", rng.IntN(3))).Matchtag)
			}
		}
		only := f.send("calc.plain")
		f.books("calc", 1, 0, 301) // the lanes come on top
		route.Remove()             // what it has, it handles
		f.want(f.send("calc.b"), `ENOSYS "Unknown service method 'calc.b'"`)
		close(b.open)
		close(a.open)
		f.replies()
		close(plain.open)
		f.want(only, "ok passed")
		f.books("calc", 0, 0, 0)
		if !slices.Equal(a.order, wantA) || !slices.Equal(b.order, wantB) {
			t.Errorf("order is %d and %d, want %d and %d", a.order, b.order, wantA, wantB)
		}
		if a.peak != 1 || b.peak != 1 {
			t.Errorf("%d and %d ran at once, want 1", a.peak, b.peak)
		}
		f.want(f.send("calc.a"), "ok passed") // and again after a rest
	})
}

// A mux that is served under two names still runs a sequential route's requests
// one at a time.
func TestServeSequentialShared(t *testing.T) {
	f, mux := newFront(t), NewServeMux()
	var now, runs int // guarded by the route
	mux.HandleFunc("*.work", func(context.Context, Responder, *Request) error {
		if now++; now != 1 {
			t.Errorf("%d run at once", now)
		}
		runtime.Gosched()
		now--
		runs++
		return nil
	}, Sequential())
	for _, name := range []string{"calc", "calc2"} {
		s := newServer(f.c.c, f.c, name, mux, t.Context(), defaultServeOptions())
		f.c.c.mu.Lock()
		if f.c.c.services == nil {
			f.c.c.services = make(map[string]*server)
		}
		f.c.c.services[name] = s
		f.c.c.mu.Unlock()
	}
	const n = 200
	for range n {
		f.send("calc.work")
		f.send("calc2.work")
	}
	for got := 0; got < 2*n; runtime.Gosched() {
		f.mu.Lock()
		got = len(f.got)
		f.mu.Unlock()
	}
	if runs != 2*n {
		t.Errorf("%d runs, want %d", runs, 2*n)
	}
}

// A handler that takes its goroutine with it does not take a place with it.
func TestServeGoexitWithQueue(t *testing.T) {
	for _, opts := range [][]RouteOption{nil, {Sequential()}} {
		serveMux(t, func(m *ServeMux) {
			m.HandleFunc("calc.exit", func(context.Context, Responder, *Request) error {
				runtime.Goexit()
				return nil
			}, opts...)
		}, func(t *testing.T, f *front, s *served) {
			const n = 50
			for range n {
				f.send("calc.exit")
			}
			if got := tagsOf(f.replies(), `EIO "handler ended its goroutine"`); len(got) != n {
				t.Errorf("%d were answered, want %d", len(got), n)
			}
			f.books("calc", 0, 0, 0)
			if err := s.stop(); err != nil {
				t.Error(err)
			}
		}, MaxInFlight(1))
	}
}

// A handler that never returns holds up nobody else.
func TestServeReaderNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, mux := newFront(t), NewServeMux()
		mux.HandleFunc("calc.stuck", block)
		mux.HandleFunc("calc.lane", block, Sequential())
		mux.HandleFunc("calc.free", func(ctx context.Context, w Responder, _ *Request) error {
			value, err := f.c.Attr(ctx, "rank") // over the connection that serves
			if err != nil {
				return err
			}
			return w.Respond(value)
		}, Sequential())
		f.serve("calc", mux, MaxInFlight(1))
		other := f.serve("calc2", say("other"))
		for range waitLimit + 10 {
			f.send("calc.stuck")
			f.send("calc.lane")
		}
		f.replies()
		f.want(f.send("calc.free"), "ok 3")
		f.want(f.send("calc2.any"), "ok other")
		if _, err := f.c.Call(t.Context(), "service.add", serviceRequest{"calc3"}); err != nil {
			t.Error(err)
		}
		if err := other.stop(); err != nil {
			t.Error(err)
		}
	})
}

// A peer that takes nothing holds up the handler that sends to it, until the
// request ends, but not the reader.
func TestServeSendWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := newPeer(t)
		done := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		const size = 100 << 10
		var sent int
		var sendErr error
		go func() {
			done <- c.Serve(ctx, "calc", HandlerFunc(func(_ context.Context, w Responder, _ *Request) error {
				for ; sendErr == nil; sent++ {
					sendErr = w.Send(bytes.Repeat([]byte{7}, size))
				}
				return nil
			}))
		}()
		p.respond(p.want("service.add"), nil)
		f := &front{t: t, c: c, p: p}
		req := f.send("calc.watch", streaming)
		synctest.Wait()
		if sendErr != nil {
			t.Fatalf("Send did not wait: %v after %d", sendErr, sent)
		}
		f.cancelOf(req, "calc.cancel")
		synctest.Wait()
		if sendErr != ErrPeerCanceled {
			t.Errorf("Send ended with %v, want %v", sendErr, ErrPeerCanceled)
		}
		for range sent - 1 {
			if m := p.recv(); m.Errnum != 0 || len(m.Payload) != size {
				t.Fatalf("received %d, %d bytes", m.Errnum, len(m.Payload))
			}
		}
		if m := p.recv(); show(m) != canceledStream {
			t.Errorf("received %s, want %s", show(m), canceledStream)
		}
		cancel()
		p.respond(p.want("service.remove"), nil)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
