package flux

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/peertest"
	"github.com/flux-sdk/flux/transport"
)

// A bubble's channels must not be met outside of it: nothing that a call leaves
// behind may reach a client elsewhere.
func TestCallInManyBubbles(t *testing.T) {
	call := func(t *testing.T) {
		c, _ := servePeer(t, peertest.Echo)
		for range 3 {
			r, err := c.Call(t.Context(), "a.b", "x")
			if err != nil {
				t.Fatal(err)
			}
			wantBytes(t, r, []byte("x\x00"))
		}
	}
	call(t)
	for range 10 {
		synctest.Test(t, call)
	}
	call(t)
}

// One client, 1,000 goroutines, 100,000 calls: every reply reaches its caller,
// and nothing is left in use.
func TestCallMany(t *testing.T) {
	noLeaks(t)
	goroutines, each := 1000, 100
	if testing.Short() {
		goroutines, each = 100, 20
	}
	// Answered in batches and backwards, so that order does not help.
	var held []*codec.Message
	c, _ := servePeer(t, func(p *peertest.Peer, m *codec.Message) {
		held = append(held, m)
		if b, ok := p.Conn.(interface{ Buffered() bool }); ok && b.Buffered() && len(held) < 64 {
			return
		}
		for i := len(held) - 1; i >= 0; i-- {
			peertest.Echo(p, held[i])
		}
		held = held[:0]
	})
	var wg sync.WaitGroup
	var wrong, done atomic.Int64
	for g := range goroutines {
		wg.Go(func() {
			id := make([]byte, 16)
			for i := range each {
				binary.BigEndian.PutUint64(id, uint64(g))
				binary.BigEndian.PutUint64(id[8:], uint64(i))
				var r Response
				if i%2 == 0 {
					r, _ = c.Call(t.Context(), "a.b", id)
				} else {
					r = <-c.Go(t.Context(), "a.b", id)
				}
				got, err := r.Bytes()
				if err != nil || string(got) != string(id) {
					if wrong.Add(1) < 10 {
						t.Errorf("call %x yields %x, %v", id, got, err)
					}
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	if want := int64(goroutines * each); done.Load() != want || wrong.Load() != 0 {
		t.Errorf("%d calls, %d wrong, want %d and 0", done.Load(), wrong.Load(), want)
	}
	wantStats(t, c, 0, 0)
	if s := c.Stats(); s.Responses != uint64(goroutines*each) || s.Late != 0 || s.Stray != 0 {
		t.Errorf("%+v, want %d delivered and nothing else", s, goroutines*each)
	}
}

func TestNotify(t *testing.T) {
	c, p := newPeer(t)
	if err := c.Notify(t.Context(), "log.append", "text"); err != nil {
		t.Fatal(err)
	}
	want := wireRequest("log.append", "text\x00")
	want.Flags |= codec.FlagNoResponse
	wantMessage(t, p.Recv(), want)
	wantStats(t, c, 0, 0)
}

// The router answers these whatever their flags, so Notify must not be possible.
func TestNotifyRouterTopics(t *testing.T) {
	c, p := newPeer(t)
	for _, topic := range []string{"event.subscribe", "event.unsubscribe", "service.add", "service.remove"} {
		err := c.Notify(t.Context(), topic, struct{}{})
		if err == nil || !strings.Contains(err.Error(), topic) || SafeToRetry(err) {
			t.Errorf("%s: error is %v, want one that names the topic and is not safe to retry", topic, err)
		}
	}
	p.WantNothing(c)
	if err := c.Notify(t.Context(), "service.addition", nil); err != nil {
		t.Error(err)
	}
	p.Want("service.addition")
}

func TestDo(t *testing.T) {
	c, p := newPeer(t, WithUserID(5))
	sent := codec.Message{
		Type: codec.TypeRequest, Flags: codec.FlagTopic | codec.FlagUser1 | codec.FlagUpstream,
		UserID: 99, Rolemask: 2, NodeID: 12, Matchtag: 4711,
		Routes: codec.MakeRoutes("me"), Topic: "a.b", Payload: []byte{1, 2},
	}
	before := sent
	go c.Do(t.Context(), &sent)
	got := p.Recv()
	want := before
	want.Flags |= codec.FlagRoute | codec.FlagPayload
	want.Matchtag = 0
	wantMessage(t, got, want)
	if got.Matchtag == before.Matchtag {
		t.Error("the matchtag of the prepared message was used")
	}
}

// A response with routes is for somebody else, so Do of a message with routes
// gets none: the broker leaves the routes below its own in place.
func TestDoRefused(t *testing.T) {
	c, p := newPeer(t)
	quiet := codec.NewRequest("a.b")
	quiet.Flags |= codec.FlagNoResponse
	for name, m := range map[string]*codec.Message{
		"response": codec.NewResponse(codec.NewRequest("a.b")), "event": codec.NewEvent("a.b"),
		"no response wanted": quiet, "zero": {},
	} {
		r, err := c.Do(t.Context(), m)
		if err == nil || !errors.Is(r.Err(), err) || SafeToRetry(err) {
			t.Errorf("%s: error is %v, the response's %v, want one that is not safe to retry", name, err, r.Err())
		}
		if r.Message() != nil {
			t.Errorf("%s: a local error has a message", name)
		}
	}
	p.WantNothing(c)
	wantStats(t, c, 0, 0)
}

func TestSend(t *testing.T) {
	c, p := newPeer(t)
	for _, m := range []codec.Message{
		{Type: codec.TypeRequest, Flags: codec.FlagTopic | codec.FlagRoute, UserID: 1, NodeID: 2, Matchtag: 3, Topic: "a.b"},
		{Type: codec.TypeRequest, Flags: codec.FlagTopic | codec.FlagNoResponse | codec.FlagStreaming, UserID: 1, Topic: "x"},
		{Type: codec.TypeResponse, Flags: codec.FlagTopic | codec.FlagRoute | codec.FlagPayload, UserID: 1, Errnum: 38,
			Matchtag: 9, Routes: codec.MakeRoutes("one", "two"), Topic: "a.b", Payload: []byte("text\x00")},
		{Type: codec.TypeEvent, Flags: codec.FlagTopic | codec.FlagPrivate, UserID: 1, Sequence: 8, Topic: "a.b"},
		{Type: codec.TypeControl, UserID: 1, ControlType: 1, ControlStatus: 2},
	} {
		if err := c.Send(t.Context(), &m); err != nil {
			t.Fatal(err)
		}
		got := p.Recv()
		if len(got.Routes) == 0 {
			got.Routes = nil
		}
		wantMessage(t, got, m)
	}
	wantStats(t, c, 0, 0)
	if got := c.Stats().Sent; got != 5 {
		t.Errorf("%d messages sent, want 5", got)
	}
}

func TestSendRefused(t *testing.T) {
	c, p := newPeer(t)
	ended, end := context.WithCancel(t.Context())
	end()
	err := c.Send(ended, codec.NewRequest("a.b"))
	wantErr(t, err, context.Canceled)
	if !SafeToRetry(err) {
		t.Errorf("%v is not safe to retry, though nothing was sent", err)
	}
	err = c.Send(t.Context(), &codec.Message{Type: 3, Topic: "a.b"})
	wantErr(t, err, codec.ErrUnsendable)
	if SafeToRetry(err) {
		t.Errorf("%v is said to be safe to retry", err)
	}
	p.WantNothing(c)
}

// The response to a request that went out by Send finds nobody.
func TestSendResponseIsStray(t *testing.T) {
	c, p := newPeer(t)
	if err := c.Send(t.Context(), codec.NewRequest("a.b")); err != nil {
		t.Fatal(err)
	}
	p.Respond(p.Recv(), nil)
	reply := c.Go(t.Context(), "a.c", nil)
	p.Respond(p.Recv(), nil)
	if err := (<-reply).Err(); err != nil {
		t.Error(err)
	}
	if s := c.Stats(); s.Stray != 1 || s.Responses != 1 {
		t.Errorf("%+v, want one stray response and one for the call", s)
	}
}

// Whichever of the reply and the end of the ctx comes first decides.
func TestReplyThenCtxEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := newPeer(t)
		ctx, cancel := context.WithCancel(t.Context())
		reply := c.Go(ctx, "a.b", nil)
		p.Respond(p.Recv(), "yes")
		synctest.Wait()
		cancel()
		synctest.Wait()
		wantBytes(t, <-reply, []byte("yes\x00"))
		wantStats(t, c, 0, 0)
		if s := c.Stats(); s.Responses != 1 || s.Late != 0 || s.Abandoned != 0 {
			t.Errorf("%+v, want 1 delivered", s)
		}
	})
}

// When both come at once either may win, but not both and never neither.
func TestReplyRacesCtxEnd(t *testing.T) {
	for name, call := range callers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := newPeer(t)
				const rounds = 300
				var replies, ends uint64
				for range rounds {
					ctx, cancel := context.WithCancel(t.Context())
					var wg sync.WaitGroup
					var err error
					wg.Go(func() { err = call(ctx, c) })
					m := p.Recv()
					wg.Go(func() { p.Respond(m, nil) })
					wg.Go(cancel)
					wg.Wait()
					cancel()
					switch {
					case err == nil:
						replies++
					case errors.Is(err, context.Canceled):
						ends++
					default:
						t.Fatal(err)
					}
					synctest.Wait()
					wantStats(t, c, 0, 0)
				}
				s := c.Stats()
				if s.Responses != replies || s.Late != ends || s.Abandoned != ends || s.Stray != 0 {
					t.Errorf("%d replies and %d ends of ctx, but %+v", replies, ends, s)
				}
				t.Logf("the reply won %d times, the ctx %d times", replies, ends)
			})
		})
	}
}

// The connection's end, the reply and the ctx's end at once: one of them it is.
func TestReplyRacesEverything(t *testing.T) {
	for name, call := range callers {
		t.Run(name, func(t *testing.T) {
			for range 100 {
				synctest.Test(t, func(t *testing.T) {
					c, p := newPeer(t)
					ctx, cancel := context.WithCancel(t.Context())
					var wg sync.WaitGroup
					wg.Go(func() {
						err := call(ctx, c)
						if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, ErrClosed) && !errors.Is(err, ErrConnLost) {
							t.Errorf("unexpected end: %v", err)
						}
					})
					m := p.Recv()
					wg.Go(func() { p.Conn.Send(context.Background(), peertest.BrokerResponse(m)) })
					wg.Go(cancel)
					wg.Go(func() { c.Close() })
					wg.Go(func() { p.Conn.Close() })
					wg.Wait()
					wantStats(t, c, 0, 0)
				})
			}
		})
	}
}

// What nobody asked for reaches nobody and breaks nothing.
func TestStrayReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := newPeer(t)
		reply := c.Go(t.Context(), "a.b", nil)
		m := p.Recv()

		routed := peertest.BrokerResponse(m)
		routed.Routes = codec.MakeRoutes("of", "another")
		p.Send(routed)
		untagged := peertest.BrokerResponse(m)
		untagged.Matchtag = codec.MatchtagNone
		p.Send(untagged)
		for _, tag := range []uint32{m.Matchtag + 1, 1 << 31, 0xffffffff} {
			other := peertest.BrokerResponse(m)
			other.Matchtag = tag
			p.Send(other)
		}
		p.Send(&codec.Message{Type: codec.TypeControl, ControlType: 1})
		synctest.Wait()
		select {
		case r := <-reply:
			t.Fatalf("the call was answered by what is not its reply: %v", r.Err())
		default:
		}
		wantStats(t, c, 1, 0)

		p.Respond(m, "first")
		p.Respond(m, "second") // a service's mistake: RFC 6 has one reply
		wantBytes(t, <-reply, []byte("first\x00"))
		synctest.Wait()
		wantStats(t, c, 0, 0)
		if s := c.Stats(); s.Stray != 6 || s.Responses != 1 || s.Late != 0 {
			t.Errorf("%+v, want 6 stray and 1 delivered", s)
		}
	})
}

// The topic of a response is not checked: no client of Flux does.
func TestReplyWithAnotherTopic(t *testing.T) {
	c, p := newPeer(t)
	reply := c.Go(t.Context(), "a.b", nil)
	m := peertest.BrokerResponse(p.Recv())
	m.Topic, m.Errnum = "x.y", uint32(ENOENT)
	p.Send(m)
	wantRemote(t, (<-reply).Err(), Error{Topic: "a.b", Errno: ENOENT})
}

// A streaming method called as a plain one: its first reply is the answer, and
// the tag stays in use until the service ends its stream.
func TestStreamingReplyToCall(t *testing.T) {
	for name, call := range callers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := newPeer(t)
				done := make(chan error, 1)
				go func() { done <- call(t.Context(), c) }()
				m := p.Recv()
				m.Flags |= codec.FlagStreaming
				for range 3 {
					p.Respond(m, nil)
				}
				if err := <-done; err != nil {
					t.Error(err)
				}
				synctest.Wait()
				wantStats(t, c, 0, 1)
				p.Refuse(m, uint32(ENODATA), "")
				synctest.Wait()
				wantStats(t, c, 0, 0)
				if s := c.Stats(); s.Responses != 1 || s.Late != 3 || s.Abandoned != 0 {
					t.Errorf("%+v, want 1 delivered and 3 late", s)
				}
			})
		})
	}
}

// Replies come in any order and find their calls.
func TestRepliesOutOfOrder(t *testing.T) {
	c, p := newPeer(t)
	const n = 100
	var replies []<-chan Response
	var asked []*codec.Message
	for i := range n {
		replies = append(replies, c.Go(t.Context(), "a.b", peertest.Pattern(i)))
		asked = append(asked, p.Recv())
	}
	wantStats(t, c, n, 0)
	for i := n - 1; i >= 0; i-- {
		p.Respond(asked[(i*7)%n], asked[(i*7)%n].Payload)
	}
	for i, reply := range replies {
		wantBytes(t, <-reply, peertest.Pattern(i))
	}
	wantStats(t, c, 0, 0)
}

// The response's memory is the caller's: what comes later does not change it.
func TestReplyMemory(t *testing.T) {
	c, _ := servePeer(t, peertest.Echo)
	var kept []Response
	for i := range 200 {
		r, err := c.Call(t.Context(), "a.b", peertest.Pattern(i*13))
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, r)
	}
	for i, r := range kept {
		wantBytes(t, r, peertest.Pattern(i*13))
	}
}

// Nobody needs to receive what Go returns.
func TestGoNeverReceived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // fails on a goroutine left behind
		c, p := newPeer(t)
		for i := range 50 {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c.Go(ctx, "a.b", nil)
			m := p.Recv()
			switch i % 3 {
			case 0:
				p.Respond(m, nil)
			case 1:
				cancel()
				synctest.Wait()
				p.Respond(m, nil)
			default: // left to the end of the connection
			}
		}
		synctest.Wait()
		wantStats(t, c, 16, 0)
	})
}

// Everything at once on real goroutines: calls with and without a ctx that
// ends, notifications, attributes, statistics, and then several Closes or the
// loss of the connection. Every operation ends, in one of the ways it may.
func TestCloseRacesEverything(t *testing.T) {
	noLeaks(t)
	wraps := map[string]func(transport.Conn) transport.Conn{
		"pipe":    func(c transport.Conn) transport.Conn { return c },
		"foreign": func(c transport.Conn) transport.Conn { return peertest.PlainConn{C: c} },
	}
	ends := map[string]func(c *Client, p *peertest.Peer){
		"Close":  func(c *Client, _ *peertest.Peer) { c.Close() },
		"lost":   func(_ *Client, p *peertest.Peer) { p.Conn.Close() },
		"both":   func(c *Client, p *peertest.Peer) { go p.Conn.Close(); c.Close() },
		"Close2": func(c *Client, _ *peertest.Peer) { go c.Close(); c.Close() },
	}
	for wrapName, wrap := range wraps {
		for endName, end := range ends {
			t.Run(wrapName+" "+endName, func(t *testing.T) {
				for range 5 {
					closeRace(t, wrap, end)
				}
			})
		}
	}
}

func closeRace(t *testing.T, wrap func(transport.Conn) transport.Conn, end func(c *Client, p *peertest.Peer)) {
	near, far := transport.Pipe(transport.Config{})
	c, p := NewClient(wrap(near)), &peertest.Peer{T: t, Conn: far}
	p.Serve(func(p *peertest.Peer, m *codec.Message) {
		if m.Matchtag%3 != 0 { // the others are never answered
			peertest.Echo(p, m)
		}
	})
	var wg sync.WaitGroup
	var begun atomic.Int32
	enough := make(chan struct{})
	for name, send := range senders() {
		for i := range 6 {
			wg.Go(func() {
				for {
					if begun.Add(1) == 2000 {
						close(enough)
					}
					ctx, cancel := t.Context(), context.CancelFunc(func() {})
					if i%2 == 0 || name == "Go" {
						ctx, cancel = context.WithTimeout(ctx, time.Duration(i+1)*100*time.Microsecond)
					}
					err := send(ctx, c, CancelTopic("a.stop"))
					cancel()
					switch {
					case err == nil, errors.Is(err, context.DeadlineExceeded):
					case errors.Is(err, ErrClosed), errors.Is(err, ErrConnLost):
						return
					default:
						t.Errorf("%s: unexpected end %v", name, err)
						return
					}
				}
			})
		}
	}
	wg.Go(func() {
		for c.Err() == nil {
			c.Stats()
			c.Attr(t.Context(), "rank")
		}
	})
	<-enough
	end(c, p)
	wg.Wait()
	<-c.Done()
	wantStats(t, c, 0, 0)
	c.Close()
	p.Close()
}
