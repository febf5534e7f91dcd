package systemtest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/transport"
)

// script is the broker's end of one connection after the other, played step by
// step.
type script struct {
	t     *testing.T
	conns chan transport.Conn
	conn  transport.Conn
}

func newScript(t *testing.T) *script {
	return &script{t: t, conns: make(chan transport.Conn, 10)}
}

func (s *script) dial(context.Context) (transport.Conn, error) {
	near, far := transport.Pipe(transport.Config{})
	s.conns <- far
	return near, nil
}

// next waits for the next connection and goes on with that.
func (s *script) next() {
	if s.conn != nil {
		s.conn.Close()
	}
	s.conn = <-s.conns
}

// want receives a request and returns it with the name in its payload.
func (s *script) want(topics ...string) (m *codec.Message, name string) {
	s.t.Helper()
	m = new(codec.Message)
	if err := s.conn.Recv(m); err != nil {
		s.t.Fatalf("receive: %v", err)
	}
	for _, topic := range topics {
		if m.Topic != topic {
			continue
		}
		var v struct{ Topic, Service string }
		if b, err := codec.JSONPayload(m.Payload); err == nil {
			json.Unmarshal(b, &v)
		}
		return m, v.Topic + v.Service
	}
	s.t.Fatalf("received %s %q, want %q", m.Type, m.Topic, topics)
	return nil, ""
}

func (s *script) answer(m *codec.Message, errno flux.Errno) {
	s.t.Helper()
	r := codec.NewResponse(m)
	r.Errnum = uint32(errno)
	s.send(r)
}

func (s *script) send(m *codec.Message) {
	s.t.Helper()
	if err := s.conn.Send(context.Background(), m); err != nil {
		s.t.Fatal(err)
	}
}

// ok answers a request of the given topic with success.
func (s *script) ok(topic string) {
	s.t.Helper()
	m, _ := s.want(topic)
	s.answer(m, 0)
}

// inScript runs a test in a bubble with a script and a client of it.
func inScript(t *testing.T, f func(t *testing.T, s *script, c *flux.Client)) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t)
		c := dialWith(t, s.dial, flux.WithReconnect(quick))
		s.next()
		f(t, s, c)
		c.Close()
		s.conn.Close()
	})
}

// subscribing makes a subscription that the script answers.
func (s *script) subscribing(c *flux.Client, prefix string) <-chan flux.Event {
	got := make(chan (<-chan flux.Event), 1)
	go func() {
		events, err := c.Subscribe(context.Background(), prefix)
		if err != nil {
			s.t.Errorf("Subscribe: %v", err)
		}
		got <- events
	}()
	s.ok("event.subscribe")
	return <-got
}

// serving is a service whose registration the script answers.
func (s *script) serving(c *flux.Client, name string) (done <-chan error, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done = begin(func() error { return c.Serve(ctx, name, echo) })
	s.ok("service.add")
	synctest.Wait()
	return done, cancel
}

// What a wider subscription lets through does not precede the gap of a narrower
// one, whose answer is still to come.
func TestReconnectGapBeforeEarlyEvents(t *testing.T) {
	for _, first := range []string{"a", "a.b"} {
		inScript(t, func(t *testing.T, s *script, c *flux.Client) {
			events := map[string]<-chan flux.Event{"a": s.subscribing(c, "a"), "a.b": s.subscribing(c, "a.b")}
			s.next()
			s.ok("state-machine.wait")
			asked := make(map[string]*codec.Message)
			for range events {
				m, prefix := s.want("event.subscribe")
				asked[prefix] = m
			}
			second := map[string]string{"a": "a.b", "a.b": "a"}[first]
			s.answer(asked[first], 0)
			s.send(codec.NewEvent("a.b.early"))
			s.answer(asked[second], 0)
			s.send(codec.NewEvent("a.b.late"))
			mustGap(t, events[first])
			mustEvents(t, events[first], "a.b.early", "a.b.late")
			mustGap(t, events[second])
			mustEvents(t, events[second], "a.b.late")
		})
	}
}

// A subscription that is refused after a loss ends with that, alone.
func TestReconnectSubscriptionRefused(t *testing.T) {
	inScript(t, func(t *testing.T, s *script, c *flux.Client) {
		refused, kept := s.subscribing(c, "a"), s.subscribing(c, "b")
		s.next()
		s.ok("state-machine.wait")
		for range 2 {
			m, prefix := s.want("event.subscribe")
			s.answer(m, map[string]flux.Errno{"a": flux.EPERM, "b": 0}[prefix])
		}
		e := <-refused
		mustMatch(t, "the subscription", e.Err(), flux.EPERM)
		if _, open := <-refused; open {
			t.Error("an item after the end")
		}
		mustGap(t, kept)
		s.send(codec.NewEvent("a.b"))
		s.send(codec.NewEvent("b"))
		mustEvents(t, kept, "b")
	})
}

// A name that is taken may still be so by the lost connection: it is tried again
// for a while, and the other services need not wait for their turn.
func TestReconnectNameStillTaken(t *testing.T) {
	for _, refusals := range []int{0, 1, 6, 7} {
		t.Run(fmt.Sprint(refusals), func(t *testing.T) {
			inScript(t, func(t *testing.T, s *script, c *flux.Client) {
				slow, _ := s.serving(c, "slow")
				other, _ := s.serving(c, "other")
				s.next()
				s.ok("state-machine.wait")
				began := time.Now()
				for open, tries := 2, 0; open > 0; {
					m, name := s.want("service.add")
					if name == "slow" {
						if tries++; tries <= refusals {
							if tries == 7 {
								open-- // the last
							}
							s.answer(m, flux.EEXIST)
							continue
						}
					}
					open--
					s.answer(m, 0)
				}
				pendingYet(t, "the other Serve", other)
				if d := time.Since(began); d > 2*time.Second {
					t.Errorf("the name was tried for %v", d)
				}
				if refusals <= 6 {
					pendingYet(t, "Serve", slow)
				} else {
					mustMatch(t, "Serve", <-slow, flux.EEXIST)
				}
				call := begin(func() error {
					_, err := c.Call(t.Context(), "svc.call", nil)
					return err
				})
				s.ok("svc.call")
				if err := <-call; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A Serve that ends while the connection is being restored takes nothing back
// that the new one was not asked for, and the restore asks for it no more.
func TestReconnectServeEndsInTheRestore(t *testing.T) {
	inScript(t, func(t *testing.T, s *script, c *flux.Client) {
		done, stop := s.serving(c, "calc")
		s.next()
		m, _ := s.want("state-machine.wait")
		stop()
		began := time.Now()
		if err := <-done; err != nil || time.Since(began) > 0 {
			t.Errorf("Serve: %v after %v", err, time.Since(began))
		}
		s.answer(m, 0)
		go c.Call(t.Context(), "svc.call", nil)
		s.want("svc.call") // and nothing before
	})

	// It was asked for: then it is taken back, after that.
	inScript(t, func(t *testing.T, s *script, c *flux.Client) {
		done, stop := s.serving(c, "calc")
		s.next()
		s.ok("state-machine.wait")
		add, _ := s.want("service.add")
		stop()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		remove, name := s.want("service.remove")
		if name != "calc" {
			t.Errorf("service %q is removed", name)
		}
		s.answer(add, 0)
		s.answer(remove, 0)
		go c.Call(t.Context(), "svc.call", nil)
		s.want("svc.call")
	})
}

// mute is a stream that fails to write at some time, and whose reader notices
// only later.
type mute struct {
	io.ReadWriteCloser
	broken atomic.Bool
	notice chan struct{}
}

func (m *mute) Write(p []byte) (int, error) {
	if m.broken.Load() {
		return 0, errNoWay
	}
	return m.ReadWriteCloser.Write(p)
}

func (m *mute) Read(p []byte) (int, error) {
	n, err := m.ReadWriteCloser.Read(p)
	if err != nil {
		<-m.notice
	}
	return n, err
}

// What a connection does not take because it is broken, though its reader has not
// noticed, is for the next one. A message that nobody takes is an error at once.
func TestReconnectAfterAFailedWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fluxtest.New(t, fluxtest.InProcess())
		b.Handle("svc.*", func(r *fluxtest.Request) {
			if r.Streaming() {
				r.End()
			} else {
				r.Respond(nil)
			}
		})
		var first *mute
		c := dialWith(t, func(ctx context.Context) (transport.Conn, error) {
			s, err := b.DialBytes(ctx)
			if err != nil || first != nil {
				return transport.NewConn(s, transport.Config{}), err
			}
			first = &mute{ReadWriteCloser: s, notice: make(chan struct{})}
			return transport.NewConn(first, transport.Config{}), nil
		}, flux.WithReconnect(quick))
		first.broken.Store(true)
		lost := begin(func() error { return operations()["Call"](t.Context(), c) })
		pendingYet(t, "the first call", lost)
		ends := make(map[string]<-chan error)
		for name, op := range operations() {
			ends[name] = begin(func() error { return op(t.Context(), c) })
		}
		ends["Subscribe"] = begin(func() error {
			_, err := c.Subscribe(t.Context(), "a")
			return err
		})
		ready := make(chan struct{})
		served := begin(func() error {
			return c.Serve(t.Context(), "calc", echo, flux.OnReady(func() { close(ready) }))
		})
		for name, ch := range ends {
			pendingYet(t, name, ch)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Call(ctx, "svc.call", nil)
		mustMatch(t, "a call with a deadline", err, context.DeadlineExceeded)
		if !flux.SafeToRetry(err) {
			t.Errorf("%v is not safe to retry", err)
		}
		close(first.notice)
		mustMatch(t, "the first call", <-lost, flux.ErrConnLost)
		for name, ch := range ends {
			if err := <-ch; err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		<-ready
		mustMatch(t, "an impossible message", c.Send(t.Context(), codec.NewRequest("a\x00b")), codec.ErrUnsendable)
		c.Close()
		mustMatch(t, "Serve", <-served, flux.ErrClosed)
	})
}
