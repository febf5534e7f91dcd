package systemtest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/transport"
)

// Reconnect replaces a live connection, with a policy or without one.
func TestReconnectLive(t *testing.T) {
	for name, opts := range map[string][]flux.DialOption{
		"policy": {flux.WithReconnect(quick)}, "none": nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := fluxtest.New(t, fluxtest.InProcess())
				c := b.Client(opts...)
				b.Handle("svc.*", never)
				events, _ := mustSubscribe(t, c, "a")
				served, _ := mustServe(t, c, "calc", echo)
				stream := begin(func() error { return operations()["Stream"](t.Context(), c) })
				b.Emit("a.0", nil)
				synctest.Wait()
				for i := range 5 {
					old := onlyConn(t, b)
					if err := c.Reconnect(t.Context()); err != nil {
						t.Fatal(err)
					}
					if n := c.Stats().Reconnects; n != uint64(i+1) {
						t.Fatalf("%d reconnects, want %d", n, i+1)
					}
					<-old.Done()
					if onlyConn(t, b).Number() == old.Number() {
						t.Fatal("the connection is the old one")
					}
					if s, err := flux.CallAs[string](t.Context(), c, "calc.x", "hello"); err != nil || s != "hello" {
						t.Fatalf("own service after the reconnect: %q, %v", s, err)
					}
				}
				mustMatch(t, "the stream", <-stream, flux.ErrConnLost)
				b.Emit("a.1", nil)
				mustEvents(t, events, "a.0")
				for range 5 {
					mustGap(t, events)
				}
				mustEvents(t, events, "a.1")
				pendingYet(t, "Serve", served)
				if opts != nil {
					return
				}
				b.Disconnect() // without a policy that is the end
				<-c.Done()
				mustMatch(t, "Err", c.Err(), flux.ErrConnLost)
				mustMatch(t, "Reconnect", c.Reconnect(t.Context()), flux.ErrConnLost)
				mustMatch(t, "Serve", <-served, flux.ErrConnLost)
			})
		})
	}
}

// Where no new connection can be had the old one stays.
func TestReconnectFailedDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fluxtest.New(t, fluxtest.InProcess())
		f := &flaky{b: b, takes: time.Second}
		c := dialWith(t, f.dial)
		b.Handle("svc.call", func(r *fluxtest.Request) {
			<-time.After(time.Hour)
			r.Respond(nil)
		})
		call := begin(func() error { return operations()["Call"](t.Context(), c) })
		synctest.Wait()
		err := c.Reconnect(t.Context())
		mustMatch(t, "Reconnect", err, errNoWay)
		if !strings.Contains(err.Error(), "lifetest://") || errors.Is(err, flux.ErrConnLost) {
			t.Errorf("error %q does not say what was dialed, or that the connection was lost", err)
		}
		why := errors.New("bored")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, why)
		defer cancel()
		mustMatch(t, "Reconnect", c.Reconnect(ctx), context.DeadlineExceeded, why)
		if err := <-call; err != nil {
			t.Errorf("the call in flight: %v", err)
		}
		if s := c.Stats(); s.Reconnects != 0 {
			t.Errorf("%d reconnects, want none", s.Reconnects)
		}
	})
}

// While the connection is away, Reconnect waits for it within its ctx.
func TestReconnectDown(t *testing.T) {
	inBroker(t, func(t *testing.T, b *fluxtest.Broker, c *flux.Client) {
		b.Down()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		mustMatch(t, "Reconnect", c.Reconnect(ctx), context.DeadlineExceeded)
		again := begin(func() error { return c.Reconnect(t.Context()) })
		pendingYet(t, "Reconnect", again)
		b.Up()
		if err := <-again; err != nil {
			t.Fatal(err)
		}
		if s := c.Stats(); s.Reconnects != 1 {
			t.Errorf("%d reconnects, want 1", s.Reconnects)
		}
	}, flux.WithReconnect(flux.ReconnectPolicy{MaxBackoff: time.Second}))
}

// Many at once make one connection, or several one after the other.
func TestReconnectConcurrently(t *testing.T) {
	inBroker(t, func(t *testing.T, b *fluxtest.Broker, c *flux.Client) {
		mustServe(t, c, "calc", echo)
		events, _ := mustSubscribe(t, c, "a")
		for range 50 {
			var list []<-chan error
			for range 5 {
				list = append(list, begin(func() error { return c.Reconnect(t.Context()) }))
			}
			b.Disconnect()
			for _, ch := range list {
				if err := <-ch; err != nil {
					t.Error(err)
				}
			}
		}
		synctest.Wait()
		if _, err := c.Call(t.Context(), "calc.x", "hello"); err != nil {
			if _, err = c.Call(t.Context(), "calc.x", "hello"); err != nil { // the first met a loss
				t.Error(err)
			}
		}
		synctest.Wait()
		mustEqual(t, "services", onlyConn(t, b).Services(), []string{"calc"})
		mustEqual(t, "subscriptions", onlyConn(t, b).Subscriptions(), []string{"a"})
		gaps := len(events)
		if n := c.Stats().Reconnects; n == 0 || gaps == 0 {
			t.Errorf("%d reconnects, %d gaps", n, gaps)
		}
	})
}

func TestReconnectImpossible(t *testing.T) {
	near, far := transport.Pipe(transport.Config{})
	defer far.Close()
	c := flux.NewClient(near, flux.WithReconnect(quick))
	defer c.Close()
	if err := c.Reconnect(t.Context()); err == nil || !strings.Contains(err.Error(), "NewClient") {
		t.Errorf("a client that was not dialed: %v", err)
	}
	b := fluxtest.New(t)
	c = b.Client()
	c.Close()
	mustMatch(t, "Reconnect of a closed client", c.Reconnect(t.Context()), flux.ErrClosed)
}

// A connection made by hand that is lost before all is restored ends a client
// without a policy, and is one more attempt with it.
func TestReconnectLostInTheRestore(t *testing.T) {
	for _, stage := range []string{"state-machine.wait", "service.add", "event.subscribe"} {
		for name, opts := range map[string][]flux.DialOption{
			"policy": {flux.WithReconnect(quick)}, "none": nil,
		} {
			t.Run(stage+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := fluxtest.New(t, fluxtest.InProcess())
					var wires []*wire
					c := dialWith(t, dialHeld(b, &wires, "", stage), opts...)
					events, _ := mustSubscribe(t, c, "a")
					served, _ := mustServe(t, c, "calc", echo)
					again := begin(func() error { return c.Reconnect(t.Context()) })
					pendingYet(t, "Reconnect", again)
					<-wires[1].held
					wires[1].Close()
					if opts == nil {
						mustMatch(t, "Reconnect", <-again, flux.ErrConnLost)
						mustMatch(t, "Serve", <-served, flux.ErrConnLost)
						e := <-events
						mustMatch(t, "the subscription", e.Err(), flux.ErrConnLost)
						<-c.Done()
						return
					}
					if err := <-again; err != nil {
						t.Fatal(err)
					}
					mustGap(t, events)
					pendingYet(t, "Serve", served)
					if s := c.Stats(); s.Reconnects != 1 {
						t.Errorf("%d reconnects, want 1", s.Reconnects)
					}
				})
			})
		}
	}
}
