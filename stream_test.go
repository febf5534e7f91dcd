package flux

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/peertest"
	"github.com/flux-sdk/flux/transport"
)

func TestStreamOnTheWire(t *testing.T) {
	c, p := newPeer(t)
	c.c.attrs = map[string]string{"rank": "3"}
	for _, tt := range []struct {
		name string
		req  any
		opts []StreamOption
		want codec.Message
	}{
		{"nothing", nil, nil, wireRequest("svc.watch", "")},
		{"JSON", point{X: 1}, nil, wireRequest("svc.watch", "{\"x\":1}\x00")},
		{"text", "t", nil, wireRequest("svc.watch", "t\x00")},
		{"bytes", []byte{1}, nil, wireRequest("svc.watch", "\x01")},
		{"rank", nil, []StreamOption{Rank(8)}, codec.Message{NodeID: 8}},
		{"upstream", nil, []StreamOption{Upstream()}, codec.Message{NodeID: 3, Flags: codec.FlagUpstream}},
		{"local options", nil, []StreamOption{QueueLimit(1, 1), NoCancel(), CancelTopic("x")},
			codec.Message{NodeID: codec.NodeAny}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if _, err := c.Stream(ctx, "svc.watch", tt.req, append(tt.opts, NoCancel())...); err != nil {
				t.Fatal(err)
			}
			want := wireRequest("svc.watch", string(tt.want.Payload))
			want.NodeID = tt.want.NodeID
			want.Flags |= tt.want.Flags | codec.FlagStreaming
			wantMessage(t, p.Recv(), want)
		})
	}
}

// A response without a payload is an item wherever it stands.
func TestStreamItemsWithoutPayload(t *testing.T) {
	c, p := newPeer(t)
	stream, req := openStream(t, c, p, t.Context(), "svc.watch")
	p.Respond(req, nil)
	item(p, req, 1)
	p.Respond(req, nil)
	p.Respond(req, "")
	p.Refuse(req, uint32(ENODATA), "")
	bare := func() {
		t.Helper()
		r := <-stream
		if b, err := r.Bytes(); err != nil || len(b) > 0 || r.Err() != nil || r.Message().HasPayload() {
			t.Errorf("payload is %q, %v, want none", b, err)
		}
		wantErr(t, r.Decode(new(point)), ErrNoPayload)
	}
	bare()
	wantPoints(t, stream, 1, 1)
	bare()
	if s, err := (<-stream).Text(); s != "" || err != nil {
		t.Errorf("text is %q, %v, want an empty one", s, err)
	}
	wantClean(t, stream)
}

// What the broker says is an item, also if it is all that it says.
func TestStreamErrors(t *testing.T) {
	for name, want := range map[string]Error{
		"no such service": {"svc.watch", ENOSYS, "No service matching svc.watch is registered"},
		"no text":         {"svc.watch", EPROTO, ""},
		"unknown number":  {"svc.watch", Errno(12345), "strange"},
		"ECANCELED":       {"svc.watch", ECANCELED, ""},
	} {
		for _, items := range []int{0, 1, 50} {
			c, p := newPeer(t)
			stream, req := openStream(t, c, p, t.Context(), "svc.watch")
			for i := range items {
				item(p, req, i)
			}
			p.Refuse(req, uint32(want.Errno), want.Message)
			wantPoints(t, stream, 0, items-1)
			r := <-stream
			wantRemote(t, r.Err(), want)
			if _, err := r.Bytes(); err != r.Err() {
				t.Errorf("%s: error of Bytes is %v, want %v", name, err, r.Err())
			}
			if _, err := r.Text(); err != r.Err() {
				t.Errorf("%s: error of Text is %v, want %v", name, err, r.Err())
			}
			if err := r.Decode(new(point)); err != r.Err() {
				t.Errorf("%s: error of Decode is %v, want %v", name, err, r.Err())
			}
			wantClean(t, stream)
			wantStats(t, c, 0, 0)
		}
	}
}

// The end is told by the errno alone, with whatever flags and payload.
func TestStreamCleanEnds(t *testing.T) {
	c, p := newPeer(t)
	for _, edit := range []func(m *codec.Message){
		func(m *codec.Message) {},
		func(m *codec.Message) { m.Flags &^= codec.FlagStreaming },
		func(m *codec.Message) { m.SetPayload([]byte("no more\x00")) },
		func(m *codec.Message) { m.SetPayload([]byte{}) },
		func(m *codec.Message) { m.Topic = "elsewhere" },
	} {
		stream, req := openStream(t, c, p, t.Context(), "svc.watch")
		item(p, req, 1)
		end := peertest.BrokerResponse(req)
		end.Errnum = uint32(ENODATA)
		edit(end)
		p.Send(end)
		wantPoints(t, stream, 1, 1)
		wantClean(t, stream)
		wantStats(t, c, 0, 0)
	}
}

func TestDoStream(t *testing.T) {
	c, p := newPeer(t)
	m := codec.NewRequest("svc.watch")
	m.Flags |= codec.FlagStreaming | codec.FlagUser1
	m.NodeID, m.Matchtag = 5, 4711
	m.SetPayload([]byte("{}\x00"))
	before := *m
	stream, err := c.DoStream(t.Context(), m, Rank(9))
	if err != nil {
		t.Fatal(err)
	}
	req := p.Recv()
	want := before
	want.Matchtag = 0
	wantMessage(t, req, want)
	if m.Matchtag != before.Matchtag || req.Matchtag == before.Matchtag {
		t.Errorf("matchtags: %d in the prepared message, %d sent, want %d and another", m.Matchtag, req.Matchtag,
			before.Matchtag)
	}
	item(p, req, 1)
	p.Refuse(req, uint32(ENODATA), "")
	wantPoints(t, stream, 1, 1)
	wantClean(t, stream)

	// Without the streaming flag, as prepared: one response is all of it.
	stream, err = c.DoStream(t.Context(), codec.NewRequest("svc.get"))
	if err != nil {
		t.Fatal(err)
	}
	req = p.Want("svc.get")
	if req.Flags&codec.FlagStreaming != 0 {
		t.Error("DoStream added the streaming flag")
	}
	item(p, req, 7)
	wantPoints(t, stream, 7, 7)
	wantClean(t, stream)
	wantStats(t, c, 0, 0)

	quiet := codec.NewRequest("svc.watch")
	quiet.Flags |= codec.FlagNoResponse
	for name, m := range map[string]*codec.Message{"event": codec.NewEvent("a.b"), "quiet": quiet, "zero": {}} {
		if stream, err := c.DoStream(t.Context(), m); err == nil || stream != nil {
			t.Errorf("%s: channel %v, error %v, want an error alone", name, stream, err)
		}
	}
	if _, err := c.DoStream(t.Context(), codec.NewRequest(strings.Repeat("s", 300)+".x")); err == nil {
		t.Error("a request that must not be sent was")
	}
	p.WantNothing(c)
	wantStats(t, c, 0, 0)
}

func TestStreamAsDecodes(t *testing.T) {
	c, p := servePeer(t, func(p *peertest.Peer, m *codec.Message) {
		item(p, m, 1)
		p.Respond(m, "text, not JSON")
		p.Respond(m, nil)
		p.Respond(m, json.RawMessage(`{"x":3,"y":"no number"}`)) // half of it fits
		item(p, m, 2)
		p.Refuse(m, uint32(EPERM), "enough")
	})
	_ = p
	var got []int
	var errs []error
	for v, err := range StreamAs[point](t.Context(), c, "svc.watch", nil) {
		if err != nil {
			errs = append(errs, err)
			if v != (point{}) {
				t.Errorf("%+v comes with the error %v", v, err)
			}
			continue
		}
		got = append(got, v.X)
	}
	wantItems(t, got, []int{1, 2})
	if len(errs) != 4 {
		t.Fatalf("errors are %v, want 4", errs)
	}
	wantErr(t, errs[0], codec.ErrPayload)
	wantErr(t, errs[1], ErrNoPayload)
	wantRemote(t, errs[3], Error{"svc.watch", EPERM, "enough"})

	var texts []string
	for s, err := range StreamAs[string](t.Context(), c, "svc.watch", nil) {
		if err == nil {
			texts = append(texts, s)
		}
	}
	wantItems(t, texts, []string{`{"x":1}`, "text, not JSON", `{"x":3,"y":"no number"}`, `{"x":2}`})
	var raw []string
	for b, err := range StreamAs[[]byte](t.Context(), c, "svc.watch", nil) {
		if err == nil {
			raw = append(raw, string(b))
		}
	}
	wantItems(t, raw, []string{"{\"x\":1}\x00", "text, not JSON\x00", "", "{\"x\":3,\"y\":\"no number\"}\x00",
		"{\"x\":2}\x00"})
}

// An error that Stream itself returns is yielded once, too.
func TestStreamAsLocalError(t *testing.T) {
	c, p := newPeer(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n := 0
	for v, err := range StreamAs[point](ctx, c, "svc.watch", nil) {
		wantErr(t, err, context.Canceled)
		if v != (point{}) {
			t.Errorf("%+v comes with an error", v)
		}
		n++
	}
	if n != 1 {
		t.Errorf("%d items, want 1", n)
	}
	p.WantNothing(c)
}

// Leaving the loop cancels the stream, wherever it is, before what follows.
func TestStreamAsBreak(t *testing.T) {
	for items := range 5 {
		for stop := 1; stop <= items+1; stop++ {
			inBubble(t, func(t *testing.T) {
				c, p := newPeer(t)
				var req *codec.Message
				go func() {
					req = p.Want("svc.watch")
					for i := range items {
						item(p, req, i)
					}
					if stop > items {
						p.Refuse(req, uint32(EIO), "")
					}
				}()
				n := 0
				for range StreamAs[point](t.Context(), c, "svc.watch", nil) {
					if n++; n == stop {
						break
					}
				}
				if stop > items {
					p.WantNothing(c)
					return
				}
				if s := c.Stats(); s.Live != 0 || s.Retired != 1 {
					t.Errorf("after the loop: %+v, want one retired tag", s)
				}
				wantMessage(t, p.Recv(), wireCancel("svc.cancel", req))
				p.Refuse(req, uint32(ENODATA), "")
				synctest.Wait()
				wantStats(t, c, 0, 0)
			})
		}
	}
}

// A panic in the loop's body ends the stream as well.
func TestStreamAsPanic(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := servePeer(t, func(p *peertest.Peer, m *codec.Message) {
			if m.Topic == "svc.watch" {
				item(p, m, 1)
			}
		})
		_ = p
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic got lost")
				}
			}()
			for range StreamAs[point](t.Context(), c, "svc.watch", nil) {
				panic("of the body")
			}
		}()
		synctest.Wait()
		wantStats(t, c, 0, 1)
	})
}

// An iterator may be ranged over again: each time is a stream of its own.
func TestStreamAsAgain(t *testing.T) {
	c, _ := servePeer(t, func(p *peertest.Peer, m *codec.Message) {
		item(p, m, 1)
		p.Refuse(m, uint32(ENODATA), "")
	})
	seq := StreamAs[point](t.Context(), c, "svc.watch", nil)
	for range 3 {
		n := 0
		for v, err := range seq {
			if err != nil || v.X != 1 {
				t.Errorf("received %+v, %v", v, err)
			}
			n++
		}
		if n != 1 {
			t.Errorf("%d items, want 1", n)
		}
	}
}

// openStream opens a stream and returns the request that the peer received.
func openStream(t testing.TB, c *Client, p *peertest.Peer, ctx context.Context, topic string,
	opts ...StreamOption) (<-chan Response, *codec.Message) {
	t.Helper()
	stream, err := c.Stream(ctx, topic, nil, opts...)
	if err != nil {
		t.Fatal(err)
	}
	m := p.Want(topic)
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
func item(p *peertest.Peer, req *codec.Message, i int) { p.Respond(req, point{X: i}) }

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
				item(p, req, 1)
				wantPoints(t, stream, 1, 1)
				cancel()
				wantEnd(t, stream, context.Canceled)
				if tt.want != none {
					wantMessage(t, p.Recv(), wireCancel(tt.want, req))
				}
				p.WantNothing(c)
				wantStats(t, c, 0, 1)
				item(p, req, 2)
				p.Refuse(req, uint32(ENODATA), "")
				synctest.Wait()
				wantStats(t, c, 0, 0)
				if s := c.Stats(); s.Late != 2 || s.Abandoned != 1 {
					t.Errorf("%+v, want 2 late responses to 1 abandoned request", s)
				}
				p.WantNothing(c)
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
		"credentials": {[]DialOption{WithUserID(5), WithRoles(RoleUser)},
			func(ctx context.Context, c *Client) (<-chan Response, error) {
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
				req := p.Want("svc.watch")
				cancel()
				wantEnd(t, stream, context.Canceled)
				want := wireCancel("svc.cancel", req)
				want.NodeID, want.UserID, want.Rolemask = tt.want.NodeID, tt.want.UserID, tt.want.Rolemask
				want.Flags |= tt.want.Flags
				got := p.Recv()
				wantMessage(t, got, want)
				if got.NodeID != req.NodeID || got.UserID != req.UserID || got.Rolemask != req.Rolemask {
					t.Errorf("the request went to %d as %d %d, its cancel to %d as %d %d",
						req.NodeID, req.UserID, req.Rolemask, got.NodeID, got.UserID, got.Rolemask)
				}
				p.Refuse(req, uint32(ENODATA), "")
			})
		})
	}
}

// Nothing is to be cancelled once the stream has ended, whatever ended it.
func TestNoCancelAfterTheEnd(t *testing.T) {
	for name, end := range map[string]func(p *peertest.Peer, req *codec.Message){
		"ENODATA": func(p *peertest.Peer, req *codec.Message) { p.Refuse(req, uint32(ENODATA), "") },
		"error":   func(p *peertest.Peer, req *codec.Message) { p.Refuse(req, uint32(EPERM), "no") },
		"success without the streaming flag": func(p *peertest.Peer, req *codec.Message) {
			plain := *req
			plain.Flags &^= codec.FlagStreaming
			p.Respond(&plain, nil)
		},
	} {
		for _, backlog := range []int{0, 1, 40} {
			t.Run(fmt.Sprint(name, backlog), func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					c, p := newPeer(t)
					ctx, cancel := context.WithCancel(t.Context())
					stream, req := openStream(t, c, p, ctx, "svc.watch")
					for i := range backlog {
						item(p, req, i)
					}
					end(p, req)
					synctest.Wait()
					wantStats(t, c, 0, 0)
					cancel()
					synctest.Wait()
					p.WantNothing(c)
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
					item(p, req, i)
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
					item(p, req, i)
				}
				p.Close()
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
	for name, end := range map[string]func(c *Client, p *peertest.Peer, req *codec.Message){
		"nothing": func(c *Client, p *peertest.Peer, req *codec.Message) {},
		"ENODATA": func(c *Client, p *peertest.Peer, req *codec.Message) { p.Refuse(req, uint32(ENODATA), "") },
		"error":   func(c *Client, p *peertest.Peer, req *codec.Message) { p.Refuse(req, uint32(EIO), "") },
		"queue limit": func(c *Client, p *peertest.Peer, req *codec.Message) {
			for range 200 {
				item(p, req, 1)
			}
		},
		"loss of the connection": func(c *Client, p *peertest.Peer, req *codec.Message) { p.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c, p := newPeer(t)
				stream, req := openStream(t, c, p, context.Background(), "svc.watch", QueueLimit(200, plenty))
				for i := range 200 {
					item(p, req, i)
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
			item(p, req1, 1)
			item(p, req2, 1)
		}
		p.Refuse(req1, uint32(ENODATA), "")
		p.Close()
		synctest.Wait()
		cancel()
	})
}

// A transport that can do no more than it must carries cancels as well.
func TestStreamOverPlainTransport(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		near, far := transport.Pipe(transport.Config{})
		c, p := startPeer(t, peertest.PlainConn{C: near}, &peertest.Peer{T: t, Conn: far})
		ctx, cancel := context.WithCancel(t.Context())
		stream, req := openStream(t, c, p, ctx, "svc.watch")
		item(p, req, 1)
		wantPoints(t, stream, 1, 1)
		cancel()
		wantEnd(t, stream, context.Canceled)
		wantMessage(t, p.Recv(), wireCancel("svc.cancel", req))
		p.Refuse(req, uint32(ENODATA), "")
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
			item(p, req, 1)
		}
		synctest.Wait()
		c.unread.abortAll() // what Close does last
		p.Refuse(req, uint32(ENODATA), "")
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
				item(p, req, i)
			}
			p.Refuse(req, uint32(ENODATA), "")
			synctest.Wait()
			if n := len(c.unread.m); n != 1 {
				t.Errorf("%d backlogs with one stream to receive, want 1", n)
			}
			wantPoints(t, stream, 1, 200)
			wantClean(t, stream)
			synctest.Wait()
			if n := len(c.unread.m); n != 0 {
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
				item(p, req, i)
			}
			p.Refuse(req, uint32(ENODATA), "")
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
