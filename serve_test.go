package flux

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/peertest"
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
		{EPERM, nil, `start with the guest's userid and a '-', such as "` + uid + `-calc"`},
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
			if !errors.As(err, &remote) || !strings.Contains(err.Error(), tt.want) ||
				!strings.Contains(err.Error(), "serve calc") {
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
		{"loss", func(f *front) { f.p.Conn.Close() }, ErrConnLost, nil},
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
		f.c, f.p = startPeer(t, peertest.PlainConn{C: near}, &peertest.Peer{T: t, Conn: far})
		f.p.Serve(f.handle)
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

// after is a handler that responds after a time, whatever its ctx says.
func after(d time.Duration) HandlerFunc {
	return func(_ context.Context, w Responder, _ *Request) error {
		time.Sleep(d)
		return w.Respond("done")
	}
}

const serveCut = `ECANCELED "service calc ended"`

// drain ends the service and checks what Serve returns and after how long.
func (s *served) drain(t *testing.T, took time.Duration, want error) {
	t.Helper()
	start := time.Now()
	err := s.stop()
	if got := time.Since(start); got != took {
		t.Errorf("draining took %v, want %v", got, took)
	}
	if !errors.Is(err, want) || want == nil && err != nil {
		t.Errorf("Serve returned %v, want %v", err, want)
	}
}

func TestDrainIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFront(t)
		f.serve("calc", say("x")).drain(t, 0, nil)
	})
}

func TestDrainInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFront(t)
		s := f.serve("calc", after(3*time.Second), DrainTimeout(3*time.Second+time.Nanosecond))
		f.start("calc.a")
		time.Sleep(time.Second)
		req := f.start("calc.b")
		if m := f.replies(); len(m) != 0 {
			t.Fatalf("%d replies", len(m))
		}
		s.drain(t, 3*time.Second, nil)
		got := f.replies()
		if len(got) != 2 || show(got[0]) != "ok done" || show(got[1]) != "ok done" {
			t.Errorf("%d replies, want two", len(got))
		}
		f.want(req)
	})
}

func TestDrainTimeout(t *testing.T) {
	for _, timeout := range []time.Duration{-time.Second, 0, time.Nanosecond, time.Second, defaultDrainTimeout} {
		synctest.Test(t, func(t *testing.T) {
			f := newFront(t)
			opts := []ServeOption{DrainTimeout(timeout)}
			if timeout == defaultDrainTimeout {
				opts = nil
			}
			heard := make(chan error, 4)
			s := f.serve("calc", HandlerFunc(func(ctx context.Context, w Responder, _ *Request) error {
				time.Sleep(time.Minute)
				heard <- context.Cause(ctx)
				heard <- w.Respond("late")
				return nil
			}), opts...)
			req := f.start("calc.a")
			quietOne := f.start("calc.a", quiet)
			start := time.Now()
			err := s.stop()
			if took := time.Since(start); took != max(timeout, 0) {
				t.Errorf("draining took %v, want %v", took, timeout)
			}
			wantErr(t, err, ErrDrainTimeout)
			if text := err.Error(); !strings.Contains(text, ": 2 after "+timeout.String()) {
				t.Errorf("error is %s", text)
			}
			f.want(req, serveCut)
			f.wantAsked("service.add calc", "service.remove calc")
			time.Sleep(time.Hour)
			f.want(quietOne)
			for range cap(heard) {
				if err := <-heard; err != ErrServeEnded {
					t.Errorf("handler heard %v, want %v", err, ErrServeEnded)
				}
			}
		})
	}
}

// A broker that does not answer holds an idle service no longer than that.
func TestDrainWithoutAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFront(t)
		f.holdAll("service.remove")
		s := f.serve("calc", say("x"), DrainTimeout(7*time.Second))
		s.drain(t, 7*time.Second, nil)
		f.release()
		f.serve("calc", say("again"))
		f.want(f.send("calc.add"), "ok again")
	})
}

func TestDrainStreams(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(ctx context.Context, w Responder) error
		want string
		took time.Duration
		err  error
	}{
		{"returns the error of ctx", func(ctx context.Context, _ Responder) error { return ctx.Err() }, serveCut, 0, nil},
		{"returns the cause", func(ctx context.Context, _ Responder) error { return context.Cause(ctx) }, serveCut, 0, nil},
		{"returns what Send says", func(ctx context.Context, w Responder) error { return w.Send("x") }, serveCut, 0, nil},
		{"ends the stream", func(context.Context, Responder) error { return nil }, "ENODATA", 0, nil},
		{"has an error of its own", func(context.Context, Responder) error { return EBUSY }, "EBUSY", 0, nil},
		{"takes its time", func(context.Context, Responder) error { time.Sleep(time.Second); return EBUSY }, "EBUSY",
			time.Second, nil},
		{"takes too long", func(context.Context, Responder) error { time.Sleep(time.Hour); return EBUSY }, serveCut,
			10 * time.Second, ErrDrainTimeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFront(t)
				s := f.serve("calc", HandlerFunc(func(ctx context.Context, w Responder, _ *Request) error {
					<-ctx.Done()
					if err := context.Cause(ctx); err != ErrServeEnded {
						t.Errorf("cause is %v, want %v", err, ErrServeEnded)
					}
					return tt.end(ctx, w)
				}))
				req := f.start("calc.watch", streaming)
				s.drain(t, tt.took, tt.err)
				f.want(req, tt.want)
				time.Sleep(2 * time.Hour)
				f.want(req)
			})
		})
	}
}

// What waits is not forgotten: streams are ended at once, the others are
// handled as places get free.
func TestDrainWaiting(t *testing.T) {
	for _, opts := range [][]RouteOption{nil, {Sequential()}} {
		serveMux(t, func(m *ServeMux) { m.Handle("calc.work", after(time.Second), opts...) },
			func(t *testing.T, f *front, s *served) {
				first := f.start("calc.work")
				second := f.start("calc.work")
				stream := f.start("calc.work", streaming)
				last := f.start("calc.work")
				s.cancel()
				f.want(stream, serveCut)
				time.Sleep(time.Second)
				f.want(first, "ok done")
				time.Sleep(time.Second)
				f.want(second, "ok done")
				s.running(t)
				time.Sleep(time.Second)
				f.want(last, "ok done")
				if err := <-s.done; err != nil {
					t.Error(err)
				}
			}, MaxInFlight(1))
	}
}

// While it drains a service takes nothing new, but requesters may still end
// what they sent.
func TestDrainMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFront(t)
		s := f.serve("calc", HandlerFunc(block))
		a, b, c := f.start("calc.a"), f.start("calc.b", from("client-2")), f.start("calc.c")
		s.cancel()
		s.running(t)
		f.want(f.send("calc.d"), noService("calc.d"))
		f.want(f.send("calc.ping", with(object1{})), noService("calc.ping"))
		f.want(f.send("calc.d", quiet))
		f.cancelOf(a, "calc.cancel")
		f.want(a, canceledCall)
		f.disconnect("calc.disconnect", from("client-2"))
		f.want(b)
		wantErr(t, f.c.Serve(t.Context(), "calc", say("x")), EEXIST)
		s.running(t)
		f.cancelOf(c, "calc.cancel")
		f.want(c, canceledCall)
		if err := <-s.done; err != nil {
			t.Error(err)
		}
	})
}

// A connection that ends while a drain waits for a handler takes nothing from
// anybody if that has answered already.
func TestDrainAnswered(t *testing.T) {
	for name, end := range map[string]func(f *front){
		"close": func(f *front) { f.c.Close() },
		"loss":  func(f *front) { f.p.Conn.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFront(t)
				s := f.serve("calc", HandlerFunc(func(ctx context.Context, w Responder, _ *Request) error {
					err := w.Respond("done")
					<-ctx.Done()
					return err
				}))
				f.want(f.send("calc.add"), "ok done")
				s.cancel()
				synctest.Wait()
				s.running(t)
				end(f)
				if err := <-s.done; err != nil {
					t.Errorf("Serve returned %v, want nil", err)
				}
			})
		})
	}
}

// load is a service under random load, whose end comes at some moment.
type load struct {
	*front
	rng  *rand.Rand
	reqs map[string]*loaded
}

// loaded is a request of a load.
type loaded struct {
	m            *codec.Message
	canceled     bool
	disconnected bool
	replies      []string
	ended        int // terminal replies
}

// Whenever serving ends, every request that wants a reply gets one.
func TestServeShutdownAnyMoment(t *testing.T) {
	moments := 60
	if testing.Short() {
		moments = 10
	}
	for seed := range uint64(4) {
		for at := range moments {
			name := fmt.Sprintf("seed %d, end at %d ms", seed, at)
			synctest.Test(t, func(t *testing.T) {
				runLoad(t, name, seed, time.Duration(at)*time.Millisecond)
			})
			if t.Failed() {
				return
			}
		}
	}
}

func runLoad(t *testing.T, name string, seed uint64, end time.Duration) {
	rng := rand.New(rand.NewPCG(seed, 6))
	l := &load{front: newFront(t), rng: rng, reqs: make(map[string]*loaded)}
	ms := func(n int) time.Duration { return time.Duration(rng.IntN(n)) * time.Millisecond }
	timeout := ms(40)
	mux := NewServeMux()
	mux.HandleFunc("calc.work", l.work)
	mux.HandleFunc("calc.lane", l.work, Sequential())
	s := l.serve("calc", mux, MaxInFlight(1+rng.IntN(20)), DrainTimeout(timeout))

	const requests = 150
	go func() {
		for range requests {
			time.Sleep(ms(2))
			l.step()
		}
	}()
	time.Sleep(end)
	start := time.Now()
	err := s.stop()
	took := time.Since(start)
	switch {
	case errors.Is(err, ErrDrainTimeout) && took == timeout:
	case err == nil && took <= timeout:
	default:
		t.Errorf("%s: Serve returned %v after %v, timeout %v", name, err, took, timeout)
	}
	time.Sleep(time.Minute) // the handlers that do not look at their ctx
	l.check(t, name)
}

// work takes some time, looks at its ctx or does not, and sends some items.
func (l *load) work(ctx context.Context, w Responder, r *Request) error {
	rng := rand.New(rand.NewPCG(uint64(r.Message().Matchtag), 7))
	for range rng.IntN(4) {
		d := time.Duration(rng.IntN(10)) * time.Millisecond
		if rng.IntN(3) == 0 {
			time.Sleep(d)
		} else {
			select {
			case <-time.After(d):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if r.Streaming() {
			w.Send("item")
		}
	}
	switch rng.IntN(5) {
	case 0:
		return w.Respond("response")
	case 1:
		return EBUSY
	case 2:
		panic("at the disco")
	}
	return nil
}

// step sends a request, a cancel or a disconnect.
func (l *load) step() {
	client := from(fmt.Sprint("client-", l.rng.IntN(5)))
	switch {
	case l.rng.IntN(40) == 0:
		m := codec.NewRequest("calc.x")
		client(m)
		for _, r := range l.reqs {
			if r.m.Routes.Origin() == m.Routes.Origin() {
				r.disconnected = true
			}
		}
		l.disconnect("calc.disconnect", client)
	case l.rng.IntN(5) == 0 && l.tag > 0:
		for _, r := range l.reqs { // any
			r.canceled = true
			l.cancelOf(r.m, "calc.cancel")
			break
		}
	default:
		mods := []requestMod{client}
		if l.rng.IntN(2) == 0 {
			mods = append(mods, streaming)
		}
		topic := "calc.work"
		if l.rng.IntN(3) == 0 {
			topic = "calc.lane"
		}
		m := l.send(topic, mods...)
		l.reqs[endKey(m)] = &loaded{m: m}
	}
}

func (l *load) check(t *testing.T, name string) {
	for _, m := range l.replies() {
		r := l.reqs[endKey(m)]
		if r.ended > 0 {
			t.Errorf("%s: %s after the end of %s: %q", name, show(m), endKey(m), r.replies)
		}
		r.replies = append(r.replies, show(m))
		if m.Final() {
			r.ended++
		}
	}
	for key, r := range l.reqs {
		if r.ended > 1 || r.ended == 0 && !r.disconnected {
			t.Errorf("%s: %s got %q, streaming %v, canceled %v, disconnected %v",
				name, key, r.replies, r.m.Flags&codec.FlagStreaming != 0, r.canceled, r.disconnected)
		}
	}
}
