package systemtest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
)

// What is in flight at a loss fails at once and is not safe to retry.
func TestReconnectFailsWhatIsInFlight(t *testing.T) {
	losses := map[string]func(b *fluxtest.Broker, c *flux.Client){
		"restart":    func(b *fluxtest.Broker, _ *flux.Client) { b.Restart() },
		"disconnect": func(b *fluxtest.Broker, _ *flux.Client) { b.Disconnect() },
		"reconnect":  func(_ *fluxtest.Broker, c *flux.Client) { c.Reconnect(context.Background()) },
	}
	for name, lose := range losses {
		t.Run(name, func(t *testing.T) {
			inBroker(t, func(t *testing.T, b *fluxtest.Broker, c *flux.Client) {
				b.Handle("svc.*", never)
				b.Handle("event.publish", never)
				b.Handle("attr.get", never)
				ends := make(map[string]<-chan error)
				for op, f := range operations() {
					if op != "Notify" {
						ends[op] = begin(func() error { return f(t.Context(), c) })
					}
				}
				abandoned, cancel := context.WithCancel(t.Context())
				gone := c.Go(abandoned, "svc.abandoned", nil)
				synctest.Wait()
				cancel()
				<-gone
				if s := c.Stats(); s.Live != len(ends) || s.Retired != 1 {
					t.Fatalf("%+v, want %d live and 1 retired", s, len(ends))
				}
				begin := time.Now()
				lose(b, c)
				for op, ch := range ends {
					err := <-ch
					mustMatch(t, op, err, flux.ErrConnLost)
					if flux.SafeToRetry(err) || errors.Is(err, flux.ErrClosed) {
						t.Errorf("%s: %v is safe to retry or matches ErrClosed", op, err)
					}
				}
				if d := time.Since(begin); d > time.Millisecond {
					t.Errorf("the calls ended %v after the loss", d)
				}
				b.Handle("svc.call", func(r *fluxtest.Request) { r.Respond("again") })
				if s, err := flux.CallAs[string](t.Context(), c, "svc.call", nil); err != nil || s != "again" {
					t.Fatalf("call after the loss: %q, %v", s, err)
				}
				synctest.Wait()
				mustBeIdle(t, c) // the old tags died with their connection
				if s := c.Stats(); s.Reconnects != 1 || s.Late+s.Stray != 0 {
					t.Errorf("%+v, want one reconnect", s)
				}
				var tags []uint32
				for _, r := range b.Requests() {
					if r.Message.Topic == "svc.call" && r.Conn == onlyConn(t, b).Number() {
						tags = append(tags, r.Message.Matchtag)
					}
				}
				mustEqual(t, "tags on the new connection", tags, []uint32{2}) // 1 was state-machine.wait
			})
		})
	}
}

// What is started while the connection is away waits for it.
func TestReconnectHoldsWhatIsStarted(t *testing.T) {
	for name, op := range operations() {
		t.Run(name, func(t *testing.T) {
			inBroker(t, func(t *testing.T, b *fluxtest.Broker, c *flux.Client) {
				b.Handle("svc.*", func(r *fluxtest.Request) {
					if r.Streaming() {
						r.End()
					} else {
						r.Respond(nil)
					}
				})
				b.Down()
				synctest.Wait()
				end := begin(func() error { return op(t.Context(), c) })
				pendingYet(t, name, end)
				time.AfterFunc(time.Hour, func() { b.Up() })
				began := time.Now()
				if err := <-end; err != nil {
					t.Fatal(err)
				}
				if d := time.Since(began); d < time.Hour || d > time.Hour+2*time.Second {
					t.Errorf("it ended after %v, want an hour", d)
				}
			}, flux.WithReconnect(flux.ReconnectPolicy{MaxBackoff: time.Second}))
		})
	}
}

// The end of ctx ends the wait, and nothing was sent.
func TestReconnectWaitIsBoundedByCtx(t *testing.T) {
	why := errors.New("impatient")
	for name, op := range operations() {
		t.Run(name, func(t *testing.T) {
			inBroker(t, func(t *testing.T, b *fluxtest.Broker, c *flux.Client) {
				b.Handle("svc.*", never)
				b.Down()
				synctest.Wait()
				ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, why)
				defer cancel()
				began := time.Now()
				err := op(ctx, c)
				mustMatch(t, name, err, context.DeadlineExceeded, why)
				if !flux.SafeToRetry(err) {
					t.Errorf("%v is not safe to retry, though nothing was sent", err)
				}
				if d := time.Since(began); d != time.Minute {
					t.Errorf("it ended after %v, want a minute", d)
				}
				if b.Up() != nil {
					t.Fatal("the broker does not come up")
				}
				if err := c.Reconnect(t.Context()); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				mustBeIdle(t, c)
				mustEqual(t, "requests on the new connection", topicsOf(b, onlyConn(t, b).Number()), []string{"state-machine.wait"})
			}, flux.WithReconnect(flux.ReconnectPolicy{MaxBackoff: time.Second}))
		})
	}
}

// Subscribe and Serve wait within their ctx too.
func TestReconnectHoldsSubscribeAndServe(t *testing.T) {
	inBroker(t, func(t *testing.T, b *fluxtest.Broker, c *flux.Client) {
		b.Down()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := c.Subscribe(ctx, "a")
		mustMatch(t, "Subscribe", err, context.DeadlineExceeded)
		if !flux.SafeToRetry(err) {
			t.Errorf("%v is not safe to retry", err)
		}
		if err := c.Serve(ctx, "calc", flux.NewServeMux()); err != nil {
			t.Errorf("Serve whose ctx ended: %v", err)
		}
		served := begin(func() error { return c.Serve(t.Context(), "calc", flux.NewServeMux()) })
		subscribed := begin(func() error {
			events, err := c.Subscribe(t.Context(), "a")
			if err == nil {
				e := <-events // no gap: it was not there before
				err = e.Err()
			}
			return err
		})
		pendingYet(t, "Serve", served)
		pendingYet(t, "Subscribe", subscribed)
		b.Up()
		<-time.After(time.Minute)
		b.Emit("a.b", nil)
		if err := <-subscribed; err != nil {
			t.Error(err)
		}
		mustEqual(t, "services", onlyConn(t, b).Services(), []string{"calc"})
		pendingYet(t, "Serve", served)
		c.Close()
		mustMatch(t, "Serve", <-served, flux.ErrClosed)
	}, flux.WithReconnect(flux.ReconnectPolicy{MaxBackoff: time.Second}))
}

// Nothing but state-machine.wait is sent before the broker runs.
func TestReconnectWaitsForTheBroker(t *testing.T) {
	inBroker(t, func(t *testing.T, b *fluxtest.Broker, c *flux.Client) {
		mustServe(t, c, "calc", flux.NewServeMux())
		events, _ := mustSubscribe(t, c, "a")
		b.Handle("svc.call", func(r *fluxtest.Request) { r.Respond(nil) })
		waits := make(chan *fluxtest.Request, 1)
		b.Handle("state-machine.wait", func(r *fluxtest.Request) { waits <- r })
		first := onlyConn(t, b).Number()
		b.Restart()
		wait := <-waits
		call := begin(func() error { return operations()["Call"](t.Context(), c) })
		pendingYet(t, "the call", call)
		mustEqual(t, "requests", topicsOf(b, first+1), []string{"state-machine.wait"})

		// The old broker, on its way down: start over.
		wait.Fail(&flux.Error{Errno: flux.ENOENT, Message: "broker has surpassed RUN state"})
		<-waits
		pendingYet(t, "the call", call)
		mustEqual(t, "requests", topicsOf(b, first+2), []string{"state-machine.wait"})

		// The connection is lost again while it waits.
		b.Restart()
		wait = <-waits
		pendingYet(t, "the call", call)
		wait.Respond(nil)
		if err := <-call; err != nil {
			t.Fatal(err)
		}
		mustGap(t, events)
		mustEqual(t, "requests", topicsOf(b, first+3), []string{"state-machine.wait", "service.add", "event.subscribe",
			"svc.call"})
		if s := c.Stats(); s.Reconnects != 1 {
			t.Errorf("%d reconnects, want 1", s.Reconnects)
		}
	})
}

// A broker without state-machine.wait is taken as it is.
func TestReconnectToAnOldBroker(t *testing.T) {
	inBroker(t, func(t *testing.T, b *fluxtest.Broker, c *flux.Client) {
		b.Handle("state-machine.wait", func(r *fluxtest.Request) { r.Fail(flux.ENOSYS) })
		b.Restart()
		synctest.Wait()
		if _, err := c.Attr(t.Context(), "rank"); err != nil {
			t.Fatal(err)
		}
	})
}

// The new broker may be another one.
func TestReconnectForgetsAttributes(t *testing.T) {
	inBroker(t, func(t *testing.T, b *fluxtest.Broker, c *flux.Client) {
		size := func(want uint32) {
			t.Helper()
			if n, err := c.Size(t.Context()); err != nil || n != want {
				t.Fatalf("size %d, %v, want %d", n, err, want)
			}
		}
		size(1)
		b.SetAttr("size", "7")
		size(1) // is not asked for again
		b.Restart()
		b.SetAttr("size", "5")
		if err := c.Reconnect(t.Context()); err != nil {
			t.Fatal(err)
		}
		size(5)
		asked := 0
		for _, r := range b.Requests() {
			if r.Message.Topic == "attr.get" {
				asked++
			}
		}
		if asked != 2 {
			t.Errorf("the broker was asked %d times, want 2", asked)
		}
	})
}

// A call that waits for room when the connection goes is made on the next one.
func TestReconnectWhileHeldBack(t *testing.T) {
	inBroker(t, func(t *testing.T, b *fluxtest.Broker, c *flux.Client) {
		b.Handle("svc.*", func(r *fluxtest.Request) { r.Respond(nil) })
		b.Stall()
		var queued int
		for ; ; queued++ {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			err := c.Send(ctx, &codec.Message{Type: codec.TypeEvent, Topic: "jam", Payload: make([]byte, 1<<20)})
			cancel()
			if err != nil {
				break
			}
		}
		call := begin(func() error { return operations()["Call"](t.Context(), c) })
		pendingYet(t, "the call", call)
		b.Restart()
		b.Resume()
		err := <-call
		if errors.Is(err, flux.ErrConnLost) && !flux.SafeToRetry(err) { // it was being sent at that very moment
			err = operations()["Call"](t.Context(), c)
		}
		if err != nil {
			t.Fatal(err)
		}
		if topics := topicsOf(b, onlyConn(t, b).Number()); !slices.Equal(topics, []string{"state-machine.wait", "svc.call"}) {
			t.Errorf("the new connection carried %q", topics)
		}
	})
}
