package flux

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
)

// openStream opens a stream and returns the request that the peer received.
func openStream(t testing.TB, c *Client, p *peer, ctx context.Context, topic string, opts ...StreamOption) (<-chan Response, *codec.Message) {
	t.Helper()
	stream, err := c.Stream(ctx, topic, nil, opts...)
	if err != nil {
		t.Fatal(err)
	}
	m := p.want(topic)
	if m.Flags&codec.FlagStreaming == 0 || m.Flags&codec.FlagNoResponse != 0 {
		t.Errorf("a streaming request has the flags %s", m.Flags)
	}
	return stream, m
}

// wireCancel is the request that cancels req.
func wireCancel(topic string, req *codec.Message) codec.Message {
	m := wireRequest(topic, fmt.Sprintf("{\"matchtag\":%d}\x00", req.Matchtag))
	m.Flags |= codec.FlagNoResponse | req.Flags&codec.FlagUpstream
	m.NodeID = req.NodeID
	return m
}

// item sends one item of a stream.
func (p *peer) item(req *codec.Message, i int) { p.respond(req, point{X: i}) }

// wantEnd receives the last item, an error, and then the end of the channel.
func wantEnd(t testing.TB, stream <-chan Response, targets ...error) {
	t.Helper()
	r, ok := <-stream
	if !ok {
		t.Fatalf("the stream ended clean, want an error that matches %v", targets)
	}
	wantErr(t, r.Err(), targets...)
	wantClean(t, stream)
}

// wantClean receives the end of the channel.
func wantClean(t testing.TB, stream <-chan Response) {
	t.Helper()
	if r, ok := <-stream; ok {
		t.Fatalf("received %v, %v, want the end", r.Message(), r.Err())
	}
}

// wantPoints receives the items from first to last.
func wantPoints(t testing.TB, stream <-chan Response, first, last int) {
	t.Helper()
	for i := first; i <= last; i++ {
		r, ok := <-stream
		if !ok {
			t.Fatalf("the stream ended before item %d", i)
		}
		var got point
		if err := r.Decode(&got); err != nil || got.X != i {
			t.Fatalf("received %+v, %v, want item %d", got, err, i)
		}
	}
}

func TestCancelTopics(t *testing.T) {
	const none = ""
	for _, tt := range []struct {
		topic, want string
		opts        []StreamOption
	}{
		{"log.dmesg", "log.cancel", nil},
		{"kvs-watch.lookup", "kvs-watch.cancel", nil},
		{"job-info.eventlog-watch", "job-info.eventlog-watch-cancel", nil},
		{"job-info.update-watch", "job-info.update-watch-cancel", nil},
		{"job-manager.events-journal", "job-manager.events-journal-cancel", nil},
		{"resource.acquire", "resource.acquire-cancel", nil},
		{"resource.journal", "resource.journal-cancel", nil},
		{"sdbus.subscribe", "sdbus.subscribe-cancel", nil},
		{"groups.get", none, nil},
		{"state-machine.monitor", none, nil},
		{"overlay.monitor", none, nil},
		{"overlay.trace", none, nil},
		{"module.trace", none, nil},
		{"job-list.job-stats", none, nil},
		{"rexec.exec", none, nil},
		{"sched.hello", none, nil},
		{"sched-simple.free", none, nil},
		{"sched-fluxion-qmanager.alloc", none, nil},
		{"scheduled.watch", none, nil},
		{"svc.watch", "svc.cancel", nil},
		{"svc.a.b", "svc.cancel", nil},
		{"bare", "bare.cancel", nil},
		{"1234-svc.watch", "1234-svc.cancel", nil},
		{"svc.watch", "svc.watch-stop", []StreamOption{CancelTopic("svc.watch-stop")}},
		{"groups.get", "groups.stop", []StreamOption{CancelTopic("groups.stop")}},
		{"sched.watch", "sched.watch-stop", []StreamOption{CancelTopic("sched.watch-stop")}},
		{"svc.watch", none, []StreamOption{NoCancel()}},
		{"log.dmesg", none, []StreamOption{NoCancel(), CancelTopic("log.stop")}},
		{"log.dmesg", "log.cancel", []StreamOption{CancelTopic("")}},
	} {
		t.Run(fmt.Sprintf("%s to %q", tt.topic, tt.want), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c, p := newPeer(t)
				ctx, cancel := context.WithCancel(t.Context())
				stream, req := openStream(t, c, p, ctx, tt.topic, tt.opts...)
				p.item(req, 1)
				wantPoints(t, stream, 1, 1)
				cancel()
				wantEnd(t, stream, context.Canceled)
				if tt.want != none {
					wantMessage(t, p.recv(), wireCancel(tt.want, req))
				}
				p.wantNothing(c)
				wantStats(t, c, 0, 1)
				p.item(req, 2)
				p.refuse(req, ENODATA, "")
				synctest.Wait()
				wantStats(t, c, 0, 0)
				if s := c.Stats(); s.Late != 2 || s.Abandoned != 1 {
					t.Errorf("%+v, want 2 late responses to 1 abandoned request", s)
				}
				p.wantNothing(c)
			})
		})
	}
}

// The cancel goes where the request went, with the same credentials.
func TestCancelGoesAlong(t *testing.T) {
	prepared := codec.NewRequest("svc.watch")
	prepared.Flags |= codec.FlagStreaming | codec.FlagUpstream | codec.FlagUser1
	prepared.NodeID, prepared.UserID, prepared.Rolemask = 9, 1234, 2
	for name, tt := range map[string]struct {
		dial []DialOption
		open func(ctx context.Context, c *Client) (<-chan Response, error)
		want codec.Message // less the payload
	}{
		"any rank": {nil, func(ctx context.Context, c *Client) (<-chan Response, error) {
			return c.Stream(ctx, "svc.watch", nil)
		}, codec.Message{NodeID: codec.NodeAny, UserID: codec.UserIDUnknown}},
		"rank": {nil, func(ctx context.Context, c *Client) (<-chan Response, error) {
			return c.Stream(ctx, "svc.watch", nil, Rank(3))
		}, codec.Message{NodeID: 3, UserID: codec.UserIDUnknown}},
		"upstream": {nil, func(ctx context.Context, c *Client) (<-chan Response, error) {
			c.c.attrs = map[string]string{"rank": "7"}
			return c.Stream(ctx, "svc.watch", nil, Upstream())
		}, codec.Message{NodeID: 7, Flags: codec.FlagUpstream, UserID: codec.UserIDUnknown}},
		"credentials": {[]DialOption{WithUserID(5), WithRoles(RoleUser)}, func(ctx context.Context, c *Client) (<-chan Response, error) {
			return c.Stream(ctx, "svc.watch", nil)
		}, codec.Message{NodeID: codec.NodeAny, UserID: 5, Rolemask: 2}},
		"prepared": {[]DialOption{WithUserID(5)}, func(ctx context.Context, c *Client) (<-chan Response, error) {
			return c.DoStream(ctx, prepared)
		}, codec.Message{NodeID: 9, Flags: codec.FlagUpstream, UserID: 1234, Rolemask: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c, p := newPeer(t, tt.dial...)
				ctx, cancel := context.WithCancel(t.Context())
				stream, err := tt.open(ctx, c)
				if err != nil {
					t.Fatal(err)
				}
				req := p.want("svc.watch")
				cancel()
				wantEnd(t, stream, context.Canceled)
				want := wireCancel("svc.cancel", req)
				want.NodeID, want.UserID, want.Rolemask = tt.want.NodeID, tt.want.UserID, tt.want.Rolemask
				want.Flags |= tt.want.Flags
				got := p.recv()
				wantMessage(t, got, want)
				if got.NodeID != req.NodeID || got.UserID != req.UserID || got.Rolemask != req.Rolemask {
					t.Errorf("the request went to %d as %d %d, its cancel to %d as %d %d",
						req.NodeID, req.UserID, req.Rolemask, got.NodeID, got.UserID, got.Rolemask)
				}
				p.refuse(req, ENODATA, "")
			})
		})
	}
}

// Nothing is to be cancelled once the stream has ended, whatever ended it.
func TestNoCancelAfterTheEnd(t *testing.T) {
	for name, end := range map[string]func(p *peer, req *codec.Message){
		"ENODATA": func(p *peer, req *codec.Message) { p.refuse(req, ENODATA, "") },
		"error":   func(p *peer, req *codec.Message) { p.refuse(req, EPERM, "no") },
		"success without the streaming flag": func(p *peer, req *codec.Message) {
			plain := *req
			plain.Flags &^= codec.FlagStreaming
			p.respond(&plain, nil)
		},
	} {
		for _, backlog := range []int{0, 1, 40} {
			t.Run(fmt.Sprint(name, backlog), func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					c, p := newPeer(t)
					ctx, cancel := context.WithCancel(t.Context())
					stream, req := openStream(t, c, p, ctx, "svc.watch")
					for i := range backlog {
						p.item(req, i)
					}
					end(p, req)
					synctest.Wait()
					wantStats(t, c, 0, 0)
					cancel()
					synctest.Wait()
					p.wantNothing(c)
					ends := 0
					for r := range stream {
						if r.Err() != nil {
							ends++
						}
					}
					if ends > 1 {
						t.Errorf("the stream ended %d times", ends)
					}
					if s := c.Stats(); s.Abandoned != 0 || s.Late+s.Stray != 0 {
						t.Errorf("%+v, want nothing abandoned, late or stray", s)
					}
				})
			})
		}
	}
}
