package flux

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/peertest"
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
func emit(p *peertest.Peer, topic string, first, last uint32) {
	for seq := first; seq <= last; seq++ {
		p.Event(topic, seq, nil, 0)
	}
}

func TestMatch(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := peertest.NewEventBroker()
		c, _ := servePeer(t, b.Handle)
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
		wantItems(t, b.TakeRequests(), []string{"+job"}) // the prefix, not the glob
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
		p.Event("a", 1, []byte("{\"x\":5}\x00"), codec.FlagPrivate)
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
		p.Send(&m)
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
		p.Send(&m)
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
			b := peertest.NewEventBroker()
			c, p := servePeer(t, b.Handle)
			n := taken(limit)
			slow := mustSubscribe(t, c, t.Context(), "a", QueueLimit(limit, 0))
			alone := mustSubscribe(t, c, t.Context(), "a.b", QueueLimit(limit, 0))
			other := mustSubscribe(t, c, t.Context(), "a")
			for seq := range n {
				emit(p, "a.b", seq+1, seq+1)
				synctest.Wait()
			}
			wantItems(t, b.TakeRequests(), []string{"+a", "+a.b"})
			emit(p, "a.b", n+1, n+1)
			synctest.Wait()
			wantItems(t, b.TakeRequests(), []string{"-a.b"})
			emit(p, "a.b", n+2, n+3)
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
		b := peertest.NewEventBroker()
		c, _ := servePeer(t, b.Handle)
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
		emit(p, "a", 1, 4)
		synctest.Wait()
		wantSeqs(t, events, 1, 4) // nothing lost below the limit
		emit(p, "a", 5, 14)
		synctest.Wait()
		wantGap(t, <-events, 6)
		wantSeqs(t, events, 11, 12)
		synctest.Wait()
		emit(p, "a", 15, 18) // 13 and 14 go
		emit(p, "b", 19, 100)
		synctest.Wait()
		wantGap(t, <-events, 2)
		wantSeqs(t, events, 15, 18)
		emit(p, "a", 101, 110)
		synctest.Wait()
		cancel()
		synctest.Wait()
		wantEventsAtMost(t, events, 1) // what the channel held
		emit(p, "a", 111, 120)
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
			p.Event("a", seq+1, make([]byte, 100), 0)
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
					emit(p, "a", 1, backlog)
					p.Close()
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
					emit(p, "a", 1, backlog)
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
		emit(p, "a", 1, 200)
		p.Close()
		synctest.Wait()
		c.Close() // the bubble notices goroutines that stay
	})
}

// The end of ctx is a clean end, whatever is queued.
func TestSubscriptionContextEnds(t *testing.T) {
	for _, backlog := range []uint32{0, 1, 32, 33, 500} {
		inBubble(t, func(t *testing.T) {
			b := peertest.NewEventBroker()
			c, p := servePeer(t, b.Handle)
			ctx, cancel := context.WithCancel(t.Context())
			events := mustSubscribe(t, c, ctx, "a")
			emit(p, "a", 1, backlog)
			synctest.Wait()
			cancel()
			synctest.Wait()
			last := uint32(0)
			for e := range events {
				if last++; e.Err() != nil || e.Seq() != last {
					t.Fatalf("received number %d, %v, want %d", e.Seq(), e.Err(), last)
				}
			}
			wantItems(t, b.TakeRequests(), []string{"+a", "-a"})
			wantEmpty(t, c)
		})
	}
}

// A ctx that cannot end leaves the subscription to Close.
func TestSubscriptionWithoutContext(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := newPeer(t, WithoutSubscribe())
		events := mustSubscribe(t, c, context.Background(), "a")
		emit(p, "a", 1, 3)
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
	emit(p, "a.topic", 1, events)
	wg.Wait()
}

// subModel is one subscriber of the property test.
type subModel struct {
	events <-chan Event
	cancel context.CancelFunc
	prefix string
	glob   string
	limit  int
	lossy  bool

	queue []int // numbers to receive yet; a gap of n is -n
	slow  bool  // the limit has ended it
	over  bool
}

func (s *subModel) live() bool { return !s.slow && !s.over }

func (s *subModel) publish(topic string, seq int) {
	if !s.live() || !strings.HasPrefix(topic, s.prefix) || s.glob != "" && !codec.Match(s.glob, topic) {
		return
	}
	gaps := 0
	if len(s.queue) > 0 && s.queue[0] < 0 {
		gaps = 1
	}
	if len(s.queue)-gaps < s.limit {
		s.queue = append(s.queue, seq)
		return
	}
	if !s.lossy {
		s.slow = true
		return
	}
	if gaps == 0 {
		s.queue = slices.Insert(s.queue, 0, 0)
	}
	s.queue[0]--
	s.queue = append(slices.Delete(s.queue, 1, 2), seq)
}

// receive receives one item, which must be there.
func (s *subModel) receive(t *testing.T) {
	e, ok := <-s.events
	got := int(e.Seq())
	if gap, isGap := e.Err().(*GapError); isGap {
		got = -gap.Dropped
	}
	switch {
	case len(s.queue) > 0 && ok && got == s.queue[0]:
		s.queue = s.queue[1:]
	case len(s.queue) == 0 && s.slow && ok:
		wantErr(t, e.Err(), ErrSlowConsumer)
		s.over = true
		if e, ok := <-s.events; ok {
			t.Fatalf("received %q, %v after the end", e.Topic(), e.Err())
		}
	default:
		t.Fatalf("received %d, %v, %t, want %v, slow %t", got, e.Err(), ok, s.queue, s.slow)
	}
}

// Random subscribing, unsubscribing, publishing and receiving does what the
// model says, and the broker has one subscription for each prefix in use.
func TestEventProperty(t *testing.T) {
	rounds := 80
	if testing.Short() {
		rounds = 20
	}
	for round := range rounds {
		r := rand.New(rand.NewPCG(11, uint64(round)))
		inBubble(t, func(t *testing.T) { playEvents(t, r) })
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
}

func playEvents(t *testing.T, r *rand.Rand) {
	b := peertest.NewEventBroker()
	c, _ := servePeer(t, b.Handle)
	prefixes := []string{"", "a", "a.b", "a.b.c", "b", "ab"}
	topics := []string{"a", "a.b", "a.b.c", "a.bc", "ab", "b", "b.c", "c"}
	globs := []string{"", "", "*", "a.*", "?", "*[bc]"}
	var subs []*subModel
	seq := 0
	for range 20 + r.IntN(200) {
		switch n := r.IntN(100); {
		case n < 15 || len(subs) == 0:
			s := &subModel{
				prefix: prefixes[r.IntN(len(prefixes))], glob: globs[r.IntN(len(globs))],
				limit: 1 + r.IntN(32), lossy: r.IntN(2) == 0,
			}
			opts := []SubscribeOption{QueueLimit(s.limit, plenty), Match(s.glob)}
			if s.lossy {
				opts = append(opts, DropOldest())
			}
			var ctx context.Context
			ctx, s.cancel = context.WithCancel(t.Context())
			s.events = mustSubscribe(t, c, ctx, s.prefix, opts...)
			subs = append(subs, s)
		case n < 25:
			i := r.IntN(len(subs))
			synctest.Wait()
			subs[i].end(t)
			subs = slices.Delete(subs, i, i+1)
		case n < 70:
			for range 1 + r.IntN(10) {
				topic := topics[r.IntN(len(topics))]
				seq++
				wantPublish(t, c, uint32(seq), topic, nil)
				synctest.Wait() // an exact limit needs the feeders to be still
				for _, s := range subs {
					s.publish(topic, seq)
				}
			}
		default:
			s := subs[r.IntN(len(subs))]
			for k := r.IntN(20); k > 0 && !s.over && (len(s.queue) > 0 || s.slow); k-- {
				s.receive(t)
				synctest.Wait()
			}
		}
		synctest.Wait()
		checkBroker(t, b, subs)
	}
	for _, s := range subs {
		for len(s.queue) > 0 || s.slow && !s.over {
			s.receive(t)
		}
		s.end(t)
	}
	synctest.Wait()
	checkBroker(t, b, nil)
	wantEmpty(t, c)
}

// end ends the ctx; what the channel holds may still come, and then a clean end
// unless the other one was there first.
func (s *subModel) end(t *testing.T) {
	s.cancel()
	synctest.Wait()
	for e := range s.events {
		if e.Err() == nil && len(s.queue) > 0 && int(e.Seq()) == s.queue[0] {
			s.queue = s.queue[1:]
		} else if gap, ok := e.Err().(*GapError); ok && len(s.queue) > 0 && -gap.Dropped == s.queue[0] {
			s.queue = s.queue[1:]
		} else {
			wantErr(t, e.Err(), ErrSlowConsumer)
		}
	}
}

func checkBroker(t *testing.T, b *peertest.EventBroker, subs []*subModel) {
	t.Helper()
	want := make(map[string]int)
	for _, s := range subs {
		if s.live() {
			want[s.prefix] = 1
		}
	}
	if subs := b.Subscriptions(); fmt.Sprint(subs) != fmt.Sprint(want) {
		t.Errorf("the broker has %v, want %v", subs, want)
	}
}

// pulses sends heartbeats every d, n of them, with the numbers from first on.
func pulses(p *peertest.Peer, first uint32, n int, d time.Duration) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for i := range n {
		<-tick.C
		p.Event(heartbeatTopic, first+uint32(i), nil, 0)
	}
}

// beats takes n heartbeats and returns their numbers and when they came.
func beats(t *testing.T, c *Client, minimum time.Duration, n int) (seqs []int, at []time.Duration) {
	t.Helper()
	start := time.Now()
	for e, err := range c.SyncHeartbeat(t.Context(), minimum) {
		if err != nil {
			t.Fatal(err)
		}
		seqs, at = append(seqs, int(e.Seq())), append(at, time.Since(start))
		if len(seqs) == n {
			break
		}
	}
	return seqs, at
}

func TestSyncHeartbeatMinimum(t *testing.T) {
	for _, tt := range []struct {
		minimum time.Duration
		want    []int
	}{
		{0, []int{1, 2, 3, 4}},
		{time.Second, []int{1, 2, 3, 4}},
		{2 * time.Second, []int{1, 2, 3, 4}},
		{2*time.Second + 1, []int{1, 3, 5, 7}},
		{3 * time.Second, []int{1, 3, 5, 7}},
		{4 * time.Second, []int{1, 3, 5, 7}},
		{5 * time.Second, []int{1, 4, 7, 10}},
		{-time.Second, []int{1, 2, 3, 4}},
	} {
		t.Run(tt.minimum.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				b := peertest.NewEventBroker()
				c, p := servePeer(t, b.Handle)
				done := make(chan struct{})
				go func() { defer close(done); pulses(p, 1, 12, 2*time.Second) }()
				seqs, at := beats(t, c, tt.minimum, len(tt.want))
				wantItems(t, seqs, tt.want)
				for i, when := range at {
					if want := time.Duration(tt.want[i]) * 2 * time.Second; when != want {
						t.Errorf("heartbeat %d came at %s, want %s", seqs[i], when, want)
					}
				}
				synctest.Wait()
				wantItems(t, b.TakeRequests(), []string{"+" + heartbeatTopic, "-" + heartbeatTopic})
				wantEmpty(t, c)
				<-done
			})
		})
	}
}

// Only the owner's heartbeats count, each once, and only under their full name.
func TestSyncHeartbeatFilters(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := newPeer(t, WithoutSubscribe())
		go func() {
			synctest.Wait() // until the loop waits
			p.Event(heartbeatTopic+"s", 1, nil, 0)
			guest := codec.NewEvent(heartbeatTopic)
			guest.UserID, guest.Rolemask, guest.Sequence = 1234, uint32(RoleUser|RoleLocal), 2
			p.Send(guest)
			p.Event(heartbeatTopic, 3, nil, 0)
			p.Event(heartbeatTopic, 3, nil, 0)
			p.Event(heartbeatTopic, 2, nil, 0)
			p.Event(heartbeatTopic, 9, nil, 0)
		}()
		seqs, _ := beats(t, c, 0, 2)
		wantItems(t, seqs, []int{3, 9})
	})
}

// A loop that is slower than the heart sees the newest beats, not old ones.
func TestSyncHeartbeatSlowLoop(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := newPeer(t, WithoutSubscribe())
		go func() {
			synctest.Wait()
			emit(p, heartbeatTopic, 1, 1)
		}()
		var got []int
		for e, err := range c.SyncHeartbeat(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, int(e.Seq()))
			if len(got) == 1 {
				emit(p, heartbeatTopic, 2, 100)
				synctest.Wait()
			}
			if e.Seq() == 100 {
				break
			}
		}
		wantItems(t, got, []int{1, 93, 94, 95, 96, 97, 98, 99, 100})
	})
}

func TestSyncHeartbeatEnds(t *testing.T) {
	one := errors.New("one")
	for _, tt := range []struct {
		name string
		end  func(c *Client, p *peertest.Peer, cancel context.CancelCauseFunc)
		want error
	}{
		{"ctx", func(c *Client, p *peertest.Peer, cancel context.CancelCauseFunc) { cancel(one) }, nil},
		{"Close", func(c *Client, p *peertest.Peer, cancel context.CancelCauseFunc) { c.Close() }, ErrClosed},
		{"loss", func(c *Client, p *peertest.Peer, cancel context.CancelCauseFunc) { p.Close() }, ErrConnLost},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c, p := newPeer(t, WithoutSubscribe())
				ctx, cancel := context.WithCancelCause(t.Context())
				go func() {
					synctest.Wait()
					p.Event(heartbeatTopic, 1, nil, 0)
					synctest.Wait()
					tt.end(c, p, cancel)
				}()
				var errs []error
				n := 0
				for _, err := range c.SyncHeartbeat(ctx, 0) {
					if n++; err != nil {
						errs = append(errs, err)
					}
				}
				switch {
				case tt.want == nil && (n != 1 || len(errs) > 0):
					t.Errorf("%d items, errors %v, want 1 and none", n, errs)
				case tt.want != nil && (n != 2 || len(errs) != 1):
					t.Errorf("%d items, errors %v, want 2 and one", n, errs)
				case tt.want != nil:
					wantErr(t, errs[0], tt.want)
				}
			})
		})
	}
}

func TestSyncHeartbeatRefused(t *testing.T) {
	c, p := newPeer(t)
	go func() { p.Refuse(p.Want("event.subscribe"), uint32(EPERM), "") }()
	n := 0
	for e, err := range c.SyncHeartbeat(t.Context(), 0) {
		wantErr(t, err, EPERM)
		wantErr(t, e.Err(), errNoEvent)
		n++
	}
	if n != 1 {
		t.Errorf("%d items, want 1", n)
	}
}

// After a reconnect another instance may be numbering.
func TestSyncHeartbeatAfterGap(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := newPeer(t, WithoutSubscribe())
		go func() {
			synctest.Wait()
			p.Event(heartbeatTopic, 50, nil, 0)
			synctest.Wait()
			c.c.mu.Lock()
			sub := c.c.subs.topics[heartbeatTopic].subscribers[0]
			c.c.mu.Unlock()
			sub.out.Mark(failedEvent(&GapError{Dropped: -1, Cause: ErrConnLost}))
			p.Event(heartbeatTopic, 2, nil, 0)
		}()
		seqs, _ := beats(t, c, 0, 2)
		wantItems(t, seqs, []int{50, 2})
	})
}
