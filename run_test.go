package flux

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/transport"
)

// burst sends messages as one write.
func (p *peer) burst(list []*codec.Message) {
	p.t.Helper()
	q := p.conn.(transport.Queuer)
	for _, m := range list {
		if err := q.Queue(m, false); err != nil {
			p.t.Fatal(err)
		}
	}
	q.Flush()
	synctest.Wait()
}

// outcomeOf is what comes of one random burst: the items of each stream, and the
// counters.
func outcomeOf(t *testing.T, seed uint64, opts ...DialOption) (got []string) {
	inBubble(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(seed, seed))
		c, p := newPeer(t, opts...)
		var streams []<-chan Response
		var open, requests []*codec.Message
		for i := range 3 {
			limit := QueueLimit(0, 0)
			if rng.IntN(3) == 0 {
				limit = QueueLimit(40, 0)
			}
			s, err := c.Stream(t.Context(), fmt.Sprint("svc.watch", i), nil, limit)
			if err != nil {
				t.Fatal(err)
			}
			streams, requests = append(streams, s), append(requests, p.recv())
		}
		open = slices.Clone(requests)
		var list []*codec.Message
		for len(open) > 0 {
			i := rng.IntN(len(open))
			for range rng.IntN(100) {
				m := brokerResponse(open[i])
				m.SetPayload(nil)
				if n := rng.IntN(12) - 1; n >= 0 {
					m.SetPayload(pattern([]int{0, 1, 2, 30, 30, 30, 30, 254, 255, 256, 5000}[n]))
				}
				if rng.IntN(50) == 0 {
					m.UserID = 7
				}
				list = append(list, m)
			}
			if rng.IntN(3) == 0 {
				m := brokerResponse(open[i])
				m.SetPayload(nil)
				m.Errnum = uint32([]Errno{ENODATA, EIO}[rng.IntN(2)])
				list = append(list, m)
				open = slices.Delete(open, i, i+1)
			}
		}
		p.burst(list)
		for i, s := range streams {
			n := 0
			for r := range s {
				text := fmt.Sprint(i, n, r.Err())
				if m := r.Message(); m != nil {
					text += fmt.Sprintf(" %+v", *m)
				}
				got = append(got, text)
				n++
			}
		}
		s := c.Stats()
		got = append(got, fmt.Sprintf("%+v", s))
	})
	return got
}

// Items that come together are received as those that come one by one, whatever
// is between them and whoever is too slow.
func TestStreamRuns(t *testing.T) {
	for seed := range uint64(12) {
		single := outcomeOf(t, seed, WithHooks(Hooks{}))
		if diff := cmp.Diff(single, outcomeOf(t, seed)); diff != "" {
			t.Fatalf("seed %d: -one by one +together\n%s", seed, diff)
		}
	}
}

// A consumer that is too slow is found in the middle of a run.
func TestStreamRunTooSlow(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := newPeer(t)
		s, err := c.Stream(t.Context(), "svc.watch", nil, QueueLimit(10, 0))
		if err != nil {
			t.Fatal(err)
		}
		req := p.recv()
		p.burst(slices.Repeat([]*codec.Message{brokerResponse(req)}, 100))
		n := 0
		for r := range s {
			if err = r.Err(); err == nil {
				n++
			}
		}
		if n != 10 || !errors.Is(err, ErrSlowConsumer) {
			t.Errorf("%d items and %v", n, err)
		}
		if s := c.Stats(); s.Responses != 11 || s.Late != 89 || s.Received != 100 || s.Retired != 1 {
			t.Errorf("%+v", s)
		}
	})
}
