package flux

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/framing"
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
		p.Respond(p.Want("service.add"), nil)
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
			if m := p.Recv(); m.Errnum != 0 || len(m.Payload) != size {
				t.Fatalf("received %d, %d bytes", m.Errnum, len(m.Payload))
			}
		}
		if m := p.Recv(); show(m) != canceledStream {
			t.Errorf("received %s, want %s", show(m), canceledStream)
		}
		cancel()
		p.Respond(p.Want("service.remove"), nil)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// inlineFront serves calc, with an inline handler beside one that is not.
func inlineFront(t *testing.T, inline HandlerFunc, opts ...ServeOption) (*front, *served) {
	mux := NewServeMux()
	mux.Handle("calc.inline", inline, Inline())
	mux.Handle("calc.other", say("other"))
	f := newFront(t)
	return f, f.serve("calc", mux, opts...)
}

// An inline handler that waits holds up inline routes only, and ends like any
// other.
func TestInlineWaits(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(f *front, s *served, req *codec.Message)
		want []string
	}{
		{"cancel", func(f *front, _ *served, req *codec.Message) { f.cancelOf(req, "calc.cancel") }, []string{"ECANCELED"}},
		{"disconnect", func(f *front, _ *served, _ *codec.Message) { f.disconnect("calc.disconnect") }, nil},
		{"end of Serve", func(_ *front, s *served, _ *codec.Message) { s.cancel() },
			[]string{`ECANCELED "service calc ended"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, s := inlineFront(t, block, DrainTimeout(time.Second))
				req := f.start("calc.inline")
				f.want(f.send("calc.other"), "ok other")
				f.books("calc", 0, 0, 1)
				tt.end(f, s, req)
				time.Sleep(2 * time.Second)
				f.want(req, tt.want...)
			})
		})
	}
}

// An inline handler may call over its own client.
func TestInlineCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f *front
		f, _ = inlineFront(t, func(ctx context.Context, w Responder, _ *Request) error {
			value, err := f.c.Attr(ctx, "some")
			if err != nil {
				return err
			}
			return w.Respond(value)
		})
		f.want(f.send("calc.inline"), "ok 3")
		f.books("calc", 0, 0, 0)
	})
}

// Requests of inline routes are handled one at a time in the order in which they
// have come, whatever the route, and one of them that ends its goroutine ends
// nothing else.
func TestInlineOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []string
		mux := NewServeMux()
		for _, name := range []string{"a", "b"} {
			mux.HandleFunc("calc."+name, func(_ context.Context, w Responder, r *Request) error {
				text, _ := r.Text()
				order = append(order, name+text) // unguarded: the race detector finds two at a time
				if text == "2" {
					runtime.Goexit()
				}
				return w.Respond(text)
			}, Inline())
		}
		f := newFront(t)
		f.serve("calc", mux)
		var want []string
		for i := range 200 {
			name, text := []string{"a", "b"}[i%2], fmt.Sprint(i)
			want = append(want, name+text)
			m := codec.NewRequest("calc." + name)
			m.UserID, m.Rolemask, m.Matchtag = 0, uint32(RoleOwner|RoleLocal), uint32(i+1)
			m.Payload = append([]byte(text), 0)
			f.p.Conn.(*framing.Conn).Queue(m)
		}
		f.p.Conn.(*framing.Conn).Flush()
		if got := f.replies(); len(got) != 200 {
			t.Errorf("%d replies, want 200", len(got))
		}
		if !slices.Equal(order, want) {
			t.Errorf("handled in the order %q", order)
		}
		f.books("calc", 0, 0, 0)
	})
}

// The items of an inline handler leave while it still runs.
func TestInlineStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var next atomic.Int32
		f, _ := inlineFront(t, func(ctx context.Context, w Responder, _ *Request) error {
			for i := range 3 {
				if err := w.Send(object1{"x": i}); err != nil {
					return err
				}
				next.Add(1)
				time.Sleep(time.Second)
			}
			return nil
		})
		req := f.start("calc.inline", streaming)
		if got := next.Load(); got != 1 {
			t.Fatalf("%d items sent, want 1", got)
		}
		f.want(req, `ok {"x":0}`)
		time.Sleep(time.Second)
		f.want(req, `ok {"x":1}`)
		time.Sleep(2 * time.Second)
		f.want(req, `ok {"x":2}`, "ENODATA")
	})
}

// A short handler's response leaves when the batch ends, which takes no timer.
func TestInlineShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := inlineFront(t, say("quick"))
		start := time.Now()
		for range 100 {
			f.want(f.send("calc.inline"), "ok quick")
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("100 requests took %v", d)
		}
	})
}

// The replies to the first requests of a long batch leave although a later one
// of them waits in its handler.
func TestInlineLongBatch(t *testing.T) {
	for _, before := range []int{1, 15, 16, 17, 63, 64, 200} {
		synctest.Test(t, func(t *testing.T) {
			handled, goOn := 0, make(chan struct{})
			f, _ := inlineFront(t, func(_ context.Context, w Responder, _ *Request) error {
				if handled++; handled > before {
					<-goOn
				}
				return w.Respond("quick")
			})
			batch := f.p.Conn.(*framing.Conn)
			for i := range before + 1 {
				m := codec.NewRequest("calc.inline")
				m.UserID, m.Rolemask, m.Matchtag = 0, uint32(RoleOwner|RoleLocal), uint32(i+1)
				batch.Queue(m)
			}
			batch.Flush()
			if got := len(f.replies()); got != before {
				t.Errorf("%d replies while the request after %d is handled", got, before)
			}
			close(goOn)
			if got := len(f.replies()); got != 1 {
				t.Errorf("%d replies afterwards, want 1", got)
			}
		})
	}
}

// The end of the connection finds an inline handler that waits, and one that
// ends the connection itself.
func TestInlineClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, s := inlineFront(t, block)
		req := f.start("calc.inline")
		f.c.Close()
		if err := <-s.done; !errors.Is(err, ErrClosed) {
			t.Errorf("Serve: %v", err)
		}
		f.want(req, `ECANCELED "service calc ended"`)
	})
	synctest.Test(t, func(t *testing.T) {
		var f *front
		f, s := inlineFront(t, func(ctx context.Context, w Responder, _ *Request) error {
			return f.c.Close()
		})
		f.send("calc.inline")
		if err := <-s.done; !errors.Is(err, ErrClosed) {
			t.Errorf("Serve: %v", err)
		}
		<-f.c.Done()
	})
}

// The ctx of a handler is the context it seems to be, whenever it is looked at.
func TestRequestContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		base := context.WithValue(t.Context(), key{}, "value")
		req := &Request{}
		cause := errors.New("cause")
		check := func(ctx context.Context, ended bool) {
			t.Helper()
			if ctx.Value(key{}) != "value" || RequestFrom(ctx) != req || ctx.Value("other") != nil {
				t.Error("values are lost")
			}
			select {
			case <-ctx.Done():
				if !ended {
					t.Error("it has ended")
				}
			default:
				if ended {
					t.Error("it has not ended")
				}
			}
			var err, why error
			if ended {
				err, why = context.Canceled, cause
			}
			if ctx.Err() != err || context.Cause(ctx) != why {
				t.Errorf("Err %v, Cause %v", ctx.Err(), context.Cause(ctx))
			}
		}
		early := &requestContext{base: base, req: req}
		child, cancel := context.WithCancel(early)
		defer cancel()
		called := false
		context.AfterFunc(early, func() { called = true })
		check(early, false)
		check(child, false)
		early.cancel(cause)
		early.cancel(errors.New("too late"))
		synctest.Wait()
		check(early, true)
		check(child, true)
		if !called {
			t.Error("AfterFunc was not called")
		}
		late := &requestContext{base: base, req: req}
		if late.Err() != nil || late.reason() != nil {
			t.Error("it begins ended")
		}
		late.cancel(cause)
		if late.Err() != context.Canceled || late.reason() != cause {
			t.Errorf("Err %v, reason %v", late.Err(), late.reason())
		}
		check(late, true)
		if _, ok := late.Deadline(); ok {
			t.Error("it has a deadline")
		}
	})
}

// serviceModel is muxModel with what else decides on the answer to a request.
type serviceModel struct {
	muxModel
	opts map[int]modelOptions // by handler
}

type modelOptions struct {
	roles                 Role // 0 for the default
	streaming, sequential bool
	inline                bool
}

func (o modelOptions) routeOptions() (opts []RouteOption) {
	if o.roles != 0 {
		opts = append(opts, AllowRoles(o.roles))
	}
	if o.streaming {
		opts = append(opts, Streaming())
	}
	if o.sequential {
		opts = append(opts, Sequential())
	}
	if o.inline {
		opts = append(opts, Inline())
	}
	return opts
}

// replies are what m is to be answered with.
func (sm *serviceModel) replies(m *codec.Message) []string {
	streaming := m.Flags&codec.FlagStreaming != 0
	id := sm.find(m.Topic)
	if id == 0 || !sm.handler(id).literal() {
		switch m.Topic { // only a route for the very topic has precedence
		case "calc.stats-clear":
			switch {
			case m.Flags&codec.FlagNoResponse != 0:
				return nil
			case Role(m.Rolemask)&RoleOwner == 0:
				return []string{`EPERM "Request requires owner credentials"`}
			case streaming:
				return []string{"ENODATA"}
			}
			return []string{"ok"}
		case "calc.cancel", "calc.a-cancel", "calc.disconnect":
			if m.Flags&codec.FlagNoResponse != 0 {
				return nil
			}
		}
	}
	o := sm.opts[id]
	allowed := o.roles | RoleOwner
	switch {
	case m.Flags&codec.FlagNoResponse != 0:
		return nil
	case id == 0:
		return []string{noService(m.Topic)}
	case Role(m.Rolemask)&allowed == 0 && allowed == RoleOwner:
		return []string{`EPERM "Request requires owner credentials"`}
	case Role(m.Rolemask)&allowed == 0:
		return []string{`EPERM "Request rejected due to insufficient privilege"`}
	case o.streaming && !streaming:
		return []string{"EPROTO"}
	case streaming:
		return []string{fmt.Sprintf("ok %d", id), "ENODATA"}
	}
	return []string{fmt.Sprintf("ok %d", id)}
}

func (sm *serviceModel) handler(id int) *modelHandler {
	return sm.handlers[slices.IndexFunc(sm.handlers, func(h *modelHandler) bool { return h.id == id })]
}

var (
	servicePatterns = []string{"calc.a", "calc.b", "calc.*", "*", "", "calc.?", "calc.a*", "calc.cancel", "calc.*cancel",
		"calc.stats-clear", "calc.disconnect", "other.a"}
	serviceTopics = []string{"calc.a", "calc.b", "calc.ab", "calc.a.b", "calc", "calc.", "calc.stats-clear",
		"calc.cancel", "calc.a-cancel", "calc.disconnect", "calc2.a"}
	modelRoles = []Role{RoleNone, RoleOwner, RoleUser, RoleLocal, RoleAdmin, RoleUser | RoleLocal,
		RoleOwner | RoleLocal, RoleAll}
)

// Whatever the routes and the requests, the answers are those of the model, and
// a handler runs only if its request is answered by it.
func TestServeModel(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) { serveModel(t, seed) })
	}
}

func serveModel(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 9))
	pick := func(n int) int { return rng.IntN(n) }
	mux, model := NewServeMux(), &serviceModel{opts: make(map[int]modelOptions)}
	var log []string
	for id := 1; id <= 2+pick(10); id++ {
		o := modelOptions{streaming: pick(4) == 0, sequential: pick(4) == 0, inline: pick(3) == 0}
		if pick(2) == 0 {
			o.roles = modelRoles[pick(len(modelRoles))]
		}
		h := &modelHandler{id: id, pattern: servicePatterns[pick(len(servicePatterns))], running: pick(4) > 0}
		h.route = mux.Override(h.pattern, HandlerFunc(func(ctx context.Context, w Responder, r *Request) error {
			if Role(r.msg.Rolemask)&(o.roles|RoleOwner) == 0 || o.streaming && !r.Streaming() {
				t.Errorf("seed %d: handler runs for %+v", seed, r.msg)
			}
			return say(fmt.Sprint(id))(ctx, w, r)
		}), o.routeOptions()...)
		if !h.running {
			h.route.Stop()
		}
		model.handlers = append(model.handlers, h)
		model.opts[id] = o
		log = append(log, fmt.Sprintf("%d %q running %v %+v", id, h.pattern, h.running, o))
	}
	f := newFront(t)
	f.serve("calc", mux)

	reqs := make(map[uint32]*codec.Message)
	want := make(map[uint32][]string)
	for range 200 {
		m := f.send(serviceTopics[pick(len(serviceTopics))],
			as(uint32(pick(3)), modelRoles[pick(len(modelRoles))]),
			func(m *codec.Message) {
				switch pick(4) {
				case 0: // of its own sender, for a disconnect among them
					quiet(m)
					from("client-2")(m)
				case 1:
					streaming(m)
				}
			})
		switch {
		case serviceOf(m.Topic) == "calc":
			want[m.Matchtag] = append(want[m.Matchtag], model.replies(m)...)
		case m.Flags&codec.FlagNoResponse == 0:
			want[m.Matchtag] = []string{noService(m.Topic)}
		}
		reqs[m.Matchtag] = m
	}
	got := make(map[uint32][]string)
	for _, m := range f.replies() {
		got[m.Matchtag] = append(got[m.Matchtag], show(m))
	}
	for tag, m := range reqs {
		if !slices.Equal(got[tag], want[tag]) {
			t.Errorf("seed %d, routes %q: %s of %v, %s got %q, want %q", seed, log, m.Topic, Role(m.Rolemask), m.Flags,
				got[tag], want[tag])
		}
	}
}
