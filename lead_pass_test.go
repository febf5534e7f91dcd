package flux

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/transport"
)

// A caller that has its response leaves the rest to the reader, at once.
func TestLeadPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var held []*codec.Message
		refused := make(chan *codec.Message, 1)
		c, p, s := newShortPeer(t)
		p.serve(func(p *peer, m *codec.Message) {
			switch {
			case m.Type == codec.TypeResponse:
				refused <- m
			case m.Topic == "x.held":
				held = append(held, m)
			default:
				echo(p, m)
			}
		})
		call := func() chan error {
			done := make(chan error, 1)
			go func() {
				_, err := c.Call(t.Context(), "x.held", nil)
				done <- err
			}()
			synctest.Wait()
			return done
		}
		start := time.Now()

		lent(t, c)
		first, second := call(), call()
		if got := leaderOf(c); got != leadCaller {
			t.Fatalf("the lead is with %d", got)
		}
		for i, done := range []chan error{first, second} {
			p.respond(held[i], nil)
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if n := s.shorts.Load(); n == 0 || leaderOf(c) != leadReader {
			t.Errorf("%d responses were read by callers, the lead is with %d", n, leaderOf(c))
		}

		held = nil
		lent(t, c)
		done := call()
		s.gate.Lock() // both have come by the time that the first is looked at
		s.in <- incoming{m: *brokerResponse(held[0])}
		s.in <- incoming{m: *codec.NewRequest("x.unknown")}
		s.gate.Unlock()
		if err := <-done; err != nil {
			t.Error(err)
		}
		<-refused
		if took := time.Since(start); took > 0 {
			t.Errorf("it took %v", took)
		}
	})
}

// A call of which nothing is sent keeps nobody from reading.
func TestLeadUnsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := transport.BytePipe()
		c, p := startPeer(t, newShortConn(transport.NewConn(near, transport.Config{MaxSize: 1000})),
			transport.NewConn(far, transport.Config{}))
		p.serve(echo)
		for range 3 {
			lent(t, c)
			if _, err := c.Call(t.Context(), "x.echo", make([]byte, 2000)); !errors.Is(err, codec.ErrTooLarge) {
				t.Fatalf("a call that is too large ended with %v", err)
			}
			if got := leaderOf(c); got == leadCaller {
				t.Fatal("it has the lead still")
			}
		}
	})
}

// Where more than one call is under way, or more than calls, or a hook could
// wait, callers do not read.
func TestLeadKept(t *testing.T) {
	for name, tt := range map[string]struct {
		opts  []DialOption
		first func(*testing.T, *Client)
	}{
		"calls at once": {},
		"a subscription": {first: func(t *testing.T, c *Client) {
			if _, err := c.Subscribe(t.Context(), "some"); err != nil {
				t.Fatal(err)
			}
		}},
		"a service": {first: func(t *testing.T, c *Client) {
			go c.Serve(t.Context(), "svc", NewServeMux())
			synctest.Wait()
		}},
		"a handler": {opts: []DialOption{WithHandler(NewServeMux())}},
		"a stream": {first: func(t *testing.T, c *Client) {
			if _, err := c.Stream(t.Context(), "x.never", nil); err != nil {
				t.Fatal(err)
			}
		}},
		"hooks": {opts: []DialOption{WithHooks(Hooks{Sent: func(*codec.Message) {}})}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p, s := newShortPeer(t, tt.opts...)
				p.serve(slowEcho)
				if tt.first != nil {
					tt.first(t, c)
				}
				for range 3 * loneCalls {
					var other <-chan Response
					if name == "calls at once" {
						other = c.Go(t.Context(), "x.slow", nil)
					}
					if _, err := c.Call(t.Context(), "x.echo", nil); err != nil {
						t.Fatal(err)
					}
					if other != nil {
						<-other
					}
				}
				synctest.Wait()
				if n := s.shorts.Load(); n > 0 || leaderOf(c) != leadReader {
					t.Errorf("callers have read %d responses, the lead is with %d", n, leaderOf(c))
				}
			})
		})
	}
}
