package flux

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/transport"
)

func (f *front) wantAsked(want ...string) {
	f.t.Helper()
	if got := f.asked(); !slices.Equal(got, want) {
		f.t.Errorf("router was asked for %q, want %q", got, want)
	}
}

func noService(topic string) string {
	return fmt.Sprintf(`ENOSYS "Unknown service method '%s'"`, topic)
}

func TestServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		f := newFront(t)
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
		done := make(chan error, 1)
		f.want(f.send("calc.add"), noService("calc.add"))
		go func() {
			done <- f.c.Serve(ctx, "calc", HandlerFunc(func(ctx context.Context, w Responder, _ *Request) error {
				return w.Respond(ctx.Value(key{}))
			}))
		}()
		f.wantAsked("service.add calc")
		f.want(f.send("calc.add"), "ok value")
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		f.wantAsked("service.remove calc")
		f.want(f.send("calc.add"), noService("calc.add"))
		s := f.serve("calc", say("again"))
		f.want(f.send("calc.add"), "ok again")
		s.running(t)
	})
}

func TestServeSeveral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFront(t)
		a, b := f.serve("a", say("a")), f.serve("b", say("b"))
		f.want(f.send("a.x"), "ok a")
		f.want(f.send("b.x"), "ok b")
		wantErr(t, f.c.Serve(t.Context(), "a", say("second")), EEXIST)
		f.want(f.send("a.x"), "ok a")
		f.wantAsked("service.add a", "service.add b")
		if err := a.stop(); err != nil {
			t.Error(err)
		}
		f.want(f.send("a.x"), noService("a.x"))
		f.want(f.send("b.x"), "ok b")
		b.running(t)
		f.serve("a", say("second"))
		f.want(f.send("a.x"), "ok second")
	})
}

func TestServeNames(t *testing.T) {
	long := strings.Repeat("n", codec.MaxService)
	for name, want := range map[string]string{
		"a": "", "A-b_9": "", "1234-x": "", "-": "", long: "",
		"": "empty service name", "a.b": `character '.'`, ".": `character '.'`, "a b": `character ' '`,
		"a*": `character '*'`, "ä": `character 'ä'`, "a\xff": `character '�'`, "a\x00": `character '\x00'`,
		long + "n": "245 bytes, 244 at most",
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFront(t)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- f.c.Serve(ctx, name, say("x")) }()
			synctest.Wait()
			cancel()
			err := <-done
			if want == "" {
				if err != nil {
					t.Errorf("%.20q: %v", name, err)
				}
				f.wantAsked("service.add "+name, "service.remove "+name)
				return
			}
			wantErr(t, err, EINVAL)
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%.20q: error is %v, want one with %q", name, err, want)
			}
			f.wantAsked()
		})
	}
}

// A refusal matches its errno and says what to do about it.
func TestServeRefused(t *testing.T) {
	uid := fmt.Sprint(os.Getuid())
	for _, tt := range []struct {
		errno Errno
		opts  []DialOption
		want  string
	}{
		{EEXIST, nil, "choose another name"},
		{EPERM, nil, `start with his userid and a '-', such as "` + uid + `-calc"`},
		{EPERM, []DialOption{WithUserID(1234)}, `such as "1234-calc"`},
		{EINVAL, nil, "service.add"},
		{Errno(524), nil, "errno 524"},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFront(t, tt.opts...)
			f.refuseAll(tt.errno)
			err := f.c.Serve(t.Context(), "calc", say("x"))
			wantErr(t, err, tt.errno)
			var remote *Error
			if !errors.As(err, &remote) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "serve calc") {
				t.Errorf("error is %v, want a remote one of serve calc with %q", err, tt.want)
			}
			f.wantAsked("service.add calc")
			f.want(f.send("calc.add"), noService("calc.add"))
			f.refuseAll(0)
			f.serve("calc", say("x"))
			f.want(f.send("calc.add"), "ok x")
		})
	}
}

// A service that cannot be removed, because the broker has forgotten it, is
// over all the same.
func TestServeRemoveRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFront(t)
		s := f.serve("calc", say("x"))
		f.refuseAll(ENOENT)
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestServeEndedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFront(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := f.c.Serve(ctx, "calc", say("x")); err != nil {
			t.Error(err)
		}
		f.wantAsked()
	})
}

// The end of ctx while the broker is adding the service takes it away again.
func TestServeEndedDuring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFront(t)
		f.holdAll("service.add")
		s := f.serve("calc", say("x"))
		s.running(t)
		if err := s.stop(); err != nil {
			t.Error(err)
		}
		f.wantAsked("service.add calc", "service.remove calc")
		f.want(f.send("calc.add"), noService("calc.add"))
		f.release()
		f.want(f.send("calc.add"), noService("calc.add"))
		f.serve("calc", say("again"))
		f.want(f.send("calc.add"), "ok again")
		f.wantAsked("service.add calc")
		synctest.Wait()
		wantStats(t, f.c, 0, 0)
	})
}

// The same at the very moment at which the broker has added it and requests
// arrive: each is answered, and no name stays behind.
func TestServeEndedWhenAdded(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			f := newFront(t)
			f.holdAll("service.add")
			s := f.serve("calc", say("x"))
			var reqs []*codec.Message
			released := make(chan struct{})
			go func() {
				defer close(released)
				f.release()
				for range 3 {
					reqs = append(reqs, f.send("calc.add"))
				}
			}()
			if err := s.stop(); err != nil {
				t.Error(err)
			}
			<-released
			got := f.replies()
			if len(got) != len(reqs) {
				t.Errorf("%d requests got %d replies", len(reqs), len(got))
			}
			for _, m := range got {
				if text := show(m); text != "ok x" && text != noService("calc.add") {
					t.Errorf("reply is %s", text)
				}
			}
			f.wantAsked("service.add calc", "service.remove calc")
		})
	}
}

// However the client ends, Serve says so, and what it holds is answered if that
// is possible.
func TestServeConnectionEnds(t *testing.T) {
	canceled := []string{`ECANCELED "service calc ended"`, `ECANCELED "service calc ended"`}
	for _, tt := range []struct {
		name  string
		end   func(f *front)
		want  error
		reply []string
	}{
		{"close", func(f *front) { f.c.Close() }, ErrClosed, canceled},
		{"loss", func(f *front) { f.p.conn.Close() }, ErrConnLost, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFront(t)
				s := f.serve("calc", HandlerFunc(block), MaxInFlight(2))
				f.send("calc.add")
				f.send("calc.watch", streaming)
				f.send("calc.add", quiet)
				synctest.Wait()
				tt.end(f)
				wantErr(t, <-s.done, tt.want)
				var got []string
				for _, m := range f.replies() {
					got = append(got, show(m))
				}
				if !slices.Equal(got, tt.reply) {
					t.Errorf("replies are %q, want %q", got, tt.reply)
				}
				wantErr(t, f.c.Serve(t.Context(), "calc", say("x")), tt.want)
			})
			synctest.Test(t, func(t *testing.T) { // while it registers
				f := newFront(t)
				f.holdAll("service.add")
				s := f.serve("calc", HandlerFunc(block))
				tt.end(f)
				wantErr(t, <-s.done, tt.want)
			})
			synctest.Test(t, func(t *testing.T) { // while it drains
				f := newFront(t)
				f.holdAll("service.remove")
				s := f.serve("calc", HandlerFunc(block))
				f.send("calc.add")
				synctest.Wait()
				s.cancel()
				synctest.Wait()
				s.running(t)
				tt.end(f)
				wantErr(t, <-s.done, tt.want)
			})
		})
	}
}

// A clone's services are its own.
func TestServeClone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFront(t)
		keep := f.serve("keep", say("keep"))
		first := f.c
		f.c = first.Clone()
		s := f.serve("calc", HandlerFunc(block))
		wantErr(t, first.Serve(t.Context(), "calc", say("x")), EEXIST)
		req := f.start("calc.add")
		f.asked()
		f.c.Close()
		wantErr(t, <-s.done, ErrClosed)
		f.want(req, `ECANCELED "service calc ended"`)
		f.wantAsked("service.remove calc")
		f.want(f.send("keep.x"), "ok keep")
		keep.running(t)

		f.c = first.Clone()
		f.holdAll("service.add")
		s = f.serve("calc", HandlerFunc(block))
		f.c.Close() // while it registers
		wantErr(t, <-s.done, ErrClosed)
		f.wantAsked("service.add calc", "service.remove calc")
		f.c = first
	})
}

// Shutdown ends services as the end of their ctx does.
func TestServeShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, g := newFront(t), newGate()
		s := f.serve("calc", HandlerFunc(g.pass))
		req := f.start("calc.pass")
		down := make(chan error, 1)
		go func() { down <- f.c.Shutdown(t.Context()) }()
		s.running(t)
		close(g.open)
		f.want(req, "ok passed")
		if err := <-s.done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if err := <-down; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) { // while it registers
		f := newFront(t)
		f.holdAll("service.add")
		s := f.serve("calc", say("x"))
		if err := f.c.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-s.done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		f.wantAsked("service.add calc", "service.remove calc")
	})
}

func TestWithHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux := NewServeMux()
		mux.Handle("calc.add", say("fallback"))
		mux.HandleFunc("calc.watch", block, AllowRoles(RoleUser))
		f := newFront(t, WithHandler(mux))
		f.want(f.send("calc.add"), "ok fallback")
		f.want(f.send("calc.add", as(1234, RoleUser)), `EPERM "Request requires owner credentials"`)
		f.want(f.send("calc.ping", with(object1{})), noService("calc.ping"))
		s := f.serve("calc", say("service"))
		f.want(f.send("calc.add"), "ok service")
		if err := s.stop(); err != nil {
			t.Error(err)
		}
		f.want(f.send("calc.add"), "ok fallback")
		stream := f.start("calc.watch", streaming)
		f.cancelOf(stream, "calc.cancel")
		f.want(stream, canceledStream)
		f.start("calc.watch", streaming)
		f.disconnect("calc.disconnect")
		last := f.start("calc.watch")
		f.c.Close()
		f.want(last, `ECANCELED "service ended"`)
	})
}

// A connection that can do no more than it must serves just as well.
func TestServePlainConn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &front{t: t}
		near, far := transport.Pipe(transport.Config{})
		f.c, f.p = startPeer(t, plainConn{near}, far)
		f.p.serve(f.handle)
		mux := NewServeMux()
		mux.Handle("calc.add", Unary(sum))
		mux.HandleFunc("calc.watch", func(ctx context.Context, w Responder, _ *Request) error {
			for i := range 3 {
				if err := w.Send(object1{"i": i}); err != nil {
					return err
				}
			}
			<-ctx.Done()
			return w.Send("late")
		}, Streaming())
		s := f.serve("calc", mux)
		f.want(f.send("calc.add", with(sumRequest{1, 2})), `ok {"sum":3}`)
		f.want(f.send("calc.none"), noService("calc.none"))
		items := []string{`ok {"i":0}`, `ok {"i":1}`, `ok {"i":2}`}
		stream := f.start("calc.watch", streaming)
		f.want(stream, items...)
		f.cancelOf(stream, "calc.cancel")
		f.want(stream, canceledStream)
		stream = f.start("calc.watch", streaming)
		f.want(stream, items...)
		s.drain(t, 0, nil)
		f.want(stream, serveCut)
	})
}
