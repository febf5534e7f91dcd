package flux

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/transport"
)

// Close cuts a stream short: whatever is queued, the next item or one soon after
// is the end.
func TestStreamClose(t *testing.T) {
	for _, backlog := range []int{0, 1, 32, 32 + 1, 500} {
		t.Run(fmt.Sprint(backlog), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c, p := newPeer(t)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				stream, req := openStream(t, c, p, ctx, "svc.watch")
				for i := range backlog {
					p.item(req, i)
				}
				synctest.Wait()
				c.Close()
				wantItemsThenEnd(t, stream, backlog, ErrClosed)
				wantStats(t, c, 0, 0)
				if _, err := c.Stream(t.Context(), "svc.watch", nil); !SafeToRetry(err) {
					t.Errorf("after Close the error is %v, want one that is safe to retry", err)
				} else {
					wantErr(t, err, ErrClosed)
				}
			})
		})
	}
}

// wantItemsThenEnd receives up to n items, in order and without a hole, and then
// the end.
func wantItemsThenEnd(t *testing.T, stream <-chan Response, n int, end error) {
	t.Helper()
	next := 0
	for r := range stream {
		var got point
		err := r.Decode(&got)
		switch {
		case next < 0:
			t.Fatalf("received %+v, %v after the end", got, err)
		case err != nil:
			wantErr(t, err, end)
			next = -1
		case got.X != next || got.X >= n:
			t.Fatalf("received item %d, want %d", got.X, next)
		default:
			next++
		}
	}
	if next >= 0 {
		t.Errorf("the stream ended clean after %d items", next)
	}
}

// A lost connection ends a stream after all that was accepted.
func TestStreamConnLost(t *testing.T) {
	for _, backlog := range []int{0, 1, 32, 32 + 1, 500} {
		t.Run(fmt.Sprint(backlog), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c, p := newPeer(t)
				stream, req := openStream(t, c, p, t.Context(), "svc.watch")
				for i := 1; i <= backlog; i++ {
					p.item(req, i)
				}
				p.close()
				synctest.Wait()
				wantStats(t, c, 0, 0)
				wantPoints(t, stream, 1, backlog)
				wantEnd(t, stream, ErrConnLost)
				_, err := c.Stream(t.Context(), "svc.watch", nil)
				wantErr(t, err, ErrConnLost)
			})
		})
	}
}

// Whatever has ended a stream, and however much of it nobody reads, Close leaves
// no goroutine: a bubble would notice.
func TestCloseWithStalledConsumer(t *testing.T) {
	for name, end := range map[string]func(c *Client, p *peer, req *codec.Message){
		"nothing": func(c *Client, p *peer, req *codec.Message) {},
		"ENODATA": func(c *Client, p *peer, req *codec.Message) { p.refuse(req, ENODATA, "") },
		"error":   func(c *Client, p *peer, req *codec.Message) { p.refuse(req, EIO, "") },
		"queue limit": func(c *Client, p *peer, req *codec.Message) {
			for range 200 {
				p.item(req, 1)
			}
		},
		"loss of the connection": func(c *Client, p *peer, req *codec.Message) { p.close() },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c, p := newPeer(t)
				stream, req := openStream(t, c, p, context.Background(), "svc.watch", QueueLimit(200, plenty))
				for i := range 200 {
					p.item(req, i)
				}
				end(c, p, req)
				synctest.Wait()
				c.Close()
				synctest.Wait()
				select {
				case r, ok := <-stream:
					if !ok || r.Err() == nil {
						t.Errorf("received %v, %t, want the end: the rest must be dropped", r, ok)
					}
				default:
					t.Error("the channel is empty and open")
				}
			})
		})
	}
}

// The end of ctx frees what a consumer that has gone leaves behind, too.
func TestContextWithStalledConsumer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := newPeer(t)
		ctx, cancel := context.WithCancel(t.Context())
		_, req1 := openStream(t, c, p, ctx, "svc.watch")
		_, req2 := openStream(t, c, p, ctx, "svc.watch")
		for range 200 {
			p.item(req1, 1)
			p.item(req2, 1)
		}
		p.refuse(req1, ENODATA, "")
		p.close()
		synctest.Wait()
		cancel()
	})
}

// A transport that can do no more than it must carries cancels as well.
func TestStreamOverPlainTransport(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		near, far := transport.Pipe(transport.Config{})
		c, p := startPeer(t, plainConn{near}, far)
		ctx, cancel := context.WithCancel(t.Context())
		stream, req := openStream(t, c, p, ctx, "svc.watch")
		p.item(req, 1)
		wantPoints(t, stream, 1, 1)
		cancel()
		wantEnd(t, stream, context.Canceled)
		wantMessage(t, p.recv(), wireCancel("svc.cancel", req))
		p.refuse(req, ENODATA, "")
		synctest.Wait()
		wantStats(t, c, 0, 0)
	})
}

// An end that comes while the client is being closed is too late to wait for
// its consumer.
func TestBacklogAfterClose(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := newPeer(t)
		stream, req := openStream(t, c, p, context.Background(), "svc.watch")
		for range 200 {
			p.item(req, 1)
		}
		synctest.Wait()
		c.backlogs.close() // what Close does last
		p.refuse(req, ENODATA, "")
		synctest.Wait()
		wantEnd(t, stream, ErrClosed)
	})
}

// What is received to its end is not kept.
func TestBacklogIsForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := newPeer(t)
		for range 3 {
			stream, req := openStream(t, c, p, t.Context(), "svc.watch")
			for i := 1; i <= 200; i++ {
				p.item(req, i)
			}
			p.refuse(req, ENODATA, "")
			synctest.Wait()
			if n := len(c.backlogs.m); n != 1 {
				t.Errorf("%d backlogs with one stream to receive, want 1", n)
			}
			wantPoints(t, stream, 1, 200)
			wantClean(t, stream)
			synctest.Wait()
			if n := len(c.backlogs.m); n != 0 {
				t.Errorf("%d backlogs with all received, want none", n)
			}
		}
	})
}

// A clone's Close drops its own backlogs only.
func TestCloneCloseWithBacklog(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := newPeer(t)
		clone := c.Clone()
		var streams []<-chan Response
		for _, cl := range []*Client{c, clone} {
			stream, req := openStream(t, cl, p, context.Background(), "svc.watch")
			for i := 1; i <= 200; i++ {
				p.item(req, i)
			}
			p.refuse(req, ENODATA, "")
			streams = append(streams, stream)
		}
		synctest.Wait()
		clone.Close()
		synctest.Wait()
		wantEnd(t, streams[1], ErrClosed)
		wantPoints(t, streams[0], 1, 200)
		wantClean(t, streams[0])
	})
}
