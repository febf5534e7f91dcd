package fluxtest_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/transport"
)

// Connections that come and go leave nothing behind.
func TestManyConnections(t *testing.T) {
	n := 10000
	if testing.Short() {
		n = 1000
	}
	for name, opts := range map[string][]fluxtest.Option{"sockets": nil, "in process": {fluxtest.InProcess()}} {
		t.Run(name, func(t *testing.T) {
			b := fluxtest.New(t, append(opts, fluxtest.Size(3))...)
			b.Handle("script.watch", func(r *fluxtest.Request) {
				r.Respond(nil)
				<-r.Context().Done()
			})
			ctx := t.Context()
			one := func(i int) error {
				c, err := transport.Dial(ctx, b.URIOf(uint32(i%3)), transport.Config{})
				if err != nil {
					return err
				}
				defer c.Close()
				for _, m := range []*codec.Message{
					request("event.subscribe", 1, obj{"topic": "x" + string(rune('a'+i%26))}),
					request("service.add", 2, obj{"service": "s" + errnum(&codec.Message{Errnum: uint32(i)})}),
					flagged(at(request("groups.get", 3, obj{"name": "g"}), 0), codec.FlagStreaming),
					flagged(request("script.watch", 4, nil), codec.FlagStreaming),
					flagged(at(request("script.watch", 5, nil), uint32(i+1)%3), codec.FlagStreaming),
					flagged(request("log.dmesg", 6, obj{"follow": true, "nobacklog": true}), codec.FlagStreaming),
				} {
					c.Send(ctx, m)
				}
				if i%2 == 0 {
					return nil // before the answers
				}
				for range 5 {
					if err := c.Recv(new(codec.Message)); err != nil {
						return err
					}
				}
				return nil
			}
			for i := range 20 {
				if err := one(i); err != nil {
					t.Fatal(err)
				}
			}
			settle(t, b)
			before := runtime.NumGoroutine()
			var wg sync.WaitGroup
			for worker := range 8 {
				wg.Go(func() {
					for i := worker; i < n; i += 8 {
						if err := one(i); err != nil {
							t.Errorf("connection %d: %v", i, err)
							return
						}
					}
				})
			}
			wg.Wait()
			settle(t, b)
			if after := goroutines(before); after > before {
				t.Errorf("%d goroutines, were %d", after, before)
			}
			if !eventually(func() bool { return b.Residue() == "" }) {
				t.Errorf("left behind: %s", b.Residue())
			}
		})
	}
}

// settle waits until all connections have gone.
func settle(t *testing.T, b *fluxtest.Broker) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for _, c := range b.Conns() {
		select {
		case <-c.Done():
		case <-limit:
			t.Fatalf("%d connections are still there", len(b.Conns()))
		}
	}
}

// goroutines counts them, when those that are about to end have.
func goroutines(atMost int) int {
	eventually(func() bool { return runtime.NumGoroutine() <= atMost })
	return runtime.NumGoroutine()
}

// eventually gives others a chance until what is to come true is, for a while.
func eventually(ok func() bool) bool {
	for limit := time.Now().Add(10 * time.Second); !ok(); runtime.Gosched() {
		if time.Now().After(limit) {
			return false
		}
	}
	return true
}

// echo answers every request on conn.
func echo(conn transport.Conn) {
	var m codec.Message
	for conn.Recv(&m) == nil {
		resp := codec.NewResponse(&m)
		resp.SetPayload(m.Payload)
		conn.Send(context.Background(), resp)
	}
}

// Everything at once: what comes is what each connection asked for, in order.
func TestEverythingAtOnce(t *testing.T) {
	b := fluxtest.New(t, fluxtest.Size(4))
	ctx := t.Context()
	svc := dialTest(t, b.URIOf(1))
	svc.Send(ctx, request("service.add", 1, obj{"service": "calc"}))
	svc.Recv(new(codec.Message))
	var wg sync.WaitGroup
	wg.Go(func() { echo(svc) })
	var clients sync.WaitGroup
	for i := range 6 {
		clients.Go(func() {
			c := dialTest(t, b.URIOf(uint32(i%4)))
			defer c.Close()
			c.Send(ctx, request("event.subscribe", 1, obj{"topic": "e"}))
			go func() {
				for n := range uint32(500) {
					c.Send(ctx, at(request("calc.x", n+2, obj{"n": n}), 1))
					if n%10 == 0 {
						c.Send(ctx, at(request("event.publish", 1e6, obj{"topic": "e", "flags": 0}), 0))
					}
				}
			}()
			next, seq, own := uint32(1), uint32(0), 0
			for own < 50 || next <= 501 {
				var m codec.Message
				if err := c.Recv(&m); err != nil {
					t.Errorf("client %d: %v", i, err)
					return
				}
				switch {
				case m.Type == codec.TypeEvent:
					if m.Sequence <= seq {
						t.Errorf("client %d: event %d after %d", i, m.Sequence, seq)
					}
					seq = m.Sequence
				case m.Matchtag == 1e6:
					own++
				case m.Matchtag != next || m.Errnum != 0:
					t.Errorf("client %d: %s tag %d, want %d", i, show(&m), m.Matchtag, next)
					return
				default:
					next++
				}
			}
		})
	}
	clients.Wait()
	svc.Close()
	wg.Wait()
}

// Faults of all kinds, on and off, while clients come and go and the broker
// restarts: nothing hangs, nothing is left.
func TestChaos(t *testing.T) {
	before := runtime.NumGoroutine()
	b, err := fluxtest.Start(fluxtest.Size(3))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				c, err := b.Dial(ctx, fluxtest.AtRank(uint32(i%3)))
				if err != nil {
					runtime.Gosched()
					continue
				}
				stop := context.AfterFunc(ctx, func() { c.Close() })
				for n := range uint32(100) {
					c.Send(ctx, at(request("broker.ping", n+1, obj{}), n%3))
					c.Send(ctx, request("event.subscribe", 1, obj{"topic": ""}))
					c.Send(ctx, at(request("event.publish", 1, obj{"topic": "e", "flags": 0}), 0))
				}
				for range 20 {
					if c.Recv(new(codec.Message)) != nil {
						break
					}
				}
				stop()
				c.Close()
			}
		})
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for ctx.Err() == nil {
		switch rng.IntN(10) {
		case 0:
			b.SetFaults(fluxtest.Faults{Seed: 1, Drop: 0.1, Duplicate: 0.1, Reorder: 0.1, DropSent: 0.1,
				DuplicateSent: 0.1})
		case 1:
			b.SetFaults(fluxtest.Faults{Seed: 1, MaxWrite: 5, CorruptByte: 500})
		case 2:
			b.SetFaults(fluxtest.Faults{ResetAfter: 300})
		case 3:
			b.SetFaults(fluxtest.Faults{Latency: time.Millisecond})
		case 4:
			b.SetFaults(fluxtest.Faults{})
		case 5:
			b.Stall()
		case 6:
			b.Resume()
		case 7:
			b.Disconnect()
		case 8:
			if err := b.LoseRank(uint32(1 + rng.IntN(2))); err != nil {
				t.Error(err)
			}
		case 9:
			if err := b.Restart(); err != nil {
				t.Error(err)
			}
		}
		for range 100 {
			runtime.Gosched()
		}
	}
	b.Resume()
	wg.Wait()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if after := goroutines(before); after > before {
		buf := make([]byte, 1<<20)
		t.Errorf("%d goroutines, were %d\n%s", after, before, buf[:runtime.Stack(buf, true)])
	}
}

// Whatever bytes one connection sends, the others are served.
func FuzzConnection(f *testing.F) {
	for _, m := range []*codec.Message{
		request("attr.get", 1, obj{"name": "rank"}),
		request("service.add", 1, obj{"service": "x"}),
		flagged(request("log.dmesg", 1, obj{"follow": true}), codec.FlagStreaming),
		at(publish("e", 32, "AAAA"), 0),
		flagged(at(request("broker.ping", 1, obj{"a": []int{1}}), 2), codec.FlagUpstream),
		codec.NewEvent("e"),
	} {
		p, err := codec.Append(nil, m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p)
		f.Add(append(p, p[:len(p)/2]...))
	}
	b, err := fluxtest.Start(fluxtest.InProcess(), fluxtest.Size(3))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { b.Close() })
	good, err := b.Dial(context.Background())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { good.Close() })
	f.Fuzz(func(t *testing.T, p []byte) {
		s, err := b.DialBytes(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		go io.Copy(io.Discard, s)
		s.Write(p)
		s.Close()
		if err := good.Send(t.Context(), request("attr.get", 1, obj{"name": "rank"})); err != nil {
			t.Fatal(err)
		}
		var m codec.Message
		if err := good.Recv(&m); err != nil {
			t.Fatal(err)
		}
		want(t, &m, 0, `{"value":"0","flags":1}`)
	})
}

func TestSocketErrors(t *testing.T) {
	b := fluxtest.New(t)
	uri := b.URI()
	t.Setenv(transport.RetryCountEnv, "0")
	b.Down()
	if _, err := transport.Dial(t.Context(), uri, transport.Config{}); err == nil {
		t.Errorf("dialed a broker that is down")
	}
	if err := b.Up(); err != nil {
		t.Fatal(err)
	}
	dialTest(t, uri).Close()
	b.SetFaults(fluxtest.Faults{Refuse: 1})
	var refused *transport.HandshakeError
	if _, err := transport.Dial(t.Context(), uri, transport.Config{}); !errors.As(err, &refused) {
		t.Errorf("error %v", err)
	}
	b.SetFaults(fluxtest.Faults{HangUp: true})
	if _, err := transport.Dial(t.Context(), uri, transport.Config{}); err == nil || errors.As(err, &refused) {
		t.Errorf("error %v", err)
	}
	b.SetFaults(fluxtest.Faults{})
	b.Close()
	if _, err := transport.Dial(t.Context(), uri, transport.Config{}); err == nil {
		t.Errorf("dialed a broker that is closed")
	}
}

func TestURIs(t *testing.T) {
	b := fluxtest.New(t, fluxtest.InProcess(), fluxtest.Size(2), fluxtest.Owner(5))
	for uri, ok := range map[string]bool{
		b.URI(): true, b.URIOf(1): true, b.URIOf(2): false, b.URI() + "?uid=5": true, b.URI() + "?uid=6": false,
		"fluxtest://": false, "fluxtest://999999/0": false, "fluxtest://x/0": false, b.URI() + "?uid=x": false,
		b.URI() + "?%": false,
	} {
		c, err := transport.Dial(t.Context(), uri, transport.Config{})
		if (err == nil) != ok {
			t.Errorf("%s: %v", uri, err)
		}
		if err == nil {
			c.Close()
		}
	}
}
