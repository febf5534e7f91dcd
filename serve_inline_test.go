package flux

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/framing"
)

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
		{"end of Serve", func(_ *front, s *served, _ *codec.Message) { s.cancel() }, []string{`ECANCELED "service calc ended"`}},
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
			f.p.conn.(*framing.Conn).Queue(m)
		}
		f.p.conn.(*framing.Conn).Flush()
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
			batch := f.p.conn.(*framing.Conn)
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
