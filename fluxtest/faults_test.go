package fluxtest_test

import (
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
)

// tags sends n requests and returns the tags of the answers, in order.
func tags(w *wire, n int) []uint32 {
	var list []*codec.Message
	for i := range n {
		list = append(list, request("attr.get", uint32(i+1), obj{"name": "rank"}))
	}
	w.Send(list...)
	advance(time.Minute) // whatever is held comes
	var out []uint32
	for m := w.Take(); m != nil; m = w.Take() {
		out = append(out, m.Matchtag)
	}
	return out
}

func TestMessageFaults(t *testing.T) {
	run := func(f fluxtest.Faults) (got []uint32) {
		bubble(t, func(t *testing.T, b *fluxtest.Broker) {
			w := dialWire(t, b)
			b.SetFaults(f)
			got = tags(w, 200)
			b.SetFaults(fluxtest.Faults{})
			if after := tags(w, 3); !slices.Equal(after, []uint32{1, 2, 3}) {
				t.Errorf("healed, but %v", after)
			}
		})
		return got
	}
	all := func(p float64) fluxtest.Faults { return fluxtest.Faults{Seed: 1, Drop: p} }
	if got := run(all(1)); len(got) != 0 {
		t.Errorf("all dropped, but %v", got)
	}
	if got := run(all(0.5)); len(got) < 60 || len(got) > 140 || !slices.IsSorted(got) {
		t.Errorf("half dropped: %v", got)
	}
	if got := run(fluxtest.Faults{Seed: 1, DropSent: 0.5}); len(got) < 60 || len(got) > 140 || !slices.IsSorted(got) {
		t.Errorf("half dropped on the way in: %v", got)
	}
	if !slices.Equal(run(all(0.5)), run(all(0.5))) {
		t.Errorf("the same seed gives different faults")
	}
	if slices.Equal(run(all(0.5)), run(fluxtest.Faults{Seed: 2, Drop: 0.5})) {
		t.Errorf("different seeds give the same faults")
	}
	for _, f := range []fluxtest.Faults{{Duplicate: 0.5}, {DuplicateSent: 0.5}} {
		if got := run(f); len(got) < 260 || len(got) > 340 || !slices.IsSorted(got) ||
			len(slices.Compact(got)) != 200 {
			t.Errorf("half doubled: %v", got)
		}
	}
	got := run(fluxtest.Faults{Reorder: 0.5})
	if slices.IsSorted(got) {
		t.Errorf("nothing out of order")
	}
	for i, tag := range got {
		if d := int(tag) - 1 - i; d < -1 || d > 1 {
			t.Errorf("tag %d at place %d", tag, i)
		}
	}
	if slices.Sort(got); len(slices.Compact(got)) != 200 {
		t.Errorf("lost: %v", got)
	}
	only := fluxtest.Faults{Drop: 1, Match: func(m *codec.Message) bool { return m.Matchtag == 7 }}
	if got := run(only); len(got) != 199 || slices.Contains(got, 7) {
		t.Errorf("only 7 dropped, but %v", got)
	}
}

// Within a stream, and among events, reordering changes nothing.
func TestReorderKeepsStreams(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		b.HandleInline("calc.watch", func(r *fluxtest.Request) {
			for i := range 50 {
				r.Respond(obj{"i": i})
			}
			r.End()
		})
		w := dialWire(t, b)
		subscribed(t, w, "e")
		b.SetFaults(fluxtest.Faults{Seed: 3, Reorder: 0.5})
		w.Send(flagged(request("calc.watch", 1, nil), codec.FlagStreaming))
		for range 50 {
			b.Emit("e", nil)
		}
		advance(time.Minute)
		i, seq := 0, uint32(0)
		for m := w.Take(); m != nil; m = w.Take() {
			switch {
			case m.Type == codec.TypeEvent:
				if m.Sequence != seq+1 {
					t.Errorf("event %d after %d", m.Sequence, seq)
				}
				seq++
			case m.Errnum != 0:
				i++
			default:
				want(t, m, 0, fmt.Sprintf(`{"i":%d}`, i))
				i++
			}
		}
		if i != 51 || seq != 50 {
			t.Errorf("%d responses, %d events", i, seq)
		}
	})
}

func TestByteFaults(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		w := dialWire(t, b)
		b.SetFaults(fluxtest.Faults{Seed: 1, MaxWrite: 3})
		if got := tags(w, 50); len(got) != 50 || !slices.IsSorted(got) {
			t.Errorf("in pieces: %v", got)
		}

		// The latency goes by on the way in and on the way out.
		b.SetFaults(fluxtest.Faults{Latency: time.Second})
		tags(w, 1) // the read that waits has no latency yet
		start := time.Now()
		w.Send(request("attr.get", 1, obj{"name": "rank"}))
		w.None()
		advance(2*time.Second - 1)
		w.None()
		advance(1)
		w.Next()
		if d := time.Since(start); d != 2*time.Second {
			t.Errorf("%v, want 2s", d)
		}
		b.SetFaults(fluxtest.Faults{})
	})
}

func TestCorruptByte(t *testing.T) {
	for n := range int64(60) {
		bubble(t, func(t *testing.T, b *fluxtest.Broker) {
			s, err := b.DialBytes(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			ask := func() []byte {
				p, _ := codec.Append(nil, request("attr.get", 1, obj{"name": "rank"}))
				s.Write(p)
				synctest.Wait()
				buf := make([]byte, 1000)
				k, err := s.Read(buf)
				if err != nil {
					t.Fatal(err)
				}
				return buf[:k]
			}
			good := ask()
			b.SetFaults(fluxtest.Faults{CorruptByte: n})
			bad := ask()
			for i := range good {
				if same := good[i] == bad[i]; same != (int64(i) != n-1) {
					t.Errorf("byte %d: same %v", i+1, same)
				}
			}
		})
	}
}

func TestResetAfter(t *testing.T) {
	for n := int64(1); n < 100; n += 7 {
		bubble(t, func(t *testing.T, b *fluxtest.Broker) {
			s, err := b.DialBytes(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			b.SetFaults(fluxtest.Faults{ResetAfter: n})
			p, _ := codec.Append(nil, request("attr.get", 1, obj{"name": "rank"}))
			s.Write(append(p, p...))
			got, err := io.ReadAll(s)
			if err != nil || int64(len(got)) != n {
				t.Errorf("%d bytes, %v, want %d", len(got), err, n)
			}
			synctest.Wait()
			if len(b.Conns()) != 0 {
				t.Errorf("the connection is still there")
			}
		})
	}
}

func TestStall(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		w, other := dialWire(t, b), dialWire(t, b)
		ask := request("attr.get", 1, obj{"name": "rank"})
		b.Stall(fluxtest.Reads)
		w.Send(ask)
		w.None()
		if n := len(b.Requests()); n != 0 {
			t.Errorf("%d requests handled", n)
		}
		b.Resume()
		w.Next()

		b.Stall(fluxtest.Writes)
		w.Send(ask)
		w.None()
		if n := len(b.Requests()); n != 2 {
			t.Errorf("%d requests handled", n)
		}
		b.Resume()
		w.Next()

		// What cannot be written piles up here, and is counted.
		b.Conns()[0].Stall(fluxtest.Writes)
		subscribed(t, other, "e")
		w.Send(request("event.subscribe", 1, obj{"topic": "e"}))
		for range 1000 {
			b.Emit("e", make([]byte, 10000))
		}
		for range 1000 {
			other.Next()
		}
		w.None()
		m := other.Call(request("connector-local.stats-get", 1, nil))
		if text, _ := codec.TextPayload(m.Payload); !backlog.MatchString(text) {
			t.Error(text)
		}
		b.Conns()[0].Resume()
		want(t, w.Next(), 0, "")
		for range 1000 {
			w.Next()
		}

		// A stalled connection can be ended.
		b.Stall()
		w.Send(ask)
		b.Disconnect()
		if !w.Ended() || !other.Ended() {
			t.Errorf("ended: %v, %v", w.Ended(), other.Ended())
		}
		b.Resume()
	})
}

func TestRestart(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		b.Handle("calc.add", func(r *fluxtest.Request) { r.Respond(nil) })
		uri := b.URI()
		w := dialWire(t, b)
		subscribed(t, w, "e")
		want(t, w.Call(request("service.add", 1, obj{"service": "svc"})), 0, "")
		b.Emit("e", nil)
		w.Next()
		before := b.Conns()[0].UUID()
		if err := b.Restart(); err != nil {
			t.Fatal(err)
		}
		if !w.Ended() {
			t.Errorf("the connection survived")
		}
		w = dialWire(t, b)
		want(t, w.Call(request("svc.x", 1, nil)), 38, "No service matching svc.x is registered")
		if b.URI() != uri || b.Conns()[0].UUID() == before {
			t.Errorf("URI %s, was %s", b.URI(), uri)
		}
		want(t, w.Call(request("calc.add", 1, nil)), 0, "")
		if seq := b.Emit("e", nil); seq != 1 {
			t.Errorf("event %d, want 1", seq)
		}
		w.None()
		if err := b.Up(); err != nil {
			t.Errorf("Up of what is up: %v", err)
		}
		b.Close()
		if err := b.Up(); err == nil {
			t.Errorf("Up after Close")
		}
	})
}

// An event that is doubled comes twice to a subscription, with one number.
func TestDuplicateEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fluxtest.New(t, fluxtest.InProcess(), fluxtest.WithFaults(fluxtest.Faults{
			Duplicate: 1, Match: func(m *codec.Message) bool { return m.Type == codec.TypeEvent },
		}))
		events, err := b.Client().Subscribe(t.Context(), "ev")
		if err != nil {
			t.Fatal(err)
		}
		seq := b.Emit("ev.x", nil)
		for range 2 {
			if e := <-events; e.Seq() != seq || e.Err() != nil {
				t.Errorf("event %d, %v, want %d", e.Seq(), e.Err(), seq)
			}
		}
	})
}
