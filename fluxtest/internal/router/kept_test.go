package router_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
)

// numbered are requests in one write, so that they share the reader's memory,
// and more after them to use that memory again.
func numbered(topic string, n int) []*codec.Message {
	list := make([]*codec.Message, n)
	for i := range list {
		list[i] = request(topic, uint32(i+1), obj{"n": i + 1})
	}
	return list
}

func checkNumbered(t *testing.T, what string, m *codec.Message) {
	t.Helper()
	if want := fmt.Sprintf("{\"n\":%d}\x00", m.Matchtag); string(m.Payload) != want {
		t.Errorf("%s %d has the payload %q", what, m.Matchtag, m.Payload)
	}
}

// What the broker keeps of a message outlives the reader's memory.
func TestKeptMessages(t *testing.T) {
	const n = 500
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		var kept []*fluxtest.Request
		b.HandleInline("late.x", func(r *fluxtest.Request) { kept = append(kept, r) })
		w, low := dialWire(t, b), dialWire(t, b, fluxtest.AtRank(1))
		for _, w := range []*wire{w, low} {
			kept = nil
			w.Send(numbered("late.x", n)...)
			w.Send(numbered("other.y", n)...)
			for w.Take() != nil { // all ENOSYS
			}
			if len(kept) != n {
				t.Fatalf("%d requests at the script", len(kept))
			}
			for _, r := range kept {
				checkNumbered(t, "request at the script", r.Message())
				r.Respond(r.Message().Payload)
				got := w.Take()
				if got == nil || got.Matchtag != r.Message().Matchtag {
					t.Fatalf("the answer to %d: %s", r.Message().Matchtag, show(got))
				}
				checkNumbered(t, "answer", got)
			}
		}
		for _, r := range b.Requests() {
			checkNumbered(t, "recorded request", r.Message)
		}
	}, fluxtest.Size(2))
}

// So it is with what is held to be overtaken, and shown to Match.
func TestHeldMessages(t *testing.T) {
	const n = 500
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		svc, cli := dialWire(t, b), dialWire(t, b)
		svc.Send(request("service.add", 1, obj{"service": "s"}))
		svc.Take()
		var shown []*codec.Message
		b.SetFaults(fluxtest.Faults{Seed: 1, Reorder: 0.5, DuplicateSent: 0.5, Match: func(m *codec.Message) bool {
			shown = append(shown, m)
			return m.Type == codec.TypeResponse
		}})
		cli.Send(numbered("s.x", n)...)
		var answers []*codec.Message
		for m := svc.Take(); m != nil; m = svc.Take() {
			checkNumbered(t, "forwarded request", m)
			a := codec.NewResponse(m)
			a.SetPayload(m.Payload)
			answers = append(answers, a)
		}
		svc.Send(answers...)
		advance(time.Minute)
		got := 0
		for m := cli.Take(); m != nil; m = cli.Take() {
			checkNumbered(t, "response", m)
			got++
		}
		if len(answers) != n || got <= n {
			t.Errorf("%d requests forwarded, %d responses", len(answers), got)
		}
		for _, m := range shown {
			checkNumbered(t, "message shown to Match", m)
		}
	})
}

// A link answers what was pending when it breaks.
func TestPendingMessages(t *testing.T) {
	const n = 500
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		b.HandleAt(1, "never.x", func(*fluxtest.Request) {})
		w := dialWire(t, b)
		for _, m := range numbered("never.x", n) {
			w.Send(at(m, 1))
		}
		w.Send(numbered("other.y", n)...)
		for w.Take() != nil {
		}
		b.LoseRank(1)
		seen := make(map[uint32]bool)
		for m := w.Take(); m != nil; m = w.Take() {
			if m.Errnum != 113 || m.Topic != "never.x" {
				t.Errorf("%s", show(m))
			}
			seen[m.Matchtag] = true
		}
		if len(seen) != n {
			t.Errorf("%d answers for %d requests", len(seen), n)
		}
	}, fluxtest.Size(2))
}
