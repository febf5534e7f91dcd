package systemtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
)

// restart replaces the broker and waits until the client is back.
func restart(t testing.TB, b *fluxtest.Broker, c *flux.Client) {
	t.Helper()
	if err := b.Restart(); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	if err := c.Reconnect(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestReconnectRestoresSubscriptions(t *testing.T) {
	inBroker(t, func(t *testing.T, b *fluxtest.Broker, c *flux.Client) {
		first, stopFirst := mustSubscribe(t, c, "a")
		second, stopSecond := mustSubscribe(t, c, "a", flux.Match("a.*"))
		within, stopWithin := mustSubscribe(t, c, "a.b")
		all, stopAll := mustSubscribe(t, c, "")
		b.Emit("a.b", nil)
		for _, events := range []<-chan flux.Event{first, second, within, all} {
			mustEvents(t, events, "a.b")
		}
		for range 3 {
			restart(t, b, c)
			mustEqual(t, "subscriptions", onlyConn(t, b).Subscriptions(), []string{"", "a", "a.b"})
			b.Emit("a", nil)
			b.Emit("a.b.c", nil)
			b.Emit("z", nil)
			for _, tt := range []struct {
				events <-chan flux.Event
				want   []string
			}{
				{first, []string{"a", "a.b.c"}}, {second, []string{"a.b.c"}},
				{within, []string{"a.b.c"}}, {all, []string{"a", "a.b.c", "z"}},
			} {
				mustGap(t, tt.events)
				mustEvents(t, tt.events, tt.want...)
			}
		}
		// The broker counts the uses of a prefix: one of each is left.
		stopFirst()
		stopWithin()
		synctest.Wait()
		mustEqual(t, "subscriptions", onlyConn(t, b).Subscriptions(), []string{"", "a"})
		stopSecond()
		stopAll()
		synctest.Wait()
		mustEqual(t, "subscriptions", onlyConn(t, b).Subscriptions(), nil)
		for _, events := range []<-chan flux.Event{first, second, within, all} {
			if e, open := <-events; open {
				t.Errorf("received %q, %v after the end of ctx", e.Topic(), e.Err())
			}
		}
		mustBeIdle(t, c)
	})
}

// However often the connection was lost since the last item, nothing between
// the gaps is out of order.
func TestReconnectGapsOfASlowReader(t *testing.T) {
	inBroker(t, func(t *testing.T, b *fluxtest.Broker, c *flux.Client) {
		events, _ := mustSubscribe(t, c, "a", flux.QueueLimit(8, 0))
		lossy, _ := mustSubscribe(t, c, "a", flux.QueueLimit(1, 0), flux.DropOldest())
		for i := range 3 {
			b.Emit(fmt.Sprint("a.", i), nil)
			synctest.Wait()
			restart(t, b, c)
		}
		b.Emit("a.end", nil)
		for i := range 3 {
			mustEvents(t, events, fmt.Sprint("a.", i))
			mustGap(t, events)
		}
		mustEvents(t, events, "a.end")
		// What was dropped before a loss and the loss are one hole or several.
		mustGap(t, lossy)
		for e := range lossy {
			if e.Topic() == "a.end" {
				break
			}
		}
	})
}

// All that is published after the gap item was delivered is received.
func TestReconnectLosesNothingAfterTheGap(t *testing.T) {
	inBroker(t, func(t *testing.T, b *fluxtest.Broker, c *flux.Client) {
		for range 20 {
			events, stop := mustSubscribe(t, c, "a")
			b.Restart()
			mustGap(t, events)
			var want []string
			for i := range 100 {
				want = append(want, fmt.Sprint("a.", i))
				b.Emit(want[i], nil)
			}
			mustEvents(t, events, want...)
			stop()
		}
	})
}

// An event that a wider subscription lets through early does not precede the gap
// of a narrower one.
func TestReconnectGapComesFirst(t *testing.T) {
	inBroker(t, func(t *testing.T, b *fluxtest.Broker, c *flux.Client) {
		var list []<-chan flux.Event
		for i := range 50 {
			events, _ := mustSubscribe(t, c, strings.Repeat("a", i))
			list = append(list, events)
		}
		b.Restart()
		stop := make(chan struct{})
		emitting := make(chan struct{})
		go func() {
			defer close(emitting)
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Nanosecond):
					b.Emit(strings.Repeat("a", 60), nil)
				}
			}
		}()
		for _, events := range list {
			mustGap(t, events)
		}
		close(stop)
		<-emitting
	})
}

func TestReconnectWithoutSubscribe(t *testing.T) {
	inBroker(t, func(t *testing.T, b *fluxtest.Broker, c *flux.Client) {
		events, _ := mustSubscribe(t, c, "a")
		restart(t, b, c)
		mustGap(t, events)
		mustEqual(t, "subscriptions", onlyConn(t, b).Subscriptions(), nil)
	}, flux.WithoutSubscribe())
}

// A subscription that ends while the connection is away is not made again.
func TestReconnectUnsubscribedMeanwhile(t *testing.T) {
	inBroker(t, func(t *testing.T, b *fluxtest.Broker, c *flux.Client) {
		ended, stop := mustSubscribe(t, c, "a")
		stays, _ := mustSubscribe(t, c, "b")
		clone := c.Clone()
		its, _ := mustSubscribe(t, clone, "c")
		b.Down()
		synctest.Wait()
		stop()
		if e, open := <-ended; open {
			t.Errorf("received %v after the end of ctx", e.Err())
		}
		clone.Close()
		e := <-its
		mustMatch(t, "the clone's subscription", e.Err(), flux.ErrClosed)
		b.Up()
		mustGap(t, stays)
		if err := c.Reconnect(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		mustEqual(t, "subscriptions", onlyConn(t, b).Subscriptions(), []string{"b"})
		again, _ := mustSubscribe(t, c, "a")
		b.Emit("a", nil)
		mustEvents(t, again, "a")
		mustBeIdle(t, c)
	})
}

// echo answers with the request's text.
var echo = flux.Unary(func(_ context.Context, s string) (string, error) { return s, nil })

func TestReconnectRestoresServices(t *testing.T) {
	inBroker(t, func(t *testing.T, b *fluxtest.Broker, c *flux.Client) {
		var done []<-chan error
		for i := range 5 {
			d, _ := mustServe(t, c, fmt.Sprint("svc-", i), echo)
			done = append(done, d)
		}
		ended, stop := mustServe(t, c, "ended", echo)
		for range 3 {
			restart(t, b, c)
			caller := b.Client()
			for i := range 5 {
				if s, err := flux.CallAs[string](t.Context(), caller, fmt.Sprint("svc-", i, ".x"), "hello"); err != nil ||
					s != "hello" {
					t.Fatalf("service %d after the loss: %q, %v", i, s, err)
				}
			}
			caller.Close()
			synctest.Wait()
		}
		b.Down()
		synctest.Wait()
		stop() // while the connection is away
		if err := <-ended; err != nil {
			t.Errorf("Serve whose ctx ended: %v", err)
		}
		b.Up()
		if err := c.Reconnect(t.Context()); err != nil {
			t.Fatal(err)
		}
		mustEqual(t, "services", onlyConn(t, b).Services(), []string{"svc-0", "svc-1", "svc-2", "svc-3", "svc-4"})
		for i, d := range done {
			pendingYet(t, fmt.Sprint("Serve ", i), d)
		}
		c.Close()
		for _, d := range done {
			mustMatch(t, "Serve", <-d, flux.ErrClosed)
		}
	})
}

// A name that another has taken ends that Serve, and no other.
func TestReconnectNameTaken(t *testing.T) {
	inBroker(t, func(t *testing.T, b *fluxtest.Broker, c *flux.Client) {
		taken, _ := mustServe(t, c, "calc", echo)
		kept, _ := mustServe(t, c, "keep", echo)
		b.Restart()
		other := b.Client()
		mustServe(t, other, "calc", echo)
		began := time.Now()
		err := <-taken
		mustMatch(t, "Serve", err, flux.EEXIST)
		if !strings.Contains(err.Error(), "taken") || errors.Is(err, flux.ErrConnLost) {
			t.Errorf("error %q does not say what happened", err)
		}
		if d := time.Since(began); d > 2*time.Second {
			t.Errorf("it took %v to find out", d)
		}
		if _, err := c.Call(t.Context(), "keep.x", "hello"); err != nil {
			t.Error(err)
		}
		pendingYet(t, "the other Serve", kept)
		other.Close()
		synctest.Wait()
		mustServe(t, c, "calc", echo) // once it is free
		restart(t, b, c)
		mustEqual(t, "services", onlyConn(t, b).Services(), []string{"calc", "keep"})
	})
}

// Handlers of requests from the old connection are told, and what they still
// respond goes nowhere.
func TestReconnectEndsHandlers(t *testing.T) {
	inBroker(t, func(t *testing.T, b *fluxtest.Broker, c *flux.Client) {
		type end struct{ cause, respond error }
		ends := make(chan end, 3)
		proceed := make(chan struct{})
		done, _ := mustServe(t, c, "calc", flux.HandlerFunc(func(ctx context.Context, w flux.Responder,
			r *flux.Request) error {
			if r.Topic() != "calc.hang" {
				return w.Respond("quick")
			}
			<-ctx.Done()
			<-proceed
			ends <- end{context.Cause(ctx), w.Respond("too late")}
			return nil
		}))
		caller := b.Client()
		caller.Go(t.Context(), "calc.hang", nil)
		if _, err := caller.Stream(t.Context(), "calc.hang", nil); err != nil {
			t.Fatal(err)
		}
		caller.Notify(t.Context(), "calc.hang", nil)
		synctest.Wait()
		service := func() *fluxtest.Conn {
			conns := b.Conns()
			return conns[slices.IndexFunc(conns, func(c *fluxtest.Conn) bool { return len(c.Services()) > 0 })]
		}
		service().Disconnect()
		synctest.Wait()
		if err := c.Reconnect(t.Context()); err != nil {
			t.Fatal(err)
		}
		close(proceed)
		for range 3 {
			e := <-ends
			mustMatch(t, "cause", e.cause, flux.ErrConnLost)
			mustMatch(t, "Respond", e.respond, flux.ErrConnLost)
		}
		if s, err := flux.CallAs[string](t.Context(), c, "calc.quick", nil); err != nil || s != "quick" {
			t.Errorf("call after the loss: %q, %v", s, err)
		}
		pendingYet(t, "Serve", done)
		for _, m := range b.Messages() {
			if m.Conn == service().Number() && m.Message.Errnum == 0 && string(m.Message.Payload) == "too late\x00" {
				t.Error("a reply to the old connection's request went out on the new one")
			}
		}
	})
}

// A service whose registration was under way at the loss is registered then.
func TestReconnectWhileRegistering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fluxtest.New(t, fluxtest.InProcess())
		var wires []*wire
		c := dialWith(t, dialHeld(b, &wires, "service.add"), flux.WithReconnect(quick))
		ready := make(chan struct{})
		served := begin(func() error {
			return c.Serve(t.Context(), "calc", echo, flux.OnReady(func() { close(ready) }))
		})
		<-wires[0].held
		pendingYet(t, "Serve", served)
		b.Disconnect()
		wires[0].Close()
		<-ready
		if s, err := flux.CallAs[string](t.Context(), c, "calc.x", "hello"); err != nil || s != "hello" {
			t.Fatalf("call after the loss: %q, %v", s, err)
		}
		c.Close()
		mustMatch(t, "Serve", <-served, flux.ErrClosed)
	})
}
