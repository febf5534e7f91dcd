package systemtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
)

// hookLog notes what hooks are told, and has each of them call the client back,
// which a hook that is called under a lock could not.
type hookLog struct {
	mu    sync.Mutex
	lines []string
	c     atomic.Pointer[flux.Client]
	then  func() // called by every hook
}

func (h *hookLog) add(format string, args ...any) {
	if c := h.c.Load(); c != nil {
		c.Stats()
		c.Err()
		c.Clone().Close()
	}
	if h.then != nil {
		h.then()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, fmt.Sprintf(format, args...))
}

// take returns what was noted since the last time.
func (h *hookLog) take() []string {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	lines := h.lines
	h.lines = nil
	return lines
}

func (h *hookLog) hooks() flux.Hooks {
	return flux.Hooks{
		Connected: func(again bool) { h.add("connected %t", again) },
		Disconnected: func(err error) {
			what := err.Error()
			if i := strings.IndexByte(what, ':'); i > 0 {
				what = what[:i]
			}
			h.add("disconnected: %s", what)
		},
		Sent:         func(m *codec.Message) { h.add("sent %s %s %d", m.Type, m.Topic, m.Matchtag) },
		Received:     func(m *codec.Message) { h.add("received %s %s %d", m.Type, m.Topic, m.Matchtag) },
		Queued:       func(topic string, messages, bytes int) { h.add("queued %s %d, %t", topic, messages, bytes > 0) },
		SlowConsumer: func(topic string) { h.add("slow consumer %s", topic) },
		Retired:      func(topic string, tag uint32) { h.add("retired %s %d", topic, tag) },
	}
}

func TestHooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fluxtest.New(t, fluxtest.InProcess())
		b.Handle("svc.*", never)
		b.Handle("svc.echo", func(r *fluxtest.Request) { r.Respond(r.Message().Payload) })
		var h hookLog
		c := b.Client(flux.WithHooks(h.hooks()), flux.WithReconnect(quick))
		h.c.Store(c)
		mustEqual(t, "dial", h.take(), []string{"connected false"})

		if _, err := c.Call(t.Context(), "svc.echo", "x"); err != nil {
			t.Fatal(err)
		}
		mustEqual(t, "call", h.take(), []string{"sent request svc.echo 1", "received response svc.echo 1"})

		if err := c.Notify(t.Context(), "svc.notify", nil); err != nil {
			t.Fatal(err)
		}
		mustEqual(t, "notify", h.take(), []string{"sent request svc.notify 0"})

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		operations()["Stream"](ctx, c)
		cancel()
		mustEqual(t, "stream", h.take(), []string{"sent request svc.watch 2", "retired svc.watch 2",
			"sent request svc.cancel 0", "received response svc.watch 2"})

		events, stop := mustSubscribe(t, c, "a", flux.QueueLimit(3, 0))
		mustEqual(t, "subscribe", h.take(), []string{"sent request event.subscribe 3", "received response event.subscribe 3"})
		b.Emit("a.1", nil)
		b.Emit("a.2", nil)
		mustEqual(t, "events", h.take(), []string{"received event a.1 0", "received event a.2 0", "queued a 2, true"})
		mustEvents(t, events, "a.1", "a.2")
		for range 4 {
			b.Emit("a.3", nil)
			synctest.Wait()
		}
		got := h.take()
		mustEqual(t, "slow consumer", got[:5], []string{"received event a.3 0", "received event a.3 0", "queued a 2, true",
			"received event a.3 0", "queued a 3, true"})
		if !slices.Contains(got, "slow consumer a") || !slices.Contains(got, "sent request event.unsubscribe 4") {
			t.Errorf("the slow consumer's end: %q", got)
		}
		stop()

		served, stopServing := mustServe(t, c, "calc", echo)
		mustEqual(t, "serve", h.take(), []string{"sent request service.add 5", "received response service.add 5"})
		if _, err := c.Call(t.Context(), "calc.x", "x"); err != nil {
			t.Fatal(err)
		}
		mustEqual(t, "own call", h.take(), []string{"sent request calc.x 6", "received request calc.x 6",
			"sent response calc.x 6", "received response calc.x 6"})
		stopServing()
		<-served
		h.take()

		if _, err := c.Publish(t.Context(), "z", nil, flux.Unconfirmed()); err != nil {
			t.Fatal(err)
		}
		mustEqual(t, "publish", h.take(), []string{"sent event z 0"})

		b.Restart()
		synctest.Wait()
		if err := c.Reconnect(t.Context()); err != nil {
			t.Fatal(err)
		}
		mustEqual(t, "loss", h.take(), []string{"disconnected: connection to the broker lost",
			"sent request state-machine.wait 1", "received response state-machine.wait 1", "connected true"})

		c.Close()
		mustEqual(t, "close", h.take(), []string{"disconnected: client closed"})
	})
}

// Connected and Disconnected take turns, whoever notices what.
func TestHooksTakeTurns(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			b := fluxtest.New(t, fluxtest.InProcess())
			h := hookLog{then: func() { <-time.After(time.Nanosecond) }} // much may happen meanwhile
			c := b.Client(flux.WithHooks(flux.Hooks{
				Connected:    h.hooks().Connected,
				Disconnected: func(error) { h.add("disconnected") },
			}), flux.WithReconnect(quick))
			h.c.Store(c)
			for i := range 30 {
				if i%3 == 0 {
					b.Restart()
				} else {
					go c.Reconnect(t.Context())
					b.Disconnect()
				}
				<-time.After(time.Nanosecond)
			}
			c.Close()
			<-time.After(time.Microsecond)
			lines := h.take()
			want := "connected false"
			for i, line := range lines {
				if line != want {
					t.Fatalf("change %d is %q, want %q: %q", i, line, want, lines)
				}
				if want = "disconnected"; line == want {
					want = "connected true"
				}
			}
			if want != "connected true" {
				t.Errorf("the last change is none to disconnected: %q", lines)
			}
		})
	}
}

// Close from inside any hook ends the client and does not hang.
func TestHooksClose(t *testing.T) {
	for name, hooks := range map[string]func(f func()) flux.Hooks{
		"Connected":    func(f func()) flux.Hooks { return flux.Hooks{Connected: func(again bool) { f() }} },
		"Disconnected": func(f func()) flux.Hooks { return flux.Hooks{Disconnected: func(error) { f() }} },
		"Sent":         func(f func()) flux.Hooks { return flux.Hooks{Sent: func(*codec.Message) { f() }} },
		"Received":     func(f func()) flux.Hooks { return flux.Hooks{Received: func(*codec.Message) { f() }} },
		"Queued":       func(f func()) flux.Hooks { return flux.Hooks{Queued: func(string, int, int) { f() }} },
		"SlowConsumer": func(f func()) flux.Hooks { return flux.Hooks{SlowConsumer: func(string) { f() }} },
		"Retired":      func(f func()) flux.Hooks { return flux.Hooks{Retired: func(string, uint32) { f() }} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := fluxtest.New(t, fluxtest.InProcess())
				b.Handle("svc.*", never)
				var client atomic.Pointer[flux.Client]
				var calls atomic.Int32
				c := b.Client(flux.WithReconnect(quick), flux.WithHooks(hooks(func() {
					if c := client.Load(); c != nil {
						calls.Add(1)
						c.Close()
					}
				})))
				done := begin(func() error { return operations()["Go"](context.Background(), c) })
				events, _ := mustSubscribe(t, c, "a", flux.QueueLimit(2, 0))
				served, _ := mustServe(t, c, "calc", echo)
				client.Store(c)
				for range 4 {
					b.Emit("a", nil)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				operations()["Stream"](ctx, c)
				cancel()
				b.Disconnect()
				<-c.Done()
				mustMatch(t, "Err", c.Err(), flux.ErrClosed)
				<-done
				<-served
				for range events {
				}
				c.Close()
				if calls.Load() == 0 {
					t.Error("the hook was not called")
				}
			})
		})
	}
}

// A hook that waits for the connection it was told is lost holds nobody up.
func TestHooksMayReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fluxtest.New(t, fluxtest.InProcess())
		var client atomic.Pointer[flux.Client]
		done := make(chan error, 1)
		c := b.Client(flux.WithReconnect(quick), flux.WithHooks(flux.Hooks{Disconnected: func(error) {
			if c := client.Load(); c != nil && c.Err() == nil {
				done <- c.Reconnect(context.Background())
			}
		}}))
		client.Store(c)
		synctest.Wait()
		b.Disconnect()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
