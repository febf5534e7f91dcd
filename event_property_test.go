package flux

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
)

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
	b := newEventBroker()
	c, _ := servePeer(t, b.handle)
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

func checkBroker(t *testing.T, b *scriptedEvents, subs []*subModel) {
	t.Helper()
	want := make(map[string]int)
	for _, s := range subs {
		if s.live() {
			want[s.prefix] = 1
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if fmt.Sprint(b.subs) != fmt.Sprint(want) {
		t.Errorf("the broker has %v, want %v", b.subs, want)
	}
}
