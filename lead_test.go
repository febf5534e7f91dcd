package flux

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/transport"
)

// slowEcho is echo that answers x.slow after a second, x.never not at all, and
// what is not for it with success.
func slowEcho(p *peer, m *codec.Message) {
	switch m.Topic {
	case "x.never":
	case "x.slow":
		own := *m
		time.AfterFunc(time.Second, func() { p.respond(&own, own.Payload) })
	default:
		echo(p, m)
	}
}

// Callers read their own responses while one call comes after the other, and
// the reader is back once they are over.
func TestLeadLent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p, s := newShortPeer(t)
		p.serve(echo)
		lent(t, c)
		for i := range int32(100) {
			if n := s.shorts.Load(); n != i {
				t.Fatalf("callers have read %d responses, want %d", n, i)
			}
			r, err := c.Call(t.Context(), "x.echo", fmt.Sprint("call ", i))
			if err != nil {
				t.Fatal(err)
			}
			if text, _ := r.Text(); text != fmt.Sprint("call ", i) {
				t.Fatalf("call %d got %q", i, text)
			}
			time.Sleep(leadWait / 3)
		}
		time.Sleep(2 * leadWait)
		synctest.Wait()
		if got := leaderOf(c); got != leadReader || s.readers.Load() != 1 {
			t.Errorf("on an idle connection the lead is with %d, %d read", got, s.readers.Load())
		}
		if _, err := c.Call(t.Context(), "x.echo", nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := leaderOf(c); got != leadReader {
			t.Errorf("after one call the lead is with %d", got)
		}
		lent(t, c) // and once more
	})
}

// A response that takes long is left to the reader, and ctx's end is not.
func TestLeadSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p, _ := newShortPeer(t)
		p.serve(slowEcho)
		lent(t, c)
		r, err := c.Call(t.Context(), "x.slow", "late")
		if text, _ := r.Text(); err != nil || text != "late" {
			t.Fatalf("the slow call got %q, %v", text, err)
		}
		lent(t, c)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		start := time.Now()
		if _, err := c.Call(ctx, "x.never", nil); !errors.Is(err, context.Canceled) {
			t.Fatalf("the call ended with %v", err)
		}
		if took := time.Since(start); took > shortTime {
			t.Errorf("its end took %v, want %v at most", took, shortTime)
		}
		if _, err := c.Call(t.Context(), "x.echo", nil); err != nil {
			t.Error(err)
		}
	})
}

// All else that is begun while callers may read finds a reader.
func TestLeadForOthers(t *testing.T) {
	for name, begin := range map[string]func(*testing.T, *Client, *peer) error{
		"Go": func(t *testing.T, c *Client, _ *peer) error {
			return (<-c.Go(t.Context(), "x.echo", nil)).Err()
		},
		"Stream": func(t *testing.T, c *Client, p *peer) error {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			stream, err := c.Stream(ctx, "x.echo", nil)
			if err != nil {
				return err
			}
			return (<-stream).Err()
		},
		"Subscribe": func(t *testing.T, c *Client, p *peer) error {
			sub, err := c.Subscribe(t.Context(), "some")
			if err != nil {
				return err
			}
			p.send(codec.NewEvent("some.event"))
			return (<-sub).Err()
		},
		"Serve": func(t *testing.T, c *Client, p *peer) error {
			go c.Serve(t.Context(), "svc", NewServeMux())
			synctest.Wait()
			p.send(codec.NewRequest("svc.any"))
			synctest.Wait()
			return nil
		},
		"a request": func(_ *testing.T, _ *Client, p *peer) error {
			p.send(codec.NewRequest("x.unknown"))
			return nil
		},
		"Close": func(_ *testing.T, c *Client, _ *peer) error { return c.Close() },
		"the peer's end": func(_ *testing.T, c *Client, p *peer) error {
			p.conn.Close()
			<-c.Done()
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// The last request of the peer's is answered, and nothing waits for
				// longer than the reader may be away.
				refused := make(chan *codec.Message, 1)
				c, p, _ := newShortPeer(t)
				p.serve(func(p *peer, m *codec.Message) {
					if m.Type == codec.TypeResponse {
						refused <- m
					} else {
						slowEcho(p, m)
					}
				})
				for _, busy := range []bool{false, true} {
					if c.Err() != nil {
						break
					}
					lent(t, c)
					called := make(chan error, 1)
					if busy { // a caller reads
						go func() {
							_, err := c.Call(t.Context(), "x.slow", nil)
							called <- err
						}()
						synctest.Wait()
						if got := leaderOf(c); got != leadCaller {
							t.Fatalf("the lead is with %d", got)
						}
					} else {
						called <- nil
					}
					start := time.Now()
					if err := begin(t, c, p); err != nil {
						t.Fatal(err)
					}
					if name == "a request" || name == "Serve" {
						if m := <-refused; m.Errnum != uint32(ENOSYS) {
							t.Errorf("the request got %d", m.Errnum)
						}
					}
					var limit time.Duration // all are answered at once
					switch {
					case !busy && (name == "the peer's end" || name == "a request"):
						limit = 2 * leadWait // the reader is not there for what is not asked for
					case busy:
						limit = shortTime
					}
					if took := time.Since(start); took > limit {
						t.Errorf("busy %v: it took %v, want %v at most", busy, took, limit)
					}
					if err := <-called; err != nil && c.Err() == nil {
						t.Error(err)
					}
					if name == "Subscribe" || name == "Serve" {
						break // callers do not read any more
					}
				}
			})
		})
	}
}

// A connection that is lost while callers may read is noticed and made again.
func TestLeadReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var peers []*peer
		dial := func(context.Context) (transport.Conn, error) {
			near, far := transport.BytePipe()
			p := &peer{t: t, conn: transport.NewConn(far, transport.Config{})}
			p.serve(slowEcho)
			mu.Lock()
			peers = append(peers, p)
			mu.Unlock()
			return newShortConn(transport.NewConn(near, transport.Config{})), nil
		}
		first, _ := dial(t.Context())
		o := newDialOptions([]DialOption{WithReconnect(ReconnectPolicy{})})
		cc := newConn(first, o)
		cc.dial = dial
		c := newClient(cc)
		for i := range 4 {
			lent(t, c)
			called := make(chan error, 1)
			if i%2 == 0 {
				go func() {
					_, err := c.Call(t.Context(), "x.never", nil)
					called <- err
				}()
				synctest.Wait()
			} else {
				called <- ErrConnLost
			}
			mu.Lock()
			p := peers[len(peers)-1]
			mu.Unlock()
			p.close()
			if err := <-called; !errors.Is(err, ErrConnLost) {
				t.Errorf("the call ended with %v", err)
			}
			time.Sleep(2 * leadWait)
		}
		if _, err := c.Call(t.Context(), "x.echo", nil); err != nil {
			t.Error(err)
		}
		c.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, p := range peers {
			p.close()
		}
		if len(peers) != 5 {
			t.Errorf("%d connections were made, want 5", len(peers))
		}
	})
}

// Whatever goes on at once, each gets what is its own, and one at a time reads.
func TestLeadAnything(t *testing.T) {
	c, p, s := newShortPeer(t)
	p.serve(func(p *peer, m *codec.Message) {
		if m.Type != codec.TypeRequest || m.Topic == "x.never" {
			return
		}
		if rand.IntN(50) == 0 {
			p.send(codec.NewEvent("some.event"))
		}
		if rand.IntN(100) == 0 {
			p.send(codec.NewRequest("x.unknown"))
		}
		echo(p, m)
	})
	var wg sync.WaitGroup
	var phase sync.RWMutex // held for writing: one goroutine is alone
	for g := range 4 {
		wg.Go(func() {
			for i := range 40 {
				alone := (i+g)%4 == 0
				if alone {
					phase.Lock()
				} else {
					phase.RLock()
				}
				for j := range 2 * loneCalls {
					want := fmt.Sprint(g, i, j)
					var r Response
					var err error
					switch n := rand.IntN(100); {
					case n < 95 || alone && n < 99:
						r, err = c.Call(t.Context(), "x.echo", want)
					case n < 97:
						r = <-c.Go(t.Context(), "x.echo", want)
					default:
						ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
						_, err = c.Call(ctx, "x.never", nil)
						cancel()
						if !errors.Is(err, context.DeadlineExceeded) {
							t.Errorf("a call without an answer ended with %v", err)
						}
						continue
					}
					if text, e := r.Text(); err != nil || e != nil || text != want {
						t.Errorf("%q came in place of %q, %v, %v", text, want, err, e)
						break
					}
				}
				if alone {
					phase.Unlock()
				} else {
					phase.RUnlock()
				}
			}
		})
	}
	wg.Wait()
	if s.shorts.Load() == 0 {
		t.Error("no caller has read")
	}
}
