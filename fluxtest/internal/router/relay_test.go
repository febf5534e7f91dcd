package router_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
)

// traffic is what some clients of a broker got, in order, and what the broker
// counted, for one random sequence of messages that have much in common.
func traffic(t *testing.T, seed uint64, opts ...fluxtest.Option) (got []string) {
	opts = append(opts, fluxtest.Size(2), fluxtest.Seed(1))
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		rng := rand.New(rand.NewPCG(seed, seed))
		pick := func(list ...int) int { return list[rng.IntN(len(list))] }
		service := dialWire(t, b)
		service.Call(request("service.add", 1, obj{"service": "svc"}))
		near := dialWire(t, b)
		wires := []*wire{near, dialWire(t, b, fluxtest.AtRank(1)), service}
		for range 4 {
			for _, w := range wires[:2] {
				w.Send(requests(rng, pick)...)
			}
			var replies []*codec.Message
			for m := service.Take(); m != nil; m = service.Take() {
				got = append(got, "service: "+fmt.Sprint(*m))
				if m.Flags&codec.FlagNoResponse == 0 {
					replies = append(replies, answers(m, rng)...)
				}
			}
			service.Send(replies...)
			for i, w := range wires {
				for m := w.Take(); m != nil; m = w.Take() {
					got = append(got, fmt.Sprint(i, *m))
				}
			}
		}
		for _, w := range wires[:2] {
			got = append(got, show(w.Call(request("broker.stats-get", 1, nil))))
		}
	}, opts...)
	return got
}

// requests are a few hundred that come in one write, mostly in runs of one kind.
func requests(rng *rand.Rand, pick func(...int) int) (list []*codec.Message) {
	topics := []string{"svc.echo", "svc.echo", "svc.other", "svc", "attr.get", "nobody.x"}
	for len(list) < 300 {
		topic, nodeid := topics[rng.IntN(len(topics))], uint32(pick(-1, -1, 0, 1))
		var flags codec.Flags
		if rng.IntN(4) == 0 {
			flags = []codec.Flags{codec.FlagNoResponse, codec.FlagStreaming, codec.FlagUser1}[rng.IntN(3)]
		}
		for range pick(1, 2, 3, 70, 150) {
			m := flagged(at(request(topic, uint32(len(list)+1), nil), nodeid), flags)
			if n := pick(-1, 0, 1, 30, 30, 254, 255, 2000); n >= 0 {
				m.SetPayload(make([]byte, n))
			}
			if rng.IntN(20) == 0 {
				m.UserID, m.Rolemask = uint32(rng.IntN(2)), uint32(rng.IntN(2))
			}
			if rng.IntN(20) == 0 {
				m.Routes = codec.MakeRoutes("behind")
			}
			list = append(list, m)
		}
	}
	return list
}

// answers are the replies to a request, a stream of many among them.
func answers(m *codec.Message, rng *rand.Rand) (list []*codec.Message) {
	r := codec.NewResponse(m)
	r.SetPayload(m.Payload)
	if m.Flags&codec.FlagStreaming != 0 {
		list = slices.Repeat([]*codec.Message{r}, rng.IntN(5))
		r = codec.NewResponse(m)
		r.Errnum = 61
	}
	return append(list, r)
}

// What is passed on without being decoded is what it would be.
func TestRelayedTraffic(t *testing.T) {
	for seed := range uint64(8) {
		seen := traffic(t, seed)
		if len(seen) < 1000 {
			t.Fatalf("seed %d: %d messages came", seed, len(seen))
		}
		if diff := cmp.Diff(seen, traffic(t, seed, fluxtest.Record(0))); diff != "" {
			t.Fatalf("seed %d: -seen by the recorder +not seen\n%s", seed, diff)
		}
	}
}

// What is passed on unseen counts as what waits for a client does.
func TestRelayedBacklog(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		service := dialWire(t, b)
		service.Call(request("service.add", 1, obj{"service": "svc"}))
		w := dialWire(t, b)
		b.Conns()[0].Stall(fluxtest.Writes)
		w.Send(numbered("svc.echo", 100)...)
		m := w.Call(request("connector-local.stats-get", 1, nil))
		var stats struct {
			Server struct {
				Clients []struct {
					Tx      int `json:"txcount"`
					Backlog int `json:"rxbacklog"`
				} `json:"clients"`
			} `json:"server"`
		}
		if err := json.Unmarshal(bytes.TrimRight(m.Payload, "\x00"), &stats); err != nil || len(stats.Server.Clients) != 2 {
			t.Fatalf("%s: %v", show(m), err)
		}
		if got := stats.Server.Clients[0].Backlog; got != 100 {
			t.Errorf("%d requests wait for the service, want 100", got)
		}
		if got := stats.Server.Clients[1].Tx; got != 101 {
			t.Errorf("%d requests came from the client, want 101", got)
		}
	}, fluxtest.Record(0))
}

// A service that has moved, and faults that have come, are found by the next
// message.
func TestRelayChanges(t *testing.T) {
	const n = 100
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		first, second, w := dialWire(t, b), dialWire(t, b), dialWire(t, b)
		count := func(s *wire) (n int) {
			for s.Take() != nil {
				n++
			}
			return n
		}
		first.Call(request("service.add", 1, obj{"service": "svc"}))
		w.Send(numbered("svc.echo", n)...)
		if got := count(first); got != n {
			t.Errorf("%d requests at the service, want %d", got, n)
		}
		first.Call(request("service.remove", 1, obj{"service": "svc"}))
		second.Call(request("service.add", 1, obj{"service": "svc"}))
		w.Send(numbered("svc.echo", n)...)
		if old, got := count(first), count(second); old != 0 || got != n {
			t.Errorf("%d requests where the service was, %d where it is", old, got)
		}
		b.Conns()[1].SetFaults(fluxtest.Faults{Duplicate: 1})
		w.Send(numbered("svc.echo", n)...)
		if got := count(second); got != 2*n {
			t.Errorf("%d requests of %d that come twice", got, n)
		}
		b.Conns()[1].SetFaults(fluxtest.Faults{})
		b.Conns()[2].SetFaults(fluxtest.Faults{DropSent: 1})
		w.Send(numbered("svc.echo", n)...)
		if got := count(second); got != 0 {
			t.Errorf("%d requests of a client all of whose messages are lost", got)
		}
	}, fluxtest.Record(0))
}

// Across ranks, every request is remembered until it is answered.
func TestRelayedAcrossRanks(t *testing.T) {
	const n = 100
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		service, w := dialWire(t, b, fluxtest.AtRank(1)), dialWire(t, b)
		service.Call(request("service.add", 1, obj{"service": "svc"}))
		list := numbered("svc.echo", n)
		for _, m := range list {
			at(m, 1)
		}
		w.Send(list...)
		w.None()
		b.LoseRank(1)
		got := 0
		for m := w.Take(); m != nil; m = w.Take() {
			if got++; m.Errnum != 113 {
				t.Errorf("%s", show(m))
			}
		}
		if got != n {
			t.Errorf("%d answers for %d requests", got, n)
		}
	}, fluxtest.Size(2), fluxtest.Record(0))
}

// A message that the faults of its receiver hold up stays what it was while its
// sender goes on.
func TestHeldMessageIsKept(t *testing.T) {
	const n = 200
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		service, w := dialWire(t, b), dialWire(t, b)
		service.Call(request("service.add", 1, obj{"service": "svc"}))
		b.Conns()[0].SetFaults(fluxtest.Faults{Reorder: 1})
		for i := range n {
			m := request("svc.echo", uint32(i+1), nil)
			m.SetPayload(fmt.Appendf(nil, "%04d", i+1))
			w.Send(m)
			w.None() // each comes to the broker by itself
		}
		advance(time.Minute)
		got := 0
		for m := service.Take(); m != nil; m = service.Take() {
			got++
			if want := fmt.Sprintf("%04d", m.Matchtag); string(m.Payload) != want {
				t.Errorf("request %s has the payload %q", want, m.Payload)
			}
		}
		if got != n {
			t.Errorf("%d requests came, want %d", got, n)
		}
	}, fluxtest.Record(0))
}
