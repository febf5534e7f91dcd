package flux

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/peertest"
)

var errBored = errors.New("the user went away")

func TestStreamEndedBeforeSend(t *testing.T) {
	c, p := newPeer(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errBored)
	stream, err := c.Stream(ctx, "svc.watch", nil)
	wantErr(t, err, context.Canceled, errBored)
	if stream != nil || !SafeToRetry(err) {
		t.Errorf("channel %v, safe to retry %t, want none and true", stream, SafeToRetry(err))
	}
	if _, err := c.Stream(t.Context(), "svc.watch", []int{1}); err == nil || SafeToRetry(err) {
		t.Errorf("a payload that cannot be encoded: error is %v, want one that is not safe to retry", err)
	}
	p.WantNothing(c)
	wantStats(t, c, 0, 0)
}

// jam fills the way to the peer until a message is held back.
func jam(t *testing.T, c *Client) (release func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			m := codec.NewEvent("jam")
			m.Payload = make([]byte, 1<<20)
			if c.Send(ctx, m) != nil {
				return
			}
		}
	}()
	synctest.Wait()
	return func() { cancel(); <-done }
}

// Held back behind what the broker does not read, a request was never accepted:
// no tag, no cancel.
func TestStreamEndedWhileHeldBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := newPeer(t)
		release := jam(t, c)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errBored)
		defer cancel()
		stream, err := c.Stream(ctx, "svc.watch", nil)
		wantErr(t, err, context.DeadlineExceeded, errBored)
		if stream != nil || !SafeToRetry(err) {
			t.Errorf("channel %v, safe to retry %t, want none and true", stream, SafeToRetry(err))
		}
		wantStats(t, c, 0, 0)
		release()
		go c.Send(context.Background(), codec.NewEvent("over"))
		for m := p.Recv(); m.Topic != "over"; m = p.Recv() {
			if m.Topic != "jam" {
				t.Errorf("the peer received %q", m.Topic)
			}
		}
		p.WantNothing(c)
	})
}

// Accepted and not written yet, a request is followed by its cancel.
func TestStreamEndedBeforeWritten(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := newPeer(t)
		m := codec.NewEvent("jam")
		m.Payload = make([]byte, 2<<20) // more than the pipe holds
		if err := c.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		stream, err := c.Stream(ctx, "svc.watch", nil)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		wantEnd(t, stream, context.Canceled) // at once, while nothing can be written
		wantStats(t, c, 0, 1)
		p.Recv()
		req := p.Want("svc.watch")
		wantMessage(t, p.Recv(), wireCancel("svc.cancel", req))
		p.Refuse(req, uint32(ENODATA), "")
		synctest.Wait()
		wantStats(t, c, 0, 0)
	})
}

// The end of ctx drops what is queued, however much that is.
func TestStreamEndedMidStream(t *testing.T) {
	for _, backlog := range []int{0, 1, 32 - 1, 32, 32 + 1, 1000} {
		t.Run(fmt.Sprint(backlog), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c, p := newPeer(t)
				ctx, cancel := context.WithCancelCause(t.Context())
				stream, req := openStream(t, c, p, ctx, "svc.watch")
				for i := range backlog {
					item(p, req, i)
				}
				synctest.Wait()
				cancel(errBored)
				wantMessage(t, p.Recv(), wireCancel("svc.cancel", req))
				synctest.Wait() // one received meanwhile may be behind dropped ones
				next := 0
				for r := range stream {
					var got point
					if err := r.Decode(&got); err != nil {
						wantErr(t, err, context.Canceled, errBored)
						next = -1
					} else if got.X != next {
						t.Fatalf("received item %d, want %d", got.X, next)
					} else if next++; next > 32 {
						t.Fatalf("%d items came after the end of the ctx", next)
					}
				}
				if next >= 0 {
					t.Errorf("the stream ended clean after %d of %d items", next, backlog)
				}
				item(p, req, 0)
				synctest.Wait()
				wantStats(t, c, 0, 1)
				p.Refuse(req, uint32(ENODATA), "")
				synctest.Wait()
				wantStats(t, c, 0, 0)
			})
		})
	}
}

// A tag is not used again before the last reply to it, however long that takes.
func TestRetiredTagsRest(t *testing.T) {
	c, p := newPeer(t)
	owed := make(map[uint32]*codec.Message)
	for range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		stream, req := openStream(t, c, p, ctx, "svc.watch", NoCancel())
		if owed[req.Matchtag] != nil {
			t.Fatalf("tag %d is used again while a reply to it is owed", req.Matchtag)
		}
		owed[req.Matchtag] = req
		cancel()
		wantEnd(t, stream, context.Canceled)
	}
	wantStats(t, c, 0, 100)
	for _, req := range owed {
		item(p, req, 1) // is no last reply
	}
	for _, req := range owed {
		p.Refuse(req, uint32(ENODATA), "")
	}
	stream, req := openStream(t, c, p, t.Context(), "svc.watch")
	item(p, req, 7)
	wantPoints(t, stream, 7, 7)
	wantStats(t, c, 1, 0)
	if s := c.Stats(); s.Late != 200 {
		t.Errorf("%d late responses, want 200", s.Late)
	}
	p.Refuse(req, uint32(ENODATA), "")
	wantClean(t, stream)
}

// watchService is a service of streams that it ends by itself, or when they are
// cancelled, and that notices a tag in use twice.
type watchService struct {
	t *testing.T

	mu   sync.Mutex
	owed map[uint32]*codec.Message
}

func (w *watchService) serve(p *peertest.Peer, m *codec.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch m.Topic {
	case "svc.ping":
		p.Respond(m, nil)
		return
	case "svc.cancel":
		var tag struct{ Matchtag uint32 }
		b, _ := codec.JSONPayload(m.Payload)
		if err := json.Unmarshal(b, &tag); err != nil || m.Flags&codec.FlagNoResponse == 0 || m.Matchtag != 0 {
			w.t.Errorf("cancel request %+v: %v", m, err)
		}
		if req := w.owed[tag.Matchtag]; req != nil {
			delete(w.owed, tag.Matchtag)
			p.Refuse(req, uint32(ENODATA), "")
		}
		return
	}
	if w.owed[m.Matchtag] != nil {
		w.t.Errorf("tag %d is used again while a reply to it is owed", m.Matchtag)
	}
	w.owed[m.Matchtag] = m
	items := rand.IntN(30)
	for i := range items {
		item(p, m, i)
	}
	if rand.IntN(2) == 0 {
		delete(w.owed, m.Matchtag)
		p.Refuse(m, uint32(ENODATA), "")
	}
}

// Whenever ctx ends, also in the same moment as the stream, the stream ends
// once and its tag comes back.
func TestStreamEndRaces(t *testing.T) {
	noLeaks(t)
	rounds := 500
	if testing.Short() {
		rounds = 100
	}
	w := &watchService{t: t, owed: make(map[uint32]*codec.Message)}
	c, _ := servePeer(t, w.serve)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(5, uint64(worker)))
			for range rounds {
				endOneRandomly(t, c, r)
			}
		})
	}
	wg.Wait()
	for end := time.Now().Add(patience); c.Stats().Retired > 0 && time.Now().Before(end); {
		c.Call(t.Context(), "svc.ping", nil) // behind what was owed when it was sent
	}
	wantStats(t, c, 0, 0)
	s := c.Stats()
	t.Logf("%+v", s)
	if s.Stray > 0 {
		t.Errorf("%d responses met a tag that nobody had", s.Stray)
	}
}

// endOneRandomly opens a stream and ends its ctx at a random moment.
func endOneRandomly(t *testing.T, c *Client, r *rand.Rand) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(r.IntN(30000))*time.Microsecond)
	defer cancel()
	when := r.IntN(60)
	if when == 0 {
		go cancel()
	}
	stream, err := c.Stream(ctx, "svc.watch", nil)
	if err != nil {
		wantCtxErr(t, err)
		return
	}
	if when == 1 {
		cancel()
	} else if when < 10 {
		go cancel()
	}
	items, ends := 0, 0
	for r := range stream {
		if ends > 0 {
			t.Errorf("an item after the end: %v", r.Err())
		}
		if r.Err() != nil {
			wantCtxErr(t, r.Err())
			ends++
		}
		if items++; items == when-30 {
			cancel()
		}
	}
}

func wantCtxErr(t *testing.T, err error) {
	if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v, want the end of the context", err)
	}
}

// watchSome is a service: svc.watch streams as many items as are asked for, and
// ends unless it is told not to; every other request is echoed.
func watchSome(cancels chan<- *codec.Message) func(p *peertest.Peer, m *codec.Message) {
	return func(p *peertest.Peer, m *codec.Message) {
		switch m.Topic {
		case "svc.watch":
			b, _ := codec.JSONPayload(m.Payload)
			var want point
			json.Unmarshal(b, &want)
			for i := 1; i <= want.X; i++ {
				item(p, m, i)
			}
			if want.Y == 0 {
				p.Refuse(m, uint32(ENODATA), "")
			}
		case "svc.cancel":
			cancels <- m
		default:
			peertest.Echo(p, m)
		}
	}
}

// One consumer that does not read delays nobody, and gets what was accepted
// for it.
func TestStalledStream(t *testing.T) {
	streams, calls := 999, 10000
	if testing.Short() {
		streams, calls = 99, 1000
	}
	inBubble(t, func(t *testing.T) {
		const limit, items = 500, 100
		cancels := make(chan *codec.Message, 10)
		c, p := servePeer(t, watchSome(cancels))
		stalled, err := c.Stream(t.Context(), "svc.watch", point{10 * limit, 1}, QueueLimit(limit, plenty))
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range streams {
			wg.Go(func() {
				n := 0
				for v, err := range StreamAs[point](t.Context(), c, "svc.watch", point{X: items}) {
					if n++; err != nil || v.X != n {
						t.Errorf("item %d is %+v, %v", n, v, err)
						return
					}
				}
				if n != items {
					t.Errorf("the stream ended after %d items, want %d", n, items)
				}
			})
		}
		for worker := range 10 {
			wg.Go(func() {
				for i := range calls / 10 {
					if got, err := CallAs[point](t.Context(), c, "svc.echo", point{worker, i}); err != nil ||
						got != (point{worker, i}) {
						t.Errorf("the call's answer is %+v, %v", got, err)
						return
					}
				}
			})
		}
		wg.Wait()
		cancel := <-cancels
		wantStats(t, c, 0, 1)
		late := int(c.Stats().Late)
		if late != 9*limit-1 && late != 9*limit-2 {
			t.Errorf("%d late responses, want the %d past the limit but for the one that passed it, or one less",
				late, 9*limit-1)
		}
		wantPoints(t, stalled, 1, 10*limit-1-late)
		wantEnd(t, stalled, ErrSlowConsumer)
		var tag struct{ Matchtag uint32 }
		if b, err := codec.JSONPayload(cancel.Payload); err != nil || json.Unmarshal(b, &tag) != nil {
			t.Fatalf("cancel request is %q", cancel.Payload)
		}
		p.Send(&codec.Message{
			Type: codec.TypeResponse, Flags: codec.FlagTopic | codec.FlagRoute | codec.FlagStreaming,
			Topic: "svc.watch", Matchtag: tag.Matchtag, Errnum: uint32(ENODATA),
		})
		if _, err := c.Call(t.Context(), "svc.echo", nil); err != nil {
			t.Error(err)
		}
		wantStats(t, c, 0, 0)
		if len(cancels) > 0 {
			t.Errorf("%d more cancel requests", len(cancels))
		}
	})
}

// The limit counts what is accepted and not received, in messages or in bytes,
// each with its overhead.
func TestStreamQueueLimit(t *testing.T) {
	size := len("{\"x\":1}\x00") + itemOverhead
	for _, tt := range []struct {
		opt  StreamOption
		want int
	}{
		{QueueLimit(1, 0), 1},
		{QueueLimit(2, 0), 2},
		{QueueLimit(32, 0), 32},
		{QueueLimit(0, 5*size), 5},
		{QueueLimit(0, 5*size-1), 4},
		{QueueLimit(3, 5*size), 3},
		{QueueLimit(0, 1), 1},
	} {
		t.Run(fmt.Sprint(tt.opt), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c, p := newPeer(t)
				stream, req := openStream(t, c, p, t.Context(), "svc.watch", tt.opt)
				for range tt.want {
					item(p, req, 1)
				}
				for range tt.want + 1 { // at the limit one by one goes on for ever
					wantPoints(t, stream, 1, 1)
					item(p, req, 1)
				}
				item(p, req, 1)
				wantMessage(t, p.Want("svc.cancel"), wireCancel("svc.cancel", req))
				item(p, req, 1)
				for range tt.want {
					wantPoints(t, stream, 1, 1)
				}
				wantEnd(t, stream, ErrSlowConsumer)
				p.Refuse(req, uint32(ENODATA), "")
			})
		})
	}
}

// The terminal item arrives also when the consumer is stalled at that moment.
func TestStalledStreamEnds(t *testing.T) {
	for _, limit := range []int{1, 5, 32, 33, 100} {
		inBubble(t, func(t *testing.T) {
			c, p := newPeer(t)
			clean, req1 := openStream(t, c, p, t.Context(), "svc.watch", QueueLimit(limit, plenty))
			failed, req2 := openStream(t, c, p, t.Context(), "svc.watch", QueueLimit(limit, plenty))
			for i := 1; i <= limit; i++ {
				item(p, req1, i)
				item(p, req2, i)
			}
			p.Refuse(req1, uint32(ENODATA), "")
			p.Refuse(req2, uint32(EIO), "disk on fire")
			synctest.Wait()
			wantStats(t, c, 0, 0)
			p.WantNothing(c)
			wantPoints(t, clean, 1, limit)
			wantClean(t, clean)
			wantPoints(t, failed, 1, limit)
			wantEnd(t, failed, EIO)
		})
	}
}

// A service that breaks the rules harms no call and no stream but its own.
func TestStreamViolations(t *testing.T) {
	plain := func(m *codec.Message) *codec.Message {
		m = new(*m)
		m.Flags &^= codec.FlagStreaming
		return m
	}
	for _, tt := range []struct {
		name   string
		offend func(p *peertest.Peer, req *codec.Message)
		// The stream gets items 1 to last, then this end.
		last        int
		err         error
		late, stray uint64
	}{
		{"items after the end", func(p *peertest.Peer, req *codec.Message) {
			item(p, req, 1)
			p.Refuse(req, uint32(ENODATA), "")
			item(p, req, 2)
			item(p, req, 3)
		}, 1, nil, 0, 2},
		{"two ends", func(p *peertest.Peer, req *codec.Message) {
			p.Refuse(req, uint32(ENODATA), "")
			p.Refuse(req, uint32(ENODATA), "")
			p.Refuse(req, uint32(EIO), "and again")
		}, 0, nil, 0, 2},
		{"an error and then the end", func(p *peertest.Peer, req *codec.Message) {
			p.Refuse(req, uint32(EIO), "")
			p.Refuse(req, uint32(ENODATA), "")
		}, 0, EIO, 0, 1},
		{"an error without a tag", func(p *peertest.Peer, req *codec.Message) {
			lost := *req
			lost.Matchtag = 0
			item(p, req, 1)
			p.Refuse(&lost, uint32(EIO), "whose?")
			item(p, req, 2)
			p.Refuse(req, uint32(ENODATA), "")
		}, 2, nil, 0, 1},
		{"tags that nobody has", func(p *peertest.Peer, req *codec.Message) {
			for _, tag := range []uint32{1000, 1<<31 - 1, 1 << 31, 1<<32 - 1} {
				other := *req
				other.Matchtag = tag
				item(p, &other, 9)
				p.Refuse(&other, uint32(EIO), "whose?")
			}
			p.Refuse(req, uint32(ENODATA), "")
		}, 0, nil, 0, 8},
		{"success without the streaming flag", func(p *peertest.Peer, req *codec.Message) {
			item(p, req, 1)
			item(p, plain(req), 2)
			item(p, req, 3)
			p.Refuse(req, uint32(ENODATA), "")
		}, 2, nil, 0, 2},
		{"with routes left in it", func(p *peertest.Peer, req *codec.Message) {
			routed := *req
			routed.Routes = codec.MakeRoutes("someone else")
			item(p, &routed, 9)
			p.Refuse(&routed, uint32(EIO), "")
			item(p, req, 1)
			p.Refuse(req, uint32(ENODATA), "")
		}, 1, nil, 0, 2},
		{"flags and topic of another kind", func(p *peertest.Peer, req *codec.Message) {
			odd := *req
			odd.Topic = "other.topic"
			odd.Flags |= codec.FlagPrivate | codec.FlagUpstream | codec.FlagUser1 | codec.FlagNoResponse
			item(p, &odd, 1)
			p.Refuse(&odd, uint32(ENODATA), "")
		}, 1, nil, 0, 0},
		{"control messages and events in between", func(p *peertest.Peer, req *codec.Message) {
			p.Send(&codec.Message{Type: codec.TypeControl, UserID: codec.UserIDUnknown, ControlType: 1})
			item(p, req, 1)
			p.Send(&codec.Message{Type: codec.TypeEvent, Flags: codec.FlagTopic, Topic: "none.asked"})
			p.Refuse(req, uint32(ENODATA), "")
		}, 1, nil, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c, p := newPeer(t)
				bystander, other := openStream(t, c, p, t.Context(), "good.watch")
				call := c.Go(t.Context(), "good.call", nil)
				callReq := p.Want("good.call")
				item(p, other, 1)

				stream, req := openStream(t, c, p, t.Context(), "svc.watch")
				tt.offend(p, req)
				wantPoints(t, stream, 1, tt.last)
				if tt.err != nil {
					wantEnd(t, stream, tt.err)
				} else {
					wantClean(t, stream)
				}

				item(p, other, 2)
				item(p, callReq, 5)
				if r := <-call; r.Err() != nil {
					t.Errorf("the call failed: %v", r.Err())
				}
				wantPoints(t, bystander, 1, 2)
				p.Refuse(other, uint32(ENODATA), "")
				wantClean(t, bystander)
				synctest.Wait()
				wantStats(t, c, 0, 0)
				if s := c.Stats(); s.Late != tt.late || s.Stray != tt.stray {
					t.Errorf("%d late and %d stray responses, want %d and %d", s.Late, s.Stray, tt.late, tt.stray)
				}
				p.WantNothing(c)
			})
		})
	}
}

// A stream of replies to a call: the first is the answer, and the tag is not
// used again before the last.
func TestStreamOfRepliesToACall(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := newPeer(t)
		reply := c.Go(t.Context(), "svc.get", nil)
		req := p.Want("svc.get")
		streaming := *req
		streaming.Flags |= codec.FlagStreaming
		for i := range 4 {
			item(p, &streaming, i)
		}
		var got point
		if err := (<-reply).Decode(&got); err != nil || got.X != 0 {
			t.Errorf("the answer is %+v, %v, want the first reply", got, err)
		}
		synctest.Wait()
		wantStats(t, c, 0, 1)
		p.Refuse(&streaming, uint32(ENODATA), "")
		synctest.Wait()
		wantStats(t, c, 0, 0)
		if s := c.Stats(); s.Late != 4 || s.Responses != 1 {
			t.Errorf("%+v, want 1 response and 4 late ones", s)
		}
	})
}

// itemsLarge is the size of the largest of the items, in part.
const itemsLarge = 64 << 10

// Items are the same messages where hooks see them and where none do.
func TestItemsAlike(t *testing.T) {
	items := func(tooMuch int, opts ...DialOption) (got []string) {
		synctest.Test(t, func(t *testing.T) {
			f := newFront(t, append(opts, WithUserID(5), WithRoles(RoleUser), WithMaxMessage(tooMuch))...)
			mux := NewServeMux()
			mux.HandleFunc("calc.flow", func(_ context.Context, w Responder, _ *Request) error {
				for _, n := range []int{1, 0, 2, 254, 255, 256, 3000, 0, itemsLarge, 20_000, itemsLarge + 1, 2 * itemsLarge, 7} {
					if err := w.Send(peertest.Pattern(n)); (n >= tooMuch) != errors.Is(err, codec.ErrTooLarge) {
						t.Errorf("item of %d bytes: %v", n, err)
					}
				}
				return errors.Join(w.Send("text"), w.Send(point{1, 2}), w.Respond(point{3, 4}))
			})
			f.serve("calc", mux)
			for _, mods := range [][]requestMod{{streaming}, {streaming, quiet}, {streaming, from("other")}} {
				f.send("calc.flow", mods...)
				for _, m := range f.replies() {
					sum := 0
					for _, b := range m.Payload {
						sum = 31*sum + int(b)
					}
					m.Payload = m.Payload[:min(len(m.Payload), 20)]
					got = append(got, fmt.Sprintf("%+v, checksum %x", *m, sum))
				}
			}
			got = append(got, fmt.Sprint("sent: ", f.c.Stats().Sent))
		})
		return got
	}
	for tooMuch, want := range map[int]int{itemsLarge + 1000: 2*16 + 1, 10_000: 2*13 + 1} {
		alone, seen := items(tooMuch), items(tooMuch, WithHooks(Hooks{}))
		if diff := cmp.Diff(seen, alone); diff != "" || len(alone) != want {
			t.Errorf("%d lines, want %d: -seen +not seen\n%s", len(alone), want, diff)
		}
	}
}
