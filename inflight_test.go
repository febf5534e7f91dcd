package flux

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
)

// ends notes why the ctx of each request ended, by sender and matchtag.
type ends struct {
	mu sync.Mutex
	m  map[string]error
}

func newEnds() *ends { return &ends{m: make(map[string]error)} }

func endKey(m *codec.Message) string { return fmt.Sprintf("%s/%d", m.Routes.Origin(), m.Matchtag) }

// wait is a handler that waits for the end of its ctx and notes why it came.
func (e *ends) wait(ctx context.Context, _ Responder, r *Request) error {
	<-ctx.Done()
	e.mu.Lock()
	e.m[endKey(r.Message())] = context.Cause(ctx)
	e.mu.Unlock()
	return ctx.Err()
}

// want fails the test unless the requests that ended since the last time are
// these, all for the same reason.
func (e *ends) want(t testing.TB, cause error, reqs ...*codec.Message) {
	t.Helper()
	synctest.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, m := range reqs {
		if got := e.m[endKey(m)]; got != cause {
			t.Errorf("cause of %s is %v, want %v", endKey(m), got, cause)
		}
		delete(e.m, endKey(m))
	}
	if len(e.m) > 0 {
		t.Errorf("ended as well: %v", e.m)
		clear(e.m)
	}
}

const (
	canceledStream = "ENODATA"
	canceledCall   = "ECANCELED"
)

func TestHandlerCancelTopics(t *testing.T) {
	for _, topic := range []string{"calc.cancel", "calc.watch-cancel", "calc.a.b.cancel", "calc.a.watch-cancel"} {
		t.Run(topic, func(t *testing.T) {
			e := newEnds()
			serveMux(t, func(m *ServeMux) { m.HandleFunc("calc.watch", e.wait) }, func(t *testing.T, f *front, _ *served) {
				stream, call := f.start("calc.watch", streaming), f.start("calc.watch")
				quietOne := f.start("calc.watch", quiet, tagged(77))
				f.cancelOf(stream, topic)
				f.want(stream, canceledStream)
				e.want(t, ErrPeerCanceled, stream)
				f.cancelOf(stream, topic) // it is over
				f.want(stream)
				f.cancelOf(call, topic)
				f.want(call, canceledCall)
				e.want(t, ErrPeerCanceled, call)
				f.cancelOf(quietOne, topic)
				f.want(quietOne)
				e.want(t, ErrPeerCanceled, quietOne)
			})
		})
	}
}

// Who may end a request: its sender, over the same connection and as the same
// user or as the owner.
func TestHandlerCancelMatch(t *testing.T) {
	for _, tt := range []struct {
		name string
		mod  requestMod
		ok   bool
	}{
		{"the sender", func(*codec.Message) {}, true},
		{"another connection", from("client-2"), false},
		{"no connection", func(m *codec.Message) { m.Routes = nil }, false},
		{"same connection, other path", func(m *codec.Message) {
			m.Routes = codec.MakeRoutes("broker-9", "client-1")
		}, true},
		{"the owner", as(0, RoleOwner), true},
		{"the owner as another user", as(7, RoleOwner|RoleLocal), true},
		{"another user", as(1235, RoleUser), false},
		{"the user without a role", as(1234, RoleNone), false},
		{"the user with other roles", as(1234, RoleLocal|RoleAdmin), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEnds()
			serveMux(t, func(m *ServeMux) {
				m.HandleFunc("calc.watch", e.wait, AllowRoles(RoleUser))
			}, func(t *testing.T, f *front, _ *served) {
				guest := as(1234, RoleUser|RoleLocal)
				stream := f.start("calc.watch", streaming, guest)
				f.cancelOf(stream, "calc.cancel", tt.mod)
				if tt.ok {
					f.want(stream, canceledStream)
					e.want(t, ErrPeerCanceled, stream)
				} else {
					f.want(stream)
					e.want(t, nil)
				}
				stream = f.start("calc.watch", streaming, guest)
				f.disconnect("calc.disconnect", guest, tt.mod)
				f.want(stream)
				if tt.ok {
					e.want(t, ErrPeerDisconnected, stream)
				} else {
					e.want(t, nil)
				}
			})
			e.mu.Lock() // of those that were still waiting
			clear(e.m)
			e.mu.Unlock()
		})
	}
}

// A matchtag belongs to its sender: the requests of others are not touched.
func TestHandlerCancelSameTag(t *testing.T) {
	e := newEnds()
	serveMux(t, func(m *ServeMux) { m.HandleFunc("calc.watch", e.wait) }, func(t *testing.T, f *front, _ *served) {
		one := f.start("calc.watch", streaming, tagged(5))
		two := f.start("calc.watch", streaming, tagged(5), from("client-2"))
		next := f.start("calc.watch", streaming, tagged(6))
		f.cancelOf(one, "calc.cancel")
		f.want(one, canceledStream)
		e.want(t, ErrPeerCanceled, one)
		f.cancelOf(two, "calc.cancel")
		f.want(two, canceledStream)
		e.want(t, ErrPeerCanceled, two)
		f.disconnect("calc.disconnect")
		f.want(next)
		e.want(t, ErrPeerDisconnected, next)
	})
}

// A tag may be used again once its request was answered, handler or not.
func TestHandlerCancelReusedTag(t *testing.T) {
	e := newEnds()
	serveMux(t, func(m *ServeMux) {
		m.HandleFunc("calc.early", func(ctx context.Context, w Responder, r *Request) error {
			if err := w.Respond("early"); err != nil {
				t.Error(err)
			}
			<-ctx.Done()
			return nil
		})
		m.HandleFunc("calc.watch", e.wait)
	}, func(t *testing.T, f *front, _ *served) {
		for range 3 {
			f.want(f.send("calc.early", tagged(5)), "ok early")
		}
		stream := f.start("calc.watch", streaming, tagged(5))
		f.cancelOf(stream, "calc.cancel")
		f.want(stream, canceledStream)
		e.want(t, ErrPeerCanceled, stream)
	})
}

func TestHandlerCancelPayloads(t *testing.T) {
	const unknown = `ENOSYS "Unknown service method 'calc.cancel'"`
	e := newEnds()
	serveMux(t, func(m *ServeMux) { m.HandleFunc("calc.watch", e.wait) }, func(t *testing.T, f *front, _ *served) {
		stream := f.start("calc.watch", streaming, tagged(7))
		for _, payload := range []any{
			nil, "7", []byte{7}, []byte("{\"matchtag\":7}"), json.RawMessage(`{}`), json.RawMessage(`{"matchtag":8}`),
			json.RawMessage(`{"matchtag":-7}`), json.RawMessage(`{"matchtag":7.5}`), json.RawMessage(`{"matchtag":"7"}`),
			json.RawMessage(`{"matchtag":4294967303}`), json.RawMessage(`{"matchtag":null}`), json.RawMessage(`{"matchtag":0}`),
			"{\"matchtag\":7", []byte{},
		} {
			f.disconnect("calc.cancel", with(payload))
			f.want(stream)
		}
		// No cancel request wants a response; what is no cancel request is
		// not left without one.
		f.want(f.send("calc.cancel"), unknown)
		f.want(f.send("calc.cancel", with(json.RawMessage(`{"id":7}`))), unknown)
		f.want(f.send("calc.cancel", with(json.RawMessage(`{"matchtag":8}`))))
		e.want(t, nil)
		f.cancelOf(stream, "calc.cancel", with(json.RawMessage(` { "flags": 0, "matchtag" : 7 } `)))
		f.want(stream, canceledStream)
		e.want(t, ErrPeerCanceled, stream)
	})
}

// A service may have methods of such names, behind a glob too.
func TestHandlerCancelThatIsNone(t *testing.T) {
	serveMux(t, func(m *ServeMux) { m.Handle("calc.*", say("glob")) }, func(t *testing.T, f *front, _ *served) {
		f.want(f.send("calc.order-cancel", with(json.RawMessage(`{"order":7}`))), "ok glob")
		f.want(f.send("calc.disconnect"), "ok glob")
	})
}

// A disconnect ends everything of its sender, whatever the topic's depth, and
// nothing of anybody else.
func TestHandlerDisconnect(t *testing.T) {
	e := newEnds()
	serveMux(t, func(m *ServeMux) { m.HandleFunc("calc.*", e.wait) }, func(t *testing.T, f *front, _ *served) {
		mine := []*codec.Message{
			f.start("calc.a", streaming), f.start("calc.b"), f.start("calc.c.d", streaming), f.start("calc.e", quiet),
		}
		other := f.start("calc.a", streaming, from("client-2"))
		f.disconnect("calc.c.disconnect")
		f.want(mine[0])
		e.want(t, ErrPeerDisconnected, mine...)
		f.disconnect("calc.disconnect")
		f.disconnect("calc.disconnect", with("odd payload"))
		e.want(t, nil)
		f.disconnect("calc.disconnect", from("client-2"))
		f.want(other)
		e.want(t, ErrPeerDisconnected, other)
	})
}

// What the handler gets to hear that goes on responding.
func TestHandlerCancelReachesResponder(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(f *front, s *served, req *codec.Message)
		want error
	}{
		{"cancel", func(f *front, _ *served, req *codec.Message) { f.cancelOf(req, "calc.cancel") }, ErrPeerCanceled},
		{"disconnect", func(f *front, _ *served, _ *codec.Message) { f.disconnect("calc.disconnect") }, ErrPeerDisconnected},
		{"end of serving", func(_ *front, s *served, _ *codec.Message) { s.cancel() }, ErrServeEnded},
		{"close", func(f *front, _ *served, _ *codec.Message) { f.c.Close() }, ErrServeEnded},
		{"loss", func(f *front, _ *served, _ *codec.Message) { f.p.Conn.Close() }, ErrConnLost},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []error
			var goOn chan struct{}
			serveMux(t, func(m *ServeMux) {
				goOn = make(chan struct{})
				m.HandleFunc("calc.watch", func(ctx context.Context, w Responder, r *Request) error {
					<-ctx.Done()
					<-goOn
					got = append(got, context.Cause(ctx), w.Send("late"), w.Respond("late"))
					return nil
				})
			}, func(t *testing.T, f *front, s *served) {
				tt.end(f, s, f.start("calc.watch", streaming))
				replies := f.replies()
				close(goOn)
				for _, m := range append(replies, f.replies()...) {
					if s := show(m); s == "ok late" {
						t.Errorf("sent %s", s)
					}
				}
			})
			if len(got) != 3 || got[0] != tt.want || got[1] != tt.want || got[2] != tt.want {
				t.Errorf("errors are %v, want %v three times", got, tt.want)
			}
		})
	}
}

// brokenError is an error that cannot even say what it is.
type brokenError struct{}

func (*brokenError) Error() string { panic("no words") }

// Whatever a handler does, its request gets one terminal reply.
func TestHandlerReply(t *testing.T) {
	fails := func(err error) HandlerFunc {
		return func(context.Context, Responder, *Request) error { return err }
	}
	remote := &Error{Topic: "other.method", Errno: ENOENT, Message: "no such thing"}
	for _, tt := range []struct {
		name string
		h    HandlerFunc
		call []string // the replies to a plain request
		strm []string // the replies to a streaming one
	}{
		{"nothing", fails(nil), []string{"ok"}, []string{"ENODATA"}},
		{"errno", fails(EBUSY), []string{"EBUSY"}, []string{"EBUSY"}},
		{"wrapped errno", fails(fmt.Errorf("disk 3: %w", EBUSY)),
			[]string{`EBUSY "disk 3: Device or resource busy"`}, []string{`EBUSY "disk 3: Device or resource busy"`}},
		{"unnamed errno", fails(Errno(524)), []string{"errno 524"}, []string{"errno 524"}},
		{"end of data", fails(ENODATA), []string{"ENODATA"}, []string{"ENODATA"}},
		{"system errno", fails(syscall.ENOENT),
			[]string{`ENOENT "no such file or directory"`}, []string{`ENOENT "no such file or directory"`}},
		{"path error", fails(&os.PathError{Op: "open", Path: "/x", Err: syscall.EACCES}),
			[]string{`EACCES "open /x: permission denied"`}, []string{`EACCES "open /x: permission denied"`}},
		{"remote error", fails(remote), []string{`ENOENT "no such thing"`}, []string{`ENOENT "no such thing"`}},
		{"remote error without text", fails(&Error{Errno: ENOENT}), []string{"ENOENT"}, []string{"ENOENT"}},
		{"wrapped remote error", fails(fmt.Errorf("upstream: %w", remote)),
			[]string{`ENOENT "upstream: other.method: no such thing (ENOENT)"`},
			[]string{`ENOENT "upstream: other.method: no such thing (ENOENT)"`}},
		{"remote error that is none", fails(&Error{Message: "half"}),
			[]string{`EIO ": half (errno 0)"`}, []string{`EIO ": half (errno 0)"`}},
		{"errno 0", fails(Errno(0)), []string{`EIO "Unknown error 0"`}, []string{`EIO "Unknown error 0"`}},
		{"deadline", fails(fmt.Errorf("db: %w", context.DeadlineExceeded)),
			[]string{`ETIMEDOUT "db: context deadline exceeded"`}, []string{`ETIMEDOUT "db: context deadline exceeded"`}},
		{"canceled", fails(context.Canceled),
			[]string{`ECANCELED "context canceled"`}, []string{`ECANCELED "context canceled"`}},
		{"other error", fails(errors.New("bad luck")), []string{`EIO "bad luck"`}, []string{`EIO "bad luck"`}},
		{"error with NUL", fails(errors.New("a\x00b")), []string{`EIO "a\\0b"`}, []string{`EIO "a\\0b"`}},
		{"error with no UTF-8", fails(errors.New("a\xffb")), []string{`EIO "a�b"`}, []string{`EIO "a�b"`}},
		{"text of no bytes", fails(errors.New("")), []string{"EIO"}, []string{"EIO"}},
		{"panic", func(context.Context, Responder, *Request) error { panic("oops") },
			[]string{`EIO "handler panicked: oops"`}, []string{`EIO "handler panicked: oops"`}},
		{"panic of nil", func(context.Context, Responder, *Request) error {
			panic(nil) //nolint:govet // the case is what becomes of it
		},
			[]string{`EIO "handler panicked: panic called with nil argument"`},
			[]string{`EIO "handler panicked: panic called with nil argument"`}},
		{"error that panics", fails((*brokenError)(nil)),
			[]string{`EIO "handler panicked: no words"`}, []string{`EIO "handler panicked: no words"`}},
		{"nil remote error", fails((*Error)(nil)),
			[]string{`EIO "handler panicked: runtime error: invalid memory address or nil pointer dereference"`},
			[]string{`EIO "handler panicked: runtime error: invalid memory address or nil pointer dereference"`}},
		{"end of the goroutine", func(context.Context, Responder, *Request) error { runtime.Goexit(); return nil },
			[]string{`EIO "handler ended its goroutine"`}, []string{`EIO "handler ended its goroutine"`}},

		{"respond", func(_ context.Context, w Responder, _ *Request) error {
			return w.Respond(object1{"x": 1})
		}, []string{`ok {"x":1}`}, []string{`ok {"x":1}`, "ENODATA"}},
		{"respond nothing", func(_ context.Context, w Responder, _ *Request) error {
			return w.Respond(nil)
		}, []string{"ok"}, []string{"ok", "ENODATA"}},
		{"respond bytes", func(_ context.Context, w Responder, _ *Request) error {
			return w.Respond([]byte{1, 2})
		}, []string{"ok 01 02"}, []string{"ok 01 02", "ENODATA"}},
		{"respond and fail", func(_ context.Context, w Responder, _ *Request) error {
			w.Respond("x")
			return EBUSY
		}, []string{"ok x"}, []string{"ok x", "EBUSY"}},
		{"respond and panic", func(_ context.Context, w Responder, _ *Request) error {
			w.Respond("x")
			panic("late")
		}, []string{"ok x"}, []string{"ok x", `EIO "handler panicked: late"`}},
		{"respond and end the goroutine", func(_ context.Context, w Responder, _ *Request) error {
			w.Respond("x")
			runtime.Goexit()
			return nil
		}, []string{"ok x"}, []string{"ok x", `EIO "handler ended its goroutine"`}},
		{"respond twice", func(_ context.Context, w Responder, _ *Request) error {
			w.Respond("x")
			if err := w.Respond("y"); err != errAnswered {
				panic(err)
			}
			return nil
		}, []string{"ok x"}, []string{"ok x", "ENODATA"}},
		{"send after respond", func(_ context.Context, w Responder, r *Request) error {
			w.Respond("x")
			if err := w.Send("y"); err == nil || r.Streaming() && err != errAnswered {
				panic(err)
			}
			return nil
		}, []string{"ok x"}, []string{"ok x", "ENODATA"}},
		{"send", func(_ context.Context, w Responder, r *Request) error {
			w.Send("x")
			return w.Send("y")
		}, []string{`EIO "Send on a request that is not streaming; use Respond"`}, []string{"ok x", "ok y", "ENODATA"}},
		{"send and respond", func(_ context.Context, w Responder, r *Request) error {
			w.Send("x")
			return w.Respond("y")
		}, []string{"ok y"}, []string{"ok x", "ok y", "ENODATA"}},
		{"send and fail", func(_ context.Context, w Responder, r *Request) error {
			w.Send("x")
			return EBUSY
		}, []string{"EBUSY"}, []string{"ok x", "EBUSY"}},

		{"no JSON", func(_ context.Context, w Responder, r *Request) error {
			return w.Respond(func() {})
		}, []string{`EIO "json: unsupported type: func()"`}, []string{`EIO "json: unsupported type: func()"`}},
		{"no object", func(_ context.Context, w Responder, r *Request) error {
			return w.Respond(7)
		}, []string{`EIO "unexpected payload: int encodes to \"7\"; a Flux payload is a JSON object"`},
			[]string{`EIO "unexpected payload: int encodes to \"7\"; a Flux payload is a JSON object"`}},
		{"no JSON, and ignored", func(_ context.Context, w Responder, r *Request) error {
			w.Respond(func() {})
			return nil
		}, []string{`EIO "json: unsupported type: func()"`}, []string{"ENODATA"}},
		{"no JSON, and better the second time", func(_ context.Context, w Responder, r *Request) error {
			w.Respond(func() {})
			return w.Respond("x")
		}, []string{"ok x"}, []string{"ok x", "ENODATA"}},
		{"text with NUL", func(_ context.Context, w Responder, r *Request) error {
			if err := w.Respond("a\x00b"); !errors.Is(err, codec.ErrPayload) {
				panic(err)
			}
			return EINVAL
		}, []string{"EINVAL"}, []string{"EINVAL"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFront(t, WithLogger(slog.New(slog.DiscardHandler)))
				f.serve("calc", tt.h)
				f.want(f.send("calc.add"), tt.call...)
				f.want(f.send("calc.add", streaming), tt.strm...)
				f.want(f.send("calc.add", quiet))
				f.want(f.send("calc.add"), tt.call...) // the service lives

				mux := NewServeMux()
				mux.Handle("inl.add", tt.h, Inline())
				f.serve("inl", mux)
				f.want(f.send("inl.add"), tt.call...)
				f.want(f.send("inl.add", streaming), tt.strm...)
				f.want(f.send("inl.add", quiet))
				f.want(f.send("inl.add"), tt.call...)
			})
		})
	}
}

// What the handler gets to hear when nobody listens.
func TestHandlerNoResponse(t *testing.T) {
	serveMux(t, func(m *ServeMux) {
		m.HandleFunc("calc.add", func(_ context.Context, w Responder, r *Request) error {
			if !r.NoResponse() || r.Streaming() {
				t.Errorf("no response %v, streaming %v", r.NoResponse(), r.Streaming())
			}
			for i := range 3 {
				if err := w.Send(object1{"x": i}); err != nil {
					t.Errorf("Send: %v", err)
				}
			}
			if err := w.Respond(object1{"x": 1}); err != nil {
				t.Errorf("Respond: %v", err)
			}
			if err := w.Respond(object1{"x": 2}); err != errAnswered {
				t.Errorf("second Respond: %v", err)
			}
			return nil
		})
	}, func(t *testing.T, f *front, _ *served) {
		f.want(f.send("calc.add", quiet))
	})
}

func TestHandlerPanicIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		f := newFront(t, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		f.serve("calc", HandlerFunc(panicking))
		f.want(f.send("calc.add"), `EIO "handler panicked: oops"`)
		for _, want := range []string{"level=ERROR", "panic=oops", "topic=calc.add", "flux.panicking("} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("log has no %q: %s", want, &log)
			}
		}
	})
}

func panicking(context.Context, Responder, *Request) error { panic("oops") }

// A response over the cap is the handler's error; its text may be over it too.
func TestHandlerTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 400
		f := newFront(t, WithMaxMessage(limit))
		mux := NewServeMux()
		mux.HandleFunc("calc.big", func(_ context.Context, w Responder, _ *Request) error {
			err := w.Respond(bytes.Repeat([]byte{7}, limit))
			if !errors.Is(err, codec.ErrTooLarge) {
				t.Errorf("error is %v, want %v", err, codec.ErrTooLarge)
			}
			return w.Respond("small")
		})
		mux.HandleFunc("calc.ignored", func(_ context.Context, w Responder, _ *Request) error {
			w.Respond(bytes.Repeat([]byte{7}, limit))
			return nil
		})
		mux.HandleFunc("calc.text", func(context.Context, Responder, *Request) error {
			return errors.New(strings.Repeat("x", limit))
		})
		f.serve("calc", mux)
		f.want(f.send("calc.big"), "ok small")
		f.want(f.send("calc.big", streaming), "ok small", "ENODATA")
		f.want(f.send("calc.ignored"),
			`EIO "Flux message over the size limit: response with a payload of 400 bytes, limit 400"`)
		f.want(f.send("calc.text"), "EIO")
		f.want(f.send("calc.text", streaming), "EIO")
		// 350 bytes of topic leave no room for the dispatcher's words.
		f.want(f.send("calc."+strings.Repeat("y", 300)), "ENOSYS")
	})
}

// A cap that only the transport knows of is met as well.
func TestHandlerTooLargeForTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 300
		f := &front{t: t}
		f.c, f.p = newPeerSize(t, limit)
		f.p.Serve(f.handle)
		f.serve("calc", HandlerFunc(func(_ context.Context, w Responder, r *Request) error {
			err := w.Respond(bytes.Repeat([]byte{7}, limit))
			if !errors.Is(err, codec.ErrTooLarge) {
				t.Errorf("error is %v, want %v", err, codec.ErrTooLarge)
			}
			return errors.New(strings.Repeat("x", limit))
		}))
		f.want(f.send("calc.add"), "EIO")
		f.want(f.send("calc.add", streaming), "EIO")
	})
}

// A responder that is kept past its handler's return is dead.
func TestHandlerKeptResponder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFront(t)
		kept := make(chan Responder, 1)
		f.serve("calc", HandlerFunc(func(_ context.Context, w Responder, r *Request) error {
			kept <- w
			if r.Topic() == "calc.answered" {
				return w.Respond("x")
			}
			return nil
		}))
		for _, req := range []*codec.Message{
			f.send("calc.add"), f.send("calc.add", streaming), f.send("calc.answered"), f.send("calc.answered", streaming),
			f.send("calc.add", quiet),
		} {
			w := <-kept
			f.replies()
			if err := w.Respond("late"); err != errHandlerEnded {
				t.Errorf("late Respond: %v, want %v", err, errHandlerEnded)
			}
			if err := w.Send("late"); err == nil {
				t.Error("late Send is no error")
			}
			f.want(req)
		}
	})
}
