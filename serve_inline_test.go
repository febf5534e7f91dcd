package flux

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/transport"
)

// inlineFront serves calc, with a handler on the reader beside one that is not.
func inlineFront(t *testing.T, inline HandlerFunc, opts ...ServeOption) (*front, *served) {
	mux := NewServeMux()
	mux.Handle("calc.inline", inline, Inline())
	mux.Handle("calc.other", say("other"))
	f := newFront(t)
	return f, f.serve("calc", mux, opts...)
}

// passGrace lets the time pass after which another goroutine reads.
func passGrace() { time.Sleep(2 * inlineGrace) }

// A handler on the reader that waits holds up the connection for a moment only,
// and ends like any other.
func TestInlineWaits(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(f *front, s *served, req *codec.Message)
		want []string
	}{
		{"cancel", func(f *front, _ *served, req *codec.Message) { f.cancelOf(req, "calc.cancel") }, []string{"ECANCELED"}},
		{"disconnect", func(f *front, _ *served, _ *codec.Message) { f.disconnect("calc.disconnect") }, nil},
		{"end of Serve", func(_ *front, s *served, _ *codec.Message) { s.cancel() }, []string{`ECANCELED "service calc ended"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, s := inlineFront(t, block, DrainTimeout(time.Second))
				req := f.start("calc.inline")
				f.want(f.send("calc.other")) // it is not even read
				passGrace()
				if got := f.replies(); len(got) != 1 || show(got[0]) != "ok other" {
					t.Fatalf("while an inline handler waits, another request gets %d replies", len(got))
				}
				f.want(f.send("calc.other"), "ok other")
				f.books("calc", 0, 0, 1)
				tt.end(f, s, req)
				time.Sleep(2 * time.Second)
				f.want(req, tt.want...)
			})
		})
	}
}

// A handler on the reader may call over its own client, even its own service.
func TestInlineCallsItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f *front
		depth := 0
		f, _ = inlineFront(t, func(ctx context.Context, w Responder, _ *Request) error {
			if depth++; depth < 5 {
				f.send("calc.inline") // before the answer to the next, which only the next reader gets
			}
			rank, err := f.c.Attr(ctx, fmt.Sprint("some", depth))
			if err != nil {
				return err
			}
			return w.Respond(rank)
		})
		f.send("calc.inline")
		time.Sleep(time.Second)
		var got []string
		for _, m := range f.replies() {
			got = append(got, show(m))
		}
		if !slices.Equal(got, slices.Repeat([]string{"ok 3"}, 5)) {
			t.Errorf("replies are %q", got)
		}
		f.books("calc", 0, 0, 0)
	})
}

// What a handler sends before and after it has lost the reader goes out while
// it still runs.
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
		passGrace()
		f.want(req, `ok {"x":0}`)
		time.Sleep(time.Second)
		f.want(req, `ok {"x":1}`)
		time.Sleep(2 * time.Second)
		f.want(req, `ok {"x":2}`, "ENODATA")
	})
}

// A short handler's response leaves when the batch ends, which takes no timer;
// and no timer is left.
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
		b := &f.c.c.link.baton
		if !b.armed.Load() {
			t.Error("nobody watches over inline handlers")
		}
		time.Sleep(3 * inlineGrace)
		if b.armed.Load() {
			t.Error("the timer goes on without handlers")
		}
	})
}

// The replies to the first requests of a long batch are on their way before the
// last ones are handled, and a short batch is one write.
func TestInlineLongBatch(t *testing.T) {
	for _, tt := range []struct{ before, want int }{
		{flushEvery - 1, 0}, {flushEvery, flushEvery}, {2*flushEvery + 1, 2 * flushEvery},
	} {
		synctest.Test(t, func(t *testing.T) {
			handled, goOn := 0, make(chan struct{})
			f, _ := inlineFront(t, func(_ context.Context, w Responder, _ *Request) error {
				if handled++; handled > tt.before {
					<-goOn
				}
				return w.Respond("quick")
			})
			start := time.Now()
			batch := f.p.conn.(transport.Queuer)
			for i := range tt.before + 1 {
				m := codec.NewRequest("calc.inline")
				m.UserID, m.Rolemask, m.Matchtag = 0, uint32(RoleOwner|RoleLocal), uint32(i+1)
				batch.Queue(m, false)
			}
			batch.Flush()
			if got := len(f.replies()); got != tt.want {
				t.Errorf("%d replies while the request after %d is handled, want %d", got, tt.before, tt.want)
			}
			close(goOn)
			if got, want := len(f.replies()), tt.before+1-tt.want; got != want {
				t.Errorf("%d replies afterwards, want %d", got, want)
			}
			if d := time.Since(start); d != 0 {
				t.Errorf("it took %v", d)
			}
		})
	}
}

// The end of the connection finds a handler that has lost the reader, and one
// that ends the connection itself.
func TestInlineClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, s := inlineFront(t, block)
		req := f.start("calc.inline")
		passGrace()
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
