package systemtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
)

// spy is an interceptor that notes when it comes and goes.
type spy struct {
	name string
	mu   *sync.Mutex
	log  *[]string
}

func (s spy) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*s.log = append(*s.log, s.name+" "+fmt.Sprintf(format, args...))
}

func (s spy) WrapCall(next flux.CallFunc) flux.CallFunc {
	return func(ctx context.Context, m *codec.Message) (flux.Response, error) {
		s.note("call %s", m.Topic)
		r, err := next(ctx, m)
		s.note("called %v", err)
		return r, err
	}
}

func (s spy) WrapStream(next flux.StreamFunc) flux.StreamFunc {
	return func(ctx context.Context, m *codec.Message) (<-chan flux.Response, error) {
		s.note("stream %s", m.Topic)
		return next(ctx, m)
	}
}

func (s spy) WrapHandler(next flux.Handler) flux.Handler {
	return flux.HandlerFunc(func(ctx context.Context, w flux.Responder, r *flux.Request) error {
		s.note("handle %s", r.Topic())
		err := next.ServeFlux(ctx, w, r)
		s.note("handled %v", err)
		return err
	})
}

// The first interceptor is the outermost, for every kind of operation.
func TestInterceptorOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fluxtest.New(t, fluxtest.InProcess())
		b.Handle("svc.*", func(r *fluxtest.Request) {
			if r.Streaming() {
				r.End()
			} else {
				r.Respond(nil)
			}
		})
		var mu sync.Mutex
		var log []string
		a, z, y := spy{"a", &mu, &log}, spy{"z", &mu, &log}, spy{"y", &mu, &log}
		c := b.Client(flux.WithInterceptors(a, z), flux.WithInterceptors(y))
		take := func() string {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			lines := log
			log = nil
			return strings.Join(lines, ", ")
		}
		for name, op := range operations() {
			if err := op(t.Context(), c); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			want := map[string]string{
				"Notify": "",
				"Stream": "a stream svc.watch, z stream svc.watch, y stream svc.watch",
			}
			topic := map[string]string{"Publish": "event.publish", "Attr": "attr.get"}[name]
			if topic == "" {
				topic = "svc.call"
			}
			expected, special := want[name]
			if !special {
				expected = fmt.Sprintf("a call %[1]s, z call %[1]s, y call %[1]s, y called <nil>, z called <nil>, a called <nil>", topic)
			}
			if got := take(); got != expected {
				t.Errorf("%s: %q, want %q", name, got, expected)
			}
		}
		ch, err := c.DoStream(t.Context(), codec.NewRequest("svc.watch"))
		streamOf(ch, err)
		if got, want := take(), "a stream svc.watch, z stream svc.watch, y stream svc.watch"; got != want {
			t.Errorf("DoStream: %q, want %q", got, want)
		}
		if _, err := c.Attr(t.Context(), "rank"); err != nil {
			t.Error(err)
		}
		take()
		c.Attr(t.Context(), "rank") // is not asked for again
		if got := take(); got != "" {
			t.Errorf("a cached attribute: %q", got)
		}
		served, stop := mustServe(t, c, "calc", flux.HandlerFunc(func(context.Context, flux.Responder, *flux.Request) error {
			return flux.EAGAIN
		}))
		if got := take(); got != "" {
			t.Errorf("Serve: %q", got)
		}
		b.Client().Call(t.Context(), "calc.x", nil)
		if got, want := take(), "a handle calc.x, z handle calc.x, y handle calc.x, y handled EAGAIN, z handled EAGAIN, a handled EAGAIN"; strings.ReplaceAll(got, flux.EAGAIN.Error(), "EAGAIN") != want {
			t.Errorf("handler: %q, want %q", got, want)
		}
		stop()
		<-served
	})
}

// What interceptors change takes effect: requests, answers, handlers, and the
// refusal to go on.
func TestInterceptorEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fluxtest.New(t, fluxtest.InProcess())
		b.Handle("svc.echo", func(r *fluxtest.Request) { r.Respond(r.Message().Payload) })
		b.Handle("svc.watch", func(r *fluxtest.Request) {
			r.Respond(r.Message().Payload)
			r.End()
		})
		refuse := errors.New("not today")
		rewrite := func(m *codec.Message) {
			m.Topic = strings.Replace(m.Topic, "old.", "svc.", 1)
			m.Payload = append([]byte("changed: "), m.Payload...)
		}
		c := b.Client(flux.WithInterceptors(flux.InterceptorFuncs{}, flux.InterceptorFuncs{
			Call: func(next flux.CallFunc) flux.CallFunc {
				return func(ctx context.Context, m *codec.Message) (flux.Response, error) {
					if m.Topic == "old.refused" {
						return flux.Response{}, refuse
					}
					rewrite(m)
					return next(ctx, m)
				}
			},
			Stream: func(next flux.StreamFunc) flux.StreamFunc {
				return func(ctx context.Context, m *codec.Message) (<-chan flux.Response, error) {
					if m.Topic == "old.refused" {
						return nil, refuse
					}
					rewrite(m)
					return next(ctx, m)
				}
			},
			Handler: func(next flux.Handler) flux.Handler {
				return flux.HandlerFunc(func(ctx context.Context, w flux.Responder, r *flux.Request) error {
					if r.Topic() == "calc.refused" {
						return flux.EPERM
					}
					return next.ServeFlux(context.WithValue(ctx, refuse, "seen"), w, r)
				})
			},
		}))
		req := codec.NewRequest("old.echo")
		req.SetPayload([]byte("do\x00"))
		r, err := c.Do(t.Context(), req)
		if s, _ := r.Text(); err != nil || s != "changed: do" {
			t.Errorf("Do: %q, %v", s, err)
		}
		if string(req.Payload) != "do\x00" || req.Topic != "old.echo" {
			t.Errorf("the caller's message was changed: %+v", req)
		}
		if s, err := flux.CallAs[string](t.Context(), c, "old.echo", "x"); err != nil || s != "changed: x" {
			t.Errorf("CallAs: %q, %v", s, err)
		}
		r = <-c.Go(t.Context(), "old.echo", "x")
		if s, err := r.Text(); err != nil || s != "changed: x" {
			t.Errorf("Go: %q, %v", s, err)
		}
		for s, err := range flux.StreamAs[string](t.Context(), c, "old.watch", "x") {
			if err != nil || s != "changed: x" {
				t.Errorf("StreamAs: %q, %v", s, err)
			}
		}
		if _, err := c.Call(t.Context(), "old.refused", nil); err != refuse {
			t.Errorf("Call: %v", err)
		}
		if r := <-c.Go(t.Context(), "old.refused", nil); r.Err() != refuse {
			t.Errorf("Go: %v", r.Err())
		}
		if _, err := c.Stream(t.Context(), "old.refused", nil); err != refuse {
			t.Errorf("Stream: %v", err)
		}
		mustServe(t, c, "calc", flux.HandlerFunc(func(ctx context.Context, w flux.Responder, _ *flux.Request) error {
			return w.Respond(fmt.Sprint(ctx.Value(refuse)))
		}))
		by := b.Client()
		if s, err := flux.CallAs[string](t.Context(), by, "calc.x", nil); err != nil || s != "seen" {
			t.Errorf("handler: %q, %v", s, err)
		}
		_, err = by.Call(t.Context(), "calc.refused", nil)
		mustMatch(t, "handler", err, flux.EPERM)
	})
}
