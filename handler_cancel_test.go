package flux

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
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
		{"loss", func(f *front, _ *served, _ *codec.Message) { f.p.conn.Close() }, ErrConnLost},
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
