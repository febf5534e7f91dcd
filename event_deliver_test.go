package flux

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
)

// wantSeqs receives events with the numbers from first to last.
func wantSeqs(t testing.TB, events <-chan Event, first, last uint32) {
	t.Helper()
	for seq := first; seq <= last; seq++ {
		e, ok := <-events
		if !ok || e.Err() != nil || e.Seq() != seq {
			t.Fatalf("received number %d, %v, %t, want %d", e.Seq(), e.Err(), ok, seq)
		}
	}
}

// wantEventsEnd receives the last item, an error, or none for nil, and then the
// end of the channel.
func wantEventsEnd(t testing.TB, events <-chan Event, want error) {
	t.Helper()
	if want != nil {
		e, ok := <-events
		if !ok {
			t.Fatalf("the subscription ended clean, want %v", want)
		}
		wantErr(t, e.Err(), want)
	}
	if e, ok := <-events; ok {
		t.Fatalf("received %q, %v, want the end", e.Topic(), e.Err())
	}
}

func wantGap(t testing.TB, e Event, dropped int) {
	t.Helper()
	var gap *GapError
	if !errors.As(e.Err(), &gap) || gap.Dropped != dropped || !errors.Is(gap, ErrSlowConsumer) {
		t.Fatalf("received %q, %v, want a gap of %d", e.Topic(), e.Err(), dropped)
	}
}

// emit sends the events with the numbers from first to last.
func (p *peer) emit(topic string, first, last uint32) {
	for seq := first; seq <= last; seq++ {
		p.event(topic, seq, nil, 0)
	}
}

func TestMatch(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newEventBroker()
		c, _ := servePeer(t, b.handle)
		globs := map[string][]uint32{
			"":              {1, 2, 3, 4},
			"*":             {1, 2, 3, 4},
			"job.start":     {1},
			"job.*":         {1, 2},
			"job?start":     {1, 4},
			"*.[es]*":       {1, 2},
			"other.*":       nil,
			"job":           nil, // no prefix, the whole topic
			"job.[!a-r]*":   {1},
			"job-state.?ew": {3},
		}
		subs := make(map[string]<-chan Event)
		for glob := range globs {
			subs[glob] = mustSubscribe(t, c, t.Context(), "job", Match(glob))
		}
		wantItems(t, b.requests(), []string{"+job"}) // the prefix, not the glob
		for i, topic := range []string{"job.start", "job.end", "job-state.new", "job-start", "unrelated"} {
			wantPublish(t, c, uint32(i+1), topic, nil)
		}
		for glob, want := range globs {
			var got []uint32
			for len(subs[glob]) > 0 {
				got = append(got, (<-subs[glob]).Seq())
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("glob %q lets numbers %v through, want %v", glob, got, want)
			}
		}
	})
}

// All subscribers share one event's bytes.
func TestEventBytesAreShared(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := newPeer(t, WithoutSubscribe())
		one := mustSubscribe(t, c, t.Context(), "a")
		two := mustSubscribe(t, c, t.Context(), "")
		p.event("a", 1, []byte("{\"x\":5}\x00"), codec.FlagPrivate)
		a, _ := (<-one).Bytes()
		b, _ := (<-two).Bytes()
		if &a[0] != &b[0] || len(a) != len(b) {
			t.Error("two subscribers have different bytes")
		}
	})
}

func TestEventAccessors(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := newPeer(t, WithoutSubscribe())
		events := mustSubscribe(t, c, t.Context(), "")
		m := codec.Message{
			Type: codec.TypeEvent, Flags: codec.FlagTopic | codec.FlagRoute | codec.FlagPrivate,
			UserID: 4294967294, Rolemask: 6, Sequence: 1<<32 - 1, Topic: "a.b", Payload: []byte("{\"x\":5,\"z\":1}\x00"),
		}
		p.send(&m)
		e := <-events
		wantedEvent{"a.b", 1<<32 - 1, string(m.Payload), true, 4294967294, RoleUser | RoleLocal}.check(t, e)
		var got point
		if err := e.Decode(&got); err != nil || got.X != 5 {
			t.Errorf("decoded %+v, %v", got, err)
		}
		if err := e.DecodeStrict(&got); err == nil {
			t.Error("DecodeStrict accepts an unknown member")
		}
		if s, err := e.Text(); err != nil || s != `{"x":5,"z":1}` {
			t.Errorf("text is %q, %v", s, err)
		}
		// The empty topic and an empty payload part.
		m.Topic, m.Flags, m.Payload = "", codec.FlagTopic|codec.FlagPayload, []byte{}
		p.send(&m)
		e = <-events
		if b, err := e.Bytes(); e.Topic() != "" || e.Private() || err != nil || len(b) > 0 || !e.Message().HasPayload() {
			t.Errorf("event %+v, payload %q, %v", e.Message(), b, err)
		}
		wantErr(t, e.Decode(&got), codec.ErrPayload)
	})
}

// taken is how many items are accepted for a consumer that does not read: behind a
// channel that is full, one that is on its way does not count.
func taken(limit int) uint32 {
	if limit > 32 {
		limit++
	}
	return uint32(limit)
}

// A slow subscriber ends, with what was accepted, and its prefix is given back;
// others of the same prefix go on.
func TestSlowSubscriber(t *testing.T) {
	for _, limit := range []int{1, 32, 33, 200} {
		inBubble(t, func(t *testing.T) {
			b := newEventBroker()
			c, p := servePeer(t, b.handle)
			n := taken(limit)
			slow := mustSubscribe(t, c, t.Context(), "a", QueueLimit(limit, 0))
			alone := mustSubscribe(t, c, t.Context(), "a.b", QueueLimit(limit, 0))
			other := mustSubscribe(t, c, t.Context(), "a")
			for seq := range n {
				p.emit("a.b", seq+1, seq+1)
				synctest.Wait()
			}
			wantItems(t, b.requests(), []string{"+a", "+a.b"})
			p.emit("a.b", n+1, n+1)
			synctest.Wait()
			wantItems(t, b.requests(), []string{"-a.b"})
			p.emit("a.b", n+2, n+3)
			wantSeqs(t, slow, 1, n)
			wantEventsEnd(t, slow, ErrSlowConsumer)
			wantSeqs(t, alone, 1, n)
			wantEventsEnd(t, alone, ErrSlowConsumer)
			wantSeqs(t, other, 1, n+3)
			wantNoEvent(t, other)
		})
	}
}

// A consumer that does not read delays neither another nor a call.
func TestStalledSubscriber(t *testing.T) {
	events := uint32(20000)
	if testing.Short() {
		events = 2000
	}
	inBubble(t, func(t *testing.T) {
		b := newEventBroker()
		c, _ := servePeer(t, b.handle)
		stalled := mustSubscribe(t, c, t.Context(), "a", QueueLimit(100, 0))
		lossy := mustSubscribe(t, c, t.Context(), "a", QueueLimit(100, 0), DropOldest())
		reader := mustSubscribe(t, c, t.Context(), "a")
		var wg sync.WaitGroup
		wg.Go(func() { wantSeqs(t, reader, 1, events) })
		for i := range events { // each is a call
			if seq, err := c.Publish(t.Context(), "a", nil); err != nil || seq != i+1 {
				t.Fatalf("published %d, %v, want %d", seq, err, i+1)
			}
		}
		wg.Wait()
		wantSeqs(t, stalled, 1, taken(100))
		wantEventsEnd(t, stalled, ErrSlowConsumer)
		synctest.Wait()
		gap, ok := (<-lossy).Err().(*GapError)
		if !ok || gap.Dropped < int(events)-200 || gap.Dropped > int(events)-100 {
			t.Fatalf("the gap is %v, want one of about %d", gap, int(events)-100)
		}
		wantSeqs(t, lossy, uint32(gap.Dropped)+1, events)
	})
}

// DropOldest keeps the newest and says exactly how many are missing, and where.
func TestDropOldestEvents(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := newPeer(t, WithoutSubscribe())
		ctx, cancel := context.WithCancel(t.Context())
		events := mustSubscribe(t, c, ctx, "a", DropOldest(), QueueLimit(4, 0))
		p.emit("a", 1, 4)
		synctest.Wait()
		wantSeqs(t, events, 1, 4) // nothing lost below the limit
		p.emit("a", 5, 14)
		synctest.Wait()
		wantGap(t, <-events, 6)
		wantSeqs(t, events, 11, 12)
		synctest.Wait()
		p.emit("a", 15, 18) // 13 and 14 go
		p.emit("b", 19, 100)
		synctest.Wait()
		wantGap(t, <-events, 2)
		wantSeqs(t, events, 15, 18)
		p.emit("a", 101, 110)
		synctest.Wait()
		cancel()
		synctest.Wait()
		wantEventsAtMost(t, events, 1) // what the channel held
		p.emit("a", 111, 120)
		synctest.Wait()
		wantEmpty(t, c)
	})
}

// wantEventsAtMost receives up to n items and then a clean end.
func wantEventsAtMost(t testing.TB, events <-chan Event, n int) {
	t.Helper()
	for e := range events {
		if n--; n < 0 {
			t.Fatalf("received %q, %v, want the end", e.Topic(), e.Err())
		}
	}
}

// With DropOldest in bytes, the events count with their overhead.
func TestDropOldestEventBytes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := newPeer(t, WithoutSubscribe())
		events := mustSubscribe(t, c, t.Context(), "a", DropOldest(), QueueLimit(0, 3*(100+itemOverhead)))
		for seq := range uint32(10) {
			p.event("a", seq+1, make([]byte, 100), 0)
		}
		synctest.Wait()
		wantGap(t, <-events, 7)
		wantSeqs(t, events, 8, 10)
	})
}

// The end of the connection ends a subscription: after what was accepted if it
// was lost, at once if it was closed.
func TestSubscriptionConnectionEnds(t *testing.T) {
	for _, backlog := range []uint32{0, 1, 32, 33, 500} {
		for _, drop := range []bool{false, true} {
			var opts []SubscribeOption
			if drop {
				opts = append(opts, DropOldest())
			}
			t.Run(fmt.Sprint("lost ", backlog, drop), func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					c, p := newPeer(t, WithoutSubscribe())
					events := mustSubscribe(t, c, t.Context(), "a", opts...)
					p.emit("a", 1, backlog)
					p.close()
					synctest.Wait()
					wantSeqs(t, events, 1, backlog)
					wantEventsEnd(t, events, ErrConnLost)
					wantEmpty(t, c)
				})
			})
			t.Run(fmt.Sprint("closed ", backlog, drop), func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					c, p := newPeer(t, WithoutSubscribe())
					ctx, cancel := context.WithCancel(context.Background())
					defer cancel()
					events := mustSubscribe(t, c, ctx, "a", opts...)
					p.emit("a", 1, backlog)
					synctest.Wait()
					c.Close()
					synctest.Wait()
					last := uint32(0)
					for e := range events {
						if e.Err() != nil {
							wantErr(t, e.Err(), ErrClosed)
							wantEventsEnd(t, events, nil)
							return
						}
						if last++; e.Seq() != last {
							t.Fatalf("received number %d, want %d", e.Seq(), last)
						}
					}
					t.Error("the subscription ended clean")
				})
			})
		}
	}
}

// Close ends a subscription that has ended already, with a backlog that nobody
// receives.
func TestCloseWithStalledSubscriber(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := newPeer(t, WithoutSubscribe())
		mustSubscribe(t, c, context.Background(), "a", QueueLimit(100, 0))
		mustSubscribe(t, c, context.Background(), "a", QueueLimit(100, 0), DropOldest())
		mustSubscribe(t, c, context.Background(), "a")
		p.emit("a", 1, 200)
		p.close()
		synctest.Wait()
		c.Close() // the bubble notices goroutines that stay
	})
}

// The end of ctx is a clean end, whatever is queued.
func TestSubscriptionContextEnds(t *testing.T) {
	for _, backlog := range []uint32{0, 1, 32, 33, 500} {
		inBubble(t, func(t *testing.T) {
			b := newEventBroker()
			c, p := servePeer(t, b.handle)
			ctx, cancel := context.WithCancel(t.Context())
			events := mustSubscribe(t, c, ctx, "a")
			p.emit("a", 1, backlog)
			synctest.Wait()
			cancel()
			synctest.Wait()
			last := uint32(0)
			for e := range events {
				if last++; e.Err() != nil || e.Seq() != last {
					t.Fatalf("received number %d, %v, want %d", e.Seq(), e.Err(), last)
				}
			}
			wantItems(t, b.requests(), []string{"+a", "-a"})
			wantEmpty(t, c)
		})
	}
}

// A ctx that cannot end leaves the subscription to Close.
func TestSubscriptionWithoutContext(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := newPeer(t, WithoutSubscribe())
		events := mustSubscribe(t, c, context.Background(), "a")
		p.emit("a", 1, 3)
		wantSeqs(t, events, 1, 3)
		c.Close()
		wantEventsEnd(t, events, ErrClosed)
	})
}

func TestHundredSubscribers(t *testing.T) {
	subscribers, events := 100, uint32(10000)
	if testing.Short() {
		subscribers, events = 20, 1000
	}
	noLeaks(t)
	c, p := newPeer(t, WithoutSubscribe())
	var wg sync.WaitGroup
	for i := range subscribers {
		sub := mustSubscribe(t, c, t.Context(), "a.topic"[:i%8])
		wg.Go(func() { wantSeqs(t, sub, 1, events) })
	}
	p.emit("a.topic", 1, events)
	wg.Wait()
}
