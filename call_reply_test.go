package flux

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
)

// Whichever of the reply and the end of the ctx comes first decides.
func TestReplyThenCtxEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := newPeer(t)
		ctx, cancel := context.WithCancel(t.Context())
		reply := c.Go(ctx, "a.b", nil)
		p.respond(p.recv(), "yes")
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
					m := p.recv()
					wg.Go(func() { p.respond(m, nil) })
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
					m := p.recv()
					wg.Go(func() { p.conn.Send(context.Background(), brokerResponse(m)) })
					wg.Go(cancel)
					wg.Go(func() { c.Close() })
					wg.Go(func() { p.conn.Close() })
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
		m := p.recv()

		routed := brokerResponse(m)
		routed.Routes = codec.MakeRoutes("of", "another")
		p.send(routed)
		untagged := brokerResponse(m)
		untagged.Matchtag = codec.MatchtagNone
		p.send(untagged)
		for _, tag := range []uint32{m.Matchtag + 1, 1 << 31, 0xffffffff} {
			other := brokerResponse(m)
			other.Matchtag = tag
			p.send(other)
		}
		p.send(&codec.Message{Type: codec.TypeControl, ControlType: 1})
		synctest.Wait()
		select {
		case r := <-reply:
			t.Fatalf("the call was answered by what is not its reply: %v", r.Err())
		default:
		}
		wantStats(t, c, 1, 0)

		p.respond(m, "first")
		p.respond(m, "second") // a service's mistake: RFC 6 has one reply
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
	m := brokerResponse(p.recv())
	m.Topic, m.Errnum = "x.y", uint32(ENOENT)
	p.send(m)
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
				m := p.recv()
				m.Flags |= codec.FlagStreaming
				for range 3 {
					p.respond(m, nil)
				}
				if err := <-done; err != nil {
					t.Error(err)
				}
				synctest.Wait()
				wantStats(t, c, 0, 1)
				p.refuse(m, ENODATA, "")
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
		replies = append(replies, c.Go(t.Context(), "a.b", pattern(i)))
		asked = append(asked, p.recv())
	}
	wantStats(t, c, n, 0)
	for i := n - 1; i >= 0; i-- {
		p.respond(asked[(i*7)%n], asked[(i*7)%n].Payload)
	}
	for i, reply := range replies {
		wantBytes(t, <-reply, pattern(i))
	}
	wantStats(t, c, 0, 0)
}

// The response's memory is the caller's: what comes later does not change it.
func TestReplyMemory(t *testing.T) {
	c, _ := servePeer(t, echo)
	var kept []Response
	for i := range 200 {
		r, err := c.Call(t.Context(), "a.b", pattern(i*13))
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, r)
	}
	for i, r := range kept {
		wantBytes(t, r, pattern(i*13))
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
			m := p.recv()
			switch i % 3 {
			case 0:
				p.respond(m, nil)
			case 1:
				cancel()
				synctest.Wait()
				p.respond(m, nil)
			default: // left to the end of the connection
			}
		}
		synctest.Wait()
		wantStats(t, c, 16, 0)
	})
}
