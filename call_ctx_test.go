package flux

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/codec"
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
			p.wantNothing(c)
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
					p.want("stuff")
				}
				p.wantNothing(c)
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
			p.want("stuff")
		}
		p.respond(p.want("a.b"), nil)
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
				late := p.want("a.b")
				p.wantNothing(c) // no cancel unless asked for

				// The tag is not given out while its reply may still come.
				for range 100 {
					reply := c.Go(t.Context(), "a.c", nil)
					m := p.want("a.c")
					if m.Matchtag == late.Matchtag {
						t.Fatalf("matchtag %d is used while its reply is due", m.Matchtag)
					}
					p.respond(m, nil)
					if err := (<-reply).Err(); err != nil {
						t.Fatal(err)
					}
				}
				p.respond(late, "late")
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
		m := p.recv()
		cancel()
		wantErr(t, (<-reply).Err(), context.Canceled)
		p.refuse(m, EHOSTUNREACH, "")
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
					m := p.recv()
					if m.Topic == "attr.get" {
						p.respond(m, map[string]any{"value": "3", "flags": 1})
						m = p.recv()
					}
					cancel()
					wantErr(t, <-done, context.Canceled)
					want := wireRequest("a.stop", fmt.Sprintf(`{"matchtag":%d}`+"\x00", m.Matchtag))
					want.Flags |= codec.FlagNoResponse | m.Flags&codec.FlagUpstream
					want.NodeID, want.UserID, want.Rolemask = m.NodeID, 7, uint32(RoleUser)
					wantMessage(t, p.recv(), want)
					p.wantNothing(c)
					wantStats(t, c, 0, 1)
					p.refuse(m, ECANCELED, "")
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
			p.respond(p.recv(), nil)
			if err := <-done; err != nil {
				t.Error(err)
			}
			cancel()
			synctest.Wait()
			p.wantNothing(c)
		})
	}
}
