package fluxtest_test

import (
	"encoding/json"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/internal/capture"
	"github.com/flux-sdk/flux/internal/capture/golden"
)

// A recorded conversation, replayed from the client's side, gets the recorded
// answers, but for identities, sequence numbers, times and what is particular
// to the instance.
func TestReplay(t *testing.T) {
	kvs := func(b *fluxtest.Broker) {
		b.Handle("kvs.getroot", func(*fluxtest.Request) {})
	}
	for _, c := range []struct {
		name  string
		rank  uint32
		guest bool
		stay  bool // close no connection: the leave that follows is batched by a real broker
		setup func(*fluxtest.Broker)
	}{
		{name: "attr-get"},
		{name: "attr-get-missing"},
		{name: "auth-refused"},
		{name: "bad-rank"},
		{name: "config-get"},
		{name: "event-direct"},
		{name: "event-direct-rank3", rank: 3},
		{name: "event-heartbeat"},
		{name: "event-json"},
		{name: "event-nopayload"},
		{name: "event-private"},
		{name: "event-raw"},
		{name: "event-usecount"},
		{name: "groups", stay: true},
		{name: "guest"},
		{name: "guest-real", guest: true},
		{name: "log-follow-cancel"},
		{name: "noresponse"},
		{name: "overlay"},
		{name: "payload-sizes"},
		{name: "payload-zero-flagged"},
		{name: "ping-cli", setup: kvs},
		{name: "ping-rank3"},
		{name: "ping-stats-rusage", setup: kvs},
		{name: "router-noresponse", setup: kvs},
		{name: "service-basic"},
		{name: "service-cancel"},
		{name: "service-disconnect"},
		{name: "service-errors", setup: kvs},
		{name: "service-gone"},
		{name: "service-streaming"},
		{name: "state-monitor"},
		{name: "state-wait"},
		{name: "stream-noflag"},
		{name: "unknown-service", setup: kvs},
		{name: "upstream", rank: 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			recs, err := golden.Load(c.name)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				b := fluxtest.New(t, fluxtest.InProcess(), fluxtest.Size(4), fluxtest.FanOut(32),
					fluxtest.Owner(0), fluxtest.Attr("hostlist", "vm,vm,vm,vm"))
				if c.setup != nil {
					c.setup(b)
				}
				if c.name == "auth-refused" {
					b.SetFaults(fluxtest.Faults{Refuse: 1})
				}
				dial := []fluxtest.DialOption{fluxtest.AtRank(c.rank)}
				if c.guest {
					dial = append(dial, fluxtest.AsGuest(1234))
				}
				if c.stay {
					recs = slices.DeleteFunc(recs, func(r capture.Record) bool { return r.EOF })
				}
				newReplay(t, b, dial).run(recs)
			})
		})
	}
}

// replay plays the client's side of a conversation.
type replay struct {
	t       *testing.T
	b       *fluxtest.Broker
	dial    []fluxtest.DialOption
	conns   map[int]*wire
	pending map[int][]*codec.Message
	ours    map[string]string // recorded identities to those of this run
	seq     uint32
}

func newReplay(t *testing.T, b *fluxtest.Broker, dial []fluxtest.DialOption) *replay {
	return &replay{
		t: t, b: b, dial: dial, conns: make(map[int]*wire),
		pending: make(map[int][]*codec.Message), ours: make(map[string]string),
	}
}

func (r *replay) run(recs []capture.Record) {
	for _, rec := range recs {
		r.step(rec)
	}
	for n, w := range r.conns {
		if m := w.take(); m != nil {
			r.t.Errorf("connection %d: %s was not recorded", n, show(m))
		}
	}
}

func (r *replay) step(rec capture.Record) {
	r.t.Helper()
	w := r.conns[rec.Conn]
	switch {
	case rec.EOF && rec.Dir == capture.ClientToServer:
		if w != nil {
			w.conn.Close()
			synctest.Wait()
		}
	case rec.EOF:
	case rec.Msg.Handshake != nil && *rec.Msg.Handshake != 0:
		if _, err := r.b.Dial(r.t.Context(), r.dial...); err == nil {
			r.t.Errorf("welcome, want errno %d", *rec.Msg.Handshake)
		}
	case rec.Msg.Handshake != nil:
		r.conns[rec.Conn] = dialWire(r.t, r.b, r.dial...)
	case rec.Dir == capture.ClientToServer:
		m, err := codec.Decode(rec.Frame()[codec.PrefixSize:])
		if err != nil {
			r.t.Fatal(err)
		}
		m.Routes = codec.MakeRoutes(r.translate(rec.Msg.Routes)...)
		w.send(m)
	default:
		r.expect(w, &rec)
	}
}

func (r *replay) translate(hops []string) []string {
	var out []string
	for _, h := range hops {
		if ours, ok := r.ours[h]; ok {
			h = ours
		}
		out = append(out, h)
	}
	return out
}

// expect takes the next message that came and compares it with a recorded one.
func (r *replay) expect(w *wire, rec *capture.Record) {
	r.t.Helper()
	msg := *rec.Msg
	got := w.take()
	if got == nil && msg.Type == codec.TypeEvent {
		// Nothing in the file causes it: it came from elsewhere.
		ev := codec.NewEvent(msg.Topic)
		ev.UserID, ev.Rolemask = msg.UserID, msg.Rolemask
		r.b.EmitMessage(ev)
		got = w.take()
	}
	if got == nil {
		r.t.Fatalf("nothing came, want %s", show(msg.Message()))
	}
	// The notices of a disconnect come in any order.
	if msg.Type == codec.TypeRequest && msg.Flags&codec.FlagNoResponse != 0 && (got.Topic != msg.Topic || got.NodeID != msg.NodeID) {
		all := []*codec.Message{got}
		for m := w.take(); m != nil; m = w.take() {
			all = append(all, m)
		}
		i := slices.IndexFunc(all, func(m *codec.Message) bool {
			return m.Topic == msg.Topic && m.NodeID == msg.NodeID
		})
		if i < 0 {
			r.t.Fatalf("%s did not come, but %s", msg.Topic, show(got))
		}
		got = all[i]
		w.mu.Lock()
		w.got = append(slices.Delete(all, i, i+1), w.got...)
		w.mu.Unlock()
	}
	var hops []string
	for h := range got.Routes.All() {
		hops = append(hops, h)
	}
	if len(hops) != len(msg.Routes) {
		r.t.Errorf("%s: routes %q, want %d hops", show(got), hops, len(msg.Routes))
	} else {
		for i, h := range msg.Routes {
			if known, ok := r.ours[h]; ok && known != hops[i] {
				r.t.Errorf("%s: hop %d is %s, was %s before", show(got), i, hops[i], known)
			}
			r.ours[h] = hops[i]
		}
	}
	g := *got
	g.Routes = codec.MakeRoutes(msg.Routes...)
	if msg.Type == codec.TypeEvent {
		if g.Sequence <= r.seq {
			r.t.Errorf("event %d after %d", g.Sequence, r.seq)
		}
		r.seq, g.Sequence = g.Sequence, msg.Seq
	}
	g.Payload = r.payload(msg.Topic, g.Payload)
	msg.Payload = r.payload(msg.Topic, msg.Payload)
	if msg.PayloadSHA256 == "" {
		msg.PayloadSize = len(msg.Payload)
	}
	if err := msg.Check(&g); err != nil {
		r.t.Errorf("%s: %v", show(got), err)
	}
}

// payload hides what differs from run to run.
func (r *replay) payload(topic string, p []byte) []byte {
	b, err := codec.JSONPayload(p)
	if err != nil {
		return p
	}
	switch topic {
	case "broker.ping", "kvs.ping":
		return []byte(sameRoute(slices.Clone(p)))
	case "event.publish":
		return nil
	case "broker.stats-get", "broker.rusage", "kvs.rusage", "state-machine.get", "overlay.health", "groups.stats-get":
		var v any
		if err := json.Unmarshal(b, &v); err != nil {
			r.t.Error(err)
		}
		out, _ := json.Marshal(noNumbers(v))
		return out
	}
	return p
}

// noNumbers hides all numbers in decoded JSON.
func noNumbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = noNumbers(v[k])
		}
	case []any:
		for i := range v {
			v[i] = noNumbers(v[i])
		}
	case float64:
		return 0
	}
	return v
}
