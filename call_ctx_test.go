package flux

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/framing"
	"github.com/flux-sdk/flux/internal/peertest"
	"github.com/flux-sdk/flux/transport"
)

// callers are the ways to make a call, less what differs about them.
var callers = map[string]func(ctx context.Context, c *Client, opts ...CallOption) error{
	"Call": func(ctx context.Context, c *Client, opts ...CallOption) error {
		r, err := c.Call(ctx, "a.b", nil, opts...)
		if !errors.Is(r.Err(), err) {
			return fmt.Errorf("Call returns %w, its response %w", err, r.Err())
		}
		return err
	},
	"Go": func(ctx context.Context, c *Client, opts ...CallOption) error {
		ch := c.Go(ctx, "a.b", nil, opts...)
		r, ok := <-ch
		if !ok {
			return errors.New("Go: closed without a response")
		}
		if _, again := <-ch; again {
			return errors.New("Go: a second response")
		}
		return r.Err()
	},
	"Do": func(ctx context.Context, c *Client, _ ...CallOption) error {
		_, err := c.Do(ctx, codec.NewRequest("a.b"))
		return err
	},
}

// senders are the callers and what waits for no response.
func senders() map[string]func(ctx context.Context, c *Client, opts ...CallOption) error {
	all := map[string]func(ctx context.Context, c *Client, opts ...CallOption) error{
		"Notify": func(ctx context.Context, c *Client, opts ...CallOption) error {
			return c.Notify(ctx, "a.b", nil, opts...)
		},
		"Send": func(ctx context.Context, c *Client, _ ...CallOption) error {
			return c.Send(ctx, codec.NewEvent("a.b"))
		},
	}
	maps.Copy(all, callers)
	return all
}

var errWhy = errors.New("the user's reason")

func TestCtxEndedBeforeSend(t *testing.T) {
	for name, send := range senders() {
		t.Run(name, func(t *testing.T) {
			c, p := newPeer(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(errWhy)
			err := send(ctx, c, CancelTopic("a.stop"))
			wantErr(t, err, context.Canceled, errWhy)
			if !SafeToRetry(err) {
				t.Errorf("%v is not safe to retry, though nothing was sent", err)
			}
			p.WantNothing(c)
			wantStats(t, c, 0, 0)
		})
	}
}

// stuff fills the connection until a sender must wait. It returns how many
// messages the peer is to expect.
func stuff(t *testing.T, c *Client) (n int) {
	t.Helper()
	big := make([]byte, 1<<20)
	for ; n < 100; n++ {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		err := c.Notify(ctx, "stuff", big)
		cancel()
		if err != nil {
			wantErr(t, err, context.DeadlineExceeded)
			return n
		}
	}
	t.Fatal("100 MiB are accepted and nobody reads")
	return 0
}

func TestCtxEndsWhileQueued(t *testing.T) {
	for name, send := range senders() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := newPeer(t)
				n := stuff(t, c)
				if n < 4 || n > 6 {
					t.Errorf("%d MiB are accepted while nobody reads, want about 4", n)
				}
				ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errWhy)
				defer cancel()
				begin := time.Now()
				err := send(ctx, c, CancelTopic("a.stop"))
				wantErr(t, err, context.DeadlineExceeded, errWhy)
				if d := time.Since(begin); d != time.Minute {
					t.Errorf("it took %v, want exactly the minute of the ctx", d)
				}
				if !SafeToRetry(err) {
					t.Errorf("%v is not safe to retry, though nothing was accepted", err)
				}
				wantStats(t, c, 0, 0)
				for range n {
					p.Want("stuff")
				}
				p.WantNothing(c)
			})
		})
	}
}

// What waits for room goes out when there is room, and nobody is told early.
func TestCallWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := newPeer(t)
		n := stuff(t, c)
		reply := make(chan error, 1)
		go func() { reply <- callers["Call"](t.Context(), c) }()
		synctest.Wait()
		for range n {
			p.Want("stuff")
		}
		p.Respond(p.Want("a.b"), nil)
		if err := <-reply; err != nil {
			t.Error(err)
		}
	})
}

func TestCtxEndsAfterSend(t *testing.T) {
	for name, call := range callers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := newPeer(t)
				ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errWhy)
				defer cancel()
				begin := time.Now()
				err := call(ctx, c)
				wantErr(t, err, context.DeadlineExceeded, errWhy)
				if d := time.Since(begin); d != time.Second {
					t.Errorf("it took %v, want exactly the second of the ctx", d)
				}
				if SafeToRetry(err) {
					t.Errorf("%v is safe to retry, though the request was sent", err)
				}
				wantStats(t, c, 0, 1)
				late := p.Want("a.b")
				p.WantNothing(c) // no cancel unless asked for

				// The tag is not given out while its reply may still come.
				for range 100 {
					reply := c.Go(t.Context(), "a.c", nil)
					m := p.Want("a.c")
					if m.Matchtag == late.Matchtag {
						t.Fatalf("matchtag %d is used while its reply is due", m.Matchtag)
					}
					p.Respond(m, nil)
					if err := (<-reply).Err(); err != nil {
						t.Fatal(err)
					}
				}
				p.Respond(late, "late")
				synctest.Wait()
				wantStats(t, c, 0, 0)
				s := c.Stats()
				if s.Late != 1 || s.Stray != 0 || s.Abandoned != 1 || s.Responses != 100 {
					t.Errorf("%+v, want 1 late, 1 abandoned, 100 delivered", s)
				}
			})
		})
	}
}

// An error ends a retired tag as a response does.
func TestLateError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := newPeer(t)
		ctx, cancel := context.WithCancel(t.Context())
		reply := c.Go(ctx, "a.b", nil)
		m := p.Recv()
		cancel()
		wantErr(t, (<-reply).Err(), context.Canceled)
		p.Refuse(m, uint32(EHOSTUNREACH), "")
		synctest.Wait()
		wantStats(t, c, 0, 0)
		if s := c.Stats(); s.Late != 1 {
			t.Errorf("%+v, want 1 late", s)
		}
	})
}

func TestCallCancelTopic(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts []CallOption
	}{
		{"any", nil},
		{"rank", []CallOption{Rank(5)}},
		{"upstream", []CallOption{Upstream()}},
	} {
		for _, name := range []string{"Call", "Go"} {
			t.Run(tt.name+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c, p := newPeer(t, WithUserID(7), WithRoles(RoleUser))
					ctx, cancel := context.WithCancel(t.Context())
					done := make(chan error, 1)
					go func() { done <- callers[name](ctx, c, append(tt.opts, CancelTopic("a.stop"))...) }()
					m := p.Recv()
					if m.Topic == "attr.get" {
						p.Respond(m, map[string]any{"value": "3", "flags": 1})
						m = p.Recv()
					}
					cancel()
					wantErr(t, <-done, context.Canceled)
					want := wireRequest("a.stop", fmt.Sprintf(`{"matchtag":%d}`+"\x00", m.Matchtag))
					want.Flags |= codec.FlagNoResponse | m.Flags&codec.FlagUpstream
					want.NodeID, want.UserID, want.Rolemask = m.NodeID, 7, uint32(RoleUser)
					wantMessage(t, p.Recv(), want)
					p.WantNothing(c)
					wantStats(t, c, 0, 1)
					p.Refuse(m, uint32(ECANCELED), "")
					synctest.Wait()
					wantStats(t, c, 0, 0)
				})
			})
		}
	}
}

// A call that is answered sends no cancel, however soon its ctx ends.
func TestCallCancelTopicAfterTheReply(t *testing.T) {
	for _, name := range []string{"Call", "Go"} {
		synctest.Test(t, func(t *testing.T) {
			c, p := newPeer(t)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- callers[name](ctx, c, CancelTopic("a.stop")) }()
			p.Respond(p.Recv(), nil)
			if err := <-done; err != nil {
				t.Error(err)
			}
			cancel()
			synctest.Wait()
			p.WantNothing(c)
		})
	}
}

// Calls of few ctxs are answered and given up in any order; each has one end,
// and it is the right one.
func TestGoContexts(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) { goContexts(t, rand.New(rand.NewPCG(seed, 4))) })
	}
}

func goContexts(t *testing.T, rng *rand.Rand) {
	var asked []*codec.Message
	c, p := servePeer(t, func(_ *peertest.Peer, m *codec.Message) { asked = append(asked, m) })
	type call struct {
		ch  <-chan Response
		ctx int
	}
	cause := errors.New("cause")
	ctxs := make([]context.Context, 4)
	ends := make([]context.CancelCauseFunc, len(ctxs))
	renew := func(i int) {
		ctx, end := context.WithCancelCause(t.Context())
		t.Cleanup(func() { end(nil) })
		ctxs[i], ends[i] = ctx, end
	}
	for i := range ctxs {
		renew(i)
	}
	var calls []*call
	for range 300 {
		switch n := rng.IntN(10); {
		case n < 6:
			i := rng.IntN(len(ctxs))
			type key struct{}
			ctx := context.WithValue(ctxs[i], key{}, n)
			calls = append(calls, &call{ch: c.Go(ctx, "some.call", nil), ctx: i})
			synctest.Wait()
		case n < 9 && len(calls) > 0:
			i := rng.IntN(len(calls))
			p.Respond(asked[i], nil)
			synctest.Wait()
			if r := <-calls[i].ch; r.Err() != nil {
				t.Fatalf("call %d: %v", i, r.Err())
			}
			if _, more := <-calls[i].ch; more {
				t.Fatalf("call %d has two ends", i)
			}
			calls, asked = append(calls[:i], calls[i+1:]...), append(asked[:i], asked[i+1:]...)
		case n == 9:
			i := rng.IntN(len(ctxs))
			ends[i](cause)
			synctest.Wait()
			for k := len(calls) - 1; k >= 0; k-- {
				if calls[k].ctx != i {
					continue
				}
				if r := <-calls[k].ch; !errors.Is(r.Err(), cause) || !errors.Is(r.Err(), context.Canceled) {
					t.Fatalf("call %d: %v", k, r.Err())
				}
				p.Respond(asked[k], nil) // late
				calls, asked = append(calls[:k], calls[k+1:]...), append(asked[:k], asked[k+1:]...)
			}
			synctest.Wait()
			renew(i)
		}
		if _, members := c.c.watches.Size(); members != len(calls) {
			t.Fatalf("%d calls are members, want %d", members, len(calls))
		}
	}
	if watched, _ := c.c.watches.Size(); watched > len(ctxs)+1 {
		t.Errorf("%d ctxs are watched", watched)
	}
	c.Close()
	for _, call := range calls {
		if r := <-call.ch; !errors.Is(r.Err(), ErrClosed) {
			t.Errorf("after Close: %v", r.Err())
		}
	}
	if watched, members := c.c.watches.Size(); watched+members > 0 {
		t.Errorf("after Close %d ctxs are watched for %d calls", watched, members)
	}
}

// A ctx that ended before, or between two calls, ends what it is given to.
func TestGoEndedCtx(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := servePeer(t, func(*peertest.Peer, *codec.Message) {})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		first := c.Go(ctx, "some.call", nil)
		time.Sleep(2 * time.Second)
		second := c.Go(ctx, "some.call", nil)
		for _, ch := range []<-chan Response{first, second} {
			if r := <-ch; !errors.Is(r.Err(), context.DeadlineExceeded) {
				t.Errorf("call: %v", r.Err())
			}
		}
	})
}

// Programs start calls by the hundred thousand.
func TestGoCallSize(t *testing.T) {
	if n := reflect.TypeFor[goCall]().Size(); math.MaxUint == math.MaxUint64 && n > 96 {
		t.Errorf("a call that is waited for takes %d bytes, want at most 96", n)
	}
}

// startPending makes n calls that nobody answers, half of them with Go.
func startPending(ctx context.Context, c *Client, n int) <-chan error {
	ends := make(chan error, n)
	for i := range n {
		name := "Call"
		if i%2 == 1 {
			name = "Go"
		}
		go func() { ends <- callers[name](ctx, c) }()
	}
	return ends
}

// wantEnded fails the test unless everything about c says that it ended so.
func wantEnded(t *testing.T, c *Client, targets ...error) {
	t.Helper()
	select {
	case <-c.Done():
	case <-time.After(patience):
		t.Fatal("Done is not closed")
	}
	wantErr(t, c.Err(), targets...)
	for name, send := range senders() {
		err := send(t.Context(), c)
		wantErr(t, err, targets...)
		if !SafeToRetry(err) {
			t.Errorf("%s: %v is not safe to retry, though nothing was sent", name, err)
		}
	}
	wantStats(t, c, 0, 0)
}

func TestConnLost(t *testing.T) {
	const n = 100
	broken := errors.New("a wire broke")
	frame, err := codec.Append(nil, codec.NewEvent("a.b"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		lose  func(far io.ReadWriteCloser, t *failingConn)
		cause []error
	}{
		{"closed by the peer", func(far io.ReadWriteCloser, _ *failingConn) { far.Close() }, nil},
		{"closed inside a frame", func(far io.ReadWriteCloser, _ *failingConn) {
			far.Write(frame[:20])
			far.Close()
		}, []error{io.ErrUnexpectedEOF}},
		{"wrong magic", func(far io.ReadWriteCloser, _ *failingConn) { far.Write(make([]byte, 64)) },
			[]error{codec.ErrMalformed}},
		{"bad frame", func(far io.ReadWriteCloser, _ *failingConn) {
			bad := append([]byte{}, frame...)
			bad[len(bad)-codec.HeaderSize+2] = 3 // no type
			far.Write(bad)
		}, []error{codec.ErrMalformed}},
		{"the transport fails", func(_ io.ReadWriteCloser, f *failingConn) { f.fail(broken) }, []error{broken}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := framing.BytePipe()
				fc := newFailingConn(transport.NewConn(near, transport.Config{}))
				c := NewClient(fc)
				t.Cleanup(func() {
					far.Close()
					c.Close()
				})
				ends := startPending(t.Context(), c, n)
				synctest.Wait()
				wantStats(t, c, n, 0)
				if c.Err() != nil {
					t.Errorf("Err of a living client is %v", c.Err())
				}
				tt.lose(far, fc)
				want := append([]error{ErrConnLost}, tt.cause...)
				for range n {
					err := <-ends
					wantErr(t, err, want...)
					if SafeToRetry(err) || errors.Is(err, ErrClosed) || errors.Is(err, context.Canceled) {
						t.Fatalf("%v is safe to retry, or matches a Close or the end of a ctx", err)
					}
				}
				wantEnded(t, c, want...)
				c.Close()
				wantEnded(t, c, want...) // the first reason stays
			})
		})
	}
}

// failingConn is a connection that can be made to fail.
type failingConn struct {
	transport.Conn
	broken chan error
	in     chan received
}

type received struct {
	m   codec.Message
	err error
}

func newFailingConn(c transport.Conn) *failingConn {
	f := &failingConn{Conn: c, broken: make(chan error, 1), in: make(chan received)}
	go func() {
		defer close(f.in)
		for {
			var r received
			r.err = c.Recv(&r.m)
			f.in <- r
			if r.err != nil {
				return
			}
		}
	}()
	return f
}

func (f *failingConn) fail(err error) { f.broken <- err }

func (f *failingConn) Recv(m *codec.Message) error {
	select {
	case r := <-f.in:
		*m = r.m
		return r.err
	case err := <-f.broken:
		go func() {
			for range f.in { // let the reader below end
			}
		}()
		return err
	}
}

// A call that waits for room when the connection is lost.
func TestConnLostWhileQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := newPeer(t)
		stuff(t, c)
		ends := startPending(t.Context(), c, 10)
		synctest.Wait()
		p.Conn.Close()
		for range 10 {
			wantErr(t, <-ends, ErrConnLost)
		}
		wantEnded(t, c, ErrConnLost)
	})
}

func TestCloseEndsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := newPeer(t)
		ends := startPending(t.Context(), c, 20)
		synctest.Wait()
		begin := time.Now()
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if d := time.Since(begin); d > 2*time.Second {
			t.Errorf("Close took %v", d)
		}
		for range 20 {
			err := <-ends
			wantErr(t, err, ErrClosed)
			if SafeToRetry(err) || errors.Is(err, ErrConnLost) {
				t.Errorf("%v is safe to retry or matches ErrConnLost", err)
			}
		}
		wantEnded(t, c, ErrClosed)
		if err := c.Close(); err != nil {
			t.Errorf("the second Close: %v", err)
		}
		for range 20 { // what was accepted is written
			p.Want("a.b")
		}
		if err := p.Conn.Recv(new(codec.Message)); !errors.Is(err, io.EOF) {
			t.Errorf("the peer of a closed client reads %v, want EOF", err)
		}
	})
}

// Close does not wait for ever for a peer that does not read.
func TestCloseWithAStuckPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := newPeer(t)
		stuff(t, c)
		ends := startPending(t.Context(), c, 10) // they wait for room
		synctest.Wait()
		begin := time.Now()
		c.Close()
		if d := time.Since(begin); d > 2*time.Second {
			t.Errorf("Close took %v", d)
		}
		for range 10 {
			wantErr(t, <-ends, ErrClosed)
		}
		wantEnded(t, c, ErrClosed)
	})
}
