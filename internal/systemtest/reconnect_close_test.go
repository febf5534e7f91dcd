package systemtest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/transport"
)

// Close and Shutdown, at every stage of a reconnect: they return at once, all
// that waits ends with ErrClosed, and nothing is left behind.
func TestReconnectCloseInEachPhase(t *testing.T) {
	hour := flux.ReconnectPolicy{MinBackoff: time.Hour, MaxBackoff: time.Hour}
	stuck := make(chan error)
	phases := map[string]struct {
		policy flux.ReconnectPolicy
		until  []string // see dialHeld
		dial   func(ctx context.Context) (transport.Conn, error)
		prep   func(b *fluxtest.Broker)
	}{
		"backoff": {policy: hour},
		"dial": {policy: quick, dial: func(ctx context.Context) (transport.Conn, error) {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}},
		"stubborn dial": {policy: quick, dial: func(context.Context) (transport.Conn, error) {
			return nil, <-stuck
		}},
		"handshake":       {policy: quick, prep: func(b *fluxtest.Broker) { b.Stall() }},
		"state wait":      {policy: quick, until: []string{"", "state-machine.wait"}},
		"register":        {policy: quick, until: []string{"", "service.add"}},
		"subscribe":       {policy: quick, until: []string{"", "event.subscribe"}},
		"name is taken":   {policy: quick},
		"after the first": {policy: quick, until: []string{"", ""}},
	}
	ends := map[string]func(t *testing.T, c *flux.Client){
		"Close": func(t *testing.T, c *flux.Client) { c.Close() },
		"Shutdown": func(t *testing.T, c *flux.Client) {
			if err := c.Shutdown(context.Background()); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
		},
		"Close twice": func(t *testing.T, c *flux.Client) {
			go c.Close()
			c.Close()
		},
	}
	for name, tt := range phases {
		for end, f := range ends {
			t.Run(name+" "+end, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := fluxtest.New(t, fluxtest.InProcess())
					if name == "stubborn dial" {
						stuck = make(chan error)
						defer func() { stuck <- errors.New("at last") }()
					}
					var wires []*wire
					held := dialHeld(b, &wires, tt.until...)
					dials := 0
					c := dialWith(t, func(ctx context.Context) (transport.Conn, error) {
						if dials++; dials > 1 && tt.dial != nil {
							return tt.dial(ctx)
						}
						return held(ctx)
					}, flux.WithReconnect(tt.policy))
					events, _ := mustSubscribe(t, c, "a")
					served, _ := mustServe(t, c, "calc", echo)
					if name == "name is taken" {
						mustServe(t, b.Client(), "other", echo)
						b.Restart()
						mustServe(t, b.Client(), "calc", echo)
					} else {
						b.Disconnect()
					}
					if tt.prep != nil {
						tt.prep(b)
					}
					synctest.Wait()
					calls := make(map[string]<-chan error)
					for op, f := range operations() {
						calls[op] = begin(func() error { return f(t.Context(), c) })
					}
					late := begin(func() error { return c.Serve(t.Context(), "late", echo) })
					again := begin(func() error { return c.Reconnect(t.Context()) })
					if name != "backoff" {
						<-time.After(2 * time.Nanosecond)
					}
					synctest.Wait()
					began := time.Now()
					f(t, c)
					synctest.Wait()
					if d := time.Since(began); d > 2*time.Second {
						t.Errorf("it took %v", d)
					}
					for op, ch := range calls {
						if err := <-ch; err != nil && name != "after the first" {
							mustMatch(t, op, err, flux.ErrClosed)
						}
					}
					if err := <-late; err != nil {
						mustMatch(t, "the late Serve", err, flux.ErrClosed)
					}
					<-again
					if err := <-served; err != nil {
						mustMatch(t, "Serve", err, flux.ErrClosed)
					}
					var last error
					for e := range events {
						last = e.Err()
					}
					mustMatch(t, "the subscription", last, flux.ErrClosed)
					mustMatch(t, "Err", c.Err(), flux.ErrClosed)
					mustBeIdle(t, c)
				})
			})
		}
	}
}
