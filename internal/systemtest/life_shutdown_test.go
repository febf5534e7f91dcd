package systemtest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
)

// slowly is a service that answers after a second.
func slowly(r *fluxtest.Request) {
	<-time.After(time.Second)
	r.Respond(nil)
}

func TestShutdownWaitsForCalls(t *testing.T) {
	inBroker(t, func(t *testing.T, b *fluxtest.Broker, c *flux.Client) {
		b.Handle("svc.call", slowly)
		b.Handle("svc.watch", never)
		call := begin(func() error { return operations()["Call"](t.Context(), c) })
		goCall := begin(func() error { return operations()["Go"](t.Context(), c) })
		stream := begin(func() error { return operations()["Stream"](t.Context(), c) })
		events, _ := mustSubscribe(t, c, "a")
		others := c.Clone()
		synctest.Wait()
		began := time.Now()
		down := begin(func() error { return c.Shutdown(t.Context()) })
		pendingYet(t, "Shutdown", down)
		for name, op := range operations() { // nothing new
			err := op(t.Context(), c)
			mustMatch(t, name, err, flux.ErrClosed)
			if !flux.SafeToRetry(err) {
				t.Errorf("%s: %v is not safe to retry", name, err)
			}
		}
		pendingYet(t, "the stream", stream)
		for _, ch := range []<-chan error{call, goCall, down} {
			if err := <-ch; err != nil {
				t.Error(err)
			}
		}
		if d := time.Since(began); d != time.Second {
			t.Errorf("Shutdown took %v, want a second", d)
		}
		mustMatch(t, "the stream", <-stream, flux.ErrClosed)
		e := <-events
		mustMatch(t, "the subscription", e.Err(), flux.ErrClosed)
		if _, err := others.Attr(t.Context(), "version"); err != nil {
			t.Errorf("a clone that goes on: %v", err)
		}
		if err := c.Shutdown(t.Context()); err != nil {
			t.Errorf("the second Shutdown: %v", err)
		}
		others.Close()
		if err := others.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown after Close: %v", err)
		}
	})
}

func TestShutdownIsCutShort(t *testing.T) {
	why := errors.New("no more time")
	for name, cut := range map[string]func(c *flux.Client) error{
		"ctx":   func(*flux.Client) error { return nil },
		"Close": func(c *flux.Client) error { return c.Close() },
		"Shutdown": func(c *flux.Client) error {
			ctx, cancel := context.WithTimeout(context.Background(), 0)
			defer cancel()
			if err := c.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
				return err
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBroker(t, func(t *testing.T, b *fluxtest.Broker, c *flux.Client) {
				b.Handle("svc.*", never)
				u := use(t, c, "calc")
				mustServe(t, c, "hang", flux.HandlerFunc(func(ctx context.Context, _ flux.Responder, _ *flux.Request) error {
					<-ctx.Done()
					return context.Cause(ctx)
				}))
				by := b.Client()
				hang := by.Go(t.Context(), "hang.x", nil)
				synctest.Wait()
				ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, why)
				defer cancel()
				began := time.Now()
				down := begin(func() error { return c.Shutdown(ctx) })
				pendingYet(t, "Shutdown", down)
				if err := <-u.served; err != nil {
					t.Errorf("Serve, ended by Shutdown: %v", err)
				}
				u.served = begin(func() error { return flux.ErrClosed })
				if err := cut(c); err != nil {
					t.Error(err)
				}
				err := <-down
				d := time.Since(began)
				if name == "ctx" {
					mustMatch(t, "Shutdown", err, context.DeadlineExceeded, why)
					if d != time.Minute {
						t.Errorf("Shutdown took %v, want a minute", d)
					}
				} else if d > 0 {
					t.Errorf("Shutdown took %v after it was cut short", d)
				}
				u.over(t)
				r := <-hang
				mustMatch(t, "the handler's request", r.Err(), flux.ECANCELED)
			})
		})
	}
}

// Handlers finish, and may use the client until they have.
func TestShutdownDrainsServices(t *testing.T) {
	for _, with := range []string{"Serve", "WithHandler"} {
		t.Run(with, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := fluxtest.New(t, fluxtest.InProcess())
				b.Handle("svc.call", slowly)
				var c *flux.Client
				h := flux.HandlerFunc(func(ctx context.Context, w flux.Responder, r *flux.Request) error {
					for range 3 {
						if _, err := c.Call(ctx, "svc.call", nil); err != nil {
							return err
						}
					}
					return w.Respond("done")
				})
				if with == "Serve" {
					c = b.Client()
					mustServe(t, c, "calc", h)
				} else {
					c = b.Client(flux.WithHandler(h))
					if _, err := c.Call(t.Context(), "service.add", map[string]string{"service": "calc"}); err != nil {
						t.Fatal(err)
					}
				}
				by := b.Client()
				call := by.Go(t.Context(), "calc.work", nil)
				synctest.Wait()
				began := time.Now()
				if err := c.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				if d := time.Since(began); d != 3*time.Second {
					t.Errorf("Shutdown took %v, want 3 seconds", d)
				}
				r := <-call
				if s, err := r.Text(); err != nil || s != "done" {
					t.Errorf("the request at Shutdown got %q, %v", s, err)
				}
			})
		})
	}
}

// A Serve that is called, or still registers, during a Shutdown does not stand.
func TestShutdownRefusesServe(t *testing.T) {
	inBroker(t, func(t *testing.T, b *fluxtest.Broker, c *flux.Client) {
		held := make(chan struct{})
		mustServe(t, c, "slow", flux.HandlerFunc(func(context.Context, flux.Responder, *flux.Request) error {
			<-held
			return nil
		}))
		by := b.Client()
		by.Go(t.Context(), "slow.x", nil)
		synctest.Wait()
		down := begin(func() error { return c.Shutdown(t.Context()) })
		pendingYet(t, "Shutdown", down)
		mustMatch(t, "Serve", c.Serve(t.Context(), "late", echo), flux.ErrClosed)
		close(held)
		if err := <-down; err != nil {
			t.Error(err)
		}
	})
}

// A loss ends what Shutdown waits for.
func TestShutdownMeetsALoss(t *testing.T) {
	for name, opts := range map[string][]flux.DialOption{
		"reconnect": {flux.WithReconnect(quick)}, "no reconnect": nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := fluxtest.New(t, fluxtest.InProcess())
				b.Handle("svc.*", never)
				c := b.Client(opts...)
				call := begin(func() error { return operations()["Call"](t.Context(), c) })
				served, _ := mustServe(t, c, "hang", flux.HandlerFunc(func(ctx context.Context, _ flux.Responder,
					_ *flux.Request) error {
					<-ctx.Done()
					return nil
				}))
				b.Client().Go(t.Context(), "hang.x", nil)
				synctest.Wait()
				down := begin(func() error { return c.Shutdown(t.Context()) })
				pendingYet(t, "Shutdown", down)
				b.Restart()
				began := time.Now()
				if err := <-down; err != nil {
					t.Error(err)
				}
				if d := time.Since(began); d > time.Second {
					t.Errorf("Shutdown took %v after the loss", d)
				}
				mustMatch(t, "the call", <-call, flux.ErrConnLost)
				mustMatch(t, "Serve", <-served, flux.ErrConnLost)
			})
		})
	}
}
