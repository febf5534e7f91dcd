package fluxtest_test

import (
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/fluxtest/internal/wiretest"
	"github.com/flux-sdk/flux/internal/capture"
	"github.com/flux-sdk/flux/transport"
)

// replay plays the client's side of a conversation.
type replay struct {
	t       *testing.T
	b       *fluxtest.Broker
	dial    []fluxtest.DialOption
	conns   map[int]player
	closed  map[int]bool
	pending map[int][]*codec.Message
	ours    map[string]string // recorded identities to those of this run
	seq     uint32
}

// player is one connection of a replay.
type player interface {
	Send(...*codec.Message)
	Take() *codec.Message // what has come, nil if nothing has
	PutBack([]*codec.Message)
	HangUp()
	Ended() bool
}

func newReplay(t *testing.T, b *fluxtest.Broker, dial []fluxtest.DialOption) *replay {
	return &replay{
		t: t, b: b, dial: dial, conns: make(map[int]player), closed: make(map[int]bool),
		pending: make(map[int][]*codec.Message), ours: make(map[string]string),
	}
}

func (r *replay) run(recs []capture.Record) {
	r.t.Helper()
	for _, rec := range recs {
		r.step(rec)
	}
}

// over finds what has come and was not recorded.
func (r *replay) over() {
	for n, w := range r.conns {
		if m := w.Take(); m != nil {
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
			w.HangUp()
		}
		r.closed[rec.Conn] = true
	case rec.EOF:
		if w != nil && !r.closed[rec.Conn] && !w.Ended() {
			r.t.Errorf("connection %d is still there", rec.Conn)
		}
	case rec.Msg.Handshake != nil && *rec.Msg.Handshake != 0:
		if _, err := r.b.Dial(r.t.Context(), r.dial...); err == nil {
			r.t.Errorf("welcome, want errno %d", *rec.Msg.Handshake)
		}
	case rec.Msg.Handshake != nil:
		r.conns[rec.Conn] = dialWire(r.t, r.b, r.dial...)
	case rec.Dir == capture.ClientToServer:
		m := r.message(&rec)
		m.Routes = codec.MakeRoutes(r.translate(rec.Msg.Routes)...)
		w.Send(m)
	default:
		r.expect(w, &rec)
	}
}

// message is what the recorded client sent. Of large payloads only the pattern
// is known.
func (r *replay) message(rec *capture.Record) *codec.Message {
	r.t.Helper()
	if !rec.Digested() {
		m, err := codec.Decode(rec.Frame()[codec.PrefixSize:])
		if err != nil {
			r.t.Fatal(err)
		}
		return m
	}
	m := rec.Msg.Message()
	p := make([]byte, rec.Msg.PayloadSize)
	for i := range p {
		p[i] = byte(31*i + 7)
	}
	m.SetPayload(p)
	frame, err := codec.Append(nil, m)
	if err == nil {
		err = rec.CheckFrame(frame)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return m
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
func (r *replay) expect(w player, rec *capture.Record) {
	r.t.Helper()
	msg := *rec.Msg
	got := w.Take()
	if got == nil && msg.Type == codec.TypeEvent {
		// Nothing in the file causes it: it came from elsewhere.
		ev := codec.NewEvent(msg.Topic)
		ev.UserID, ev.Rolemask = msg.UserID, msg.Rolemask
		r.b.EmitMessage(ev)
		got = w.Take()
	}
	if got == nil {
		r.t.Fatalf("nothing came, want %s", show(msg.Message()))
	}
	// The notices of a disconnect come in any order.
	if msg.Type == codec.TypeRequest && msg.Flags&codec.FlagNoResponse != 0 && (got.Topic != msg.Topic ||
		got.NodeID != msg.NodeID) {
		all := []*codec.Message{got}
		for m := w.Take(); m != nil; m = w.Take() {
			all = append(all, m)
		}
		i := slices.IndexFunc(all, func(m *codec.Message) bool {
			return m.Topic == msg.Topic && m.NodeID == msg.NodeID
		})
		if i < 0 {
			r.t.Fatalf("%s did not come, but %s", msg.Topic, show(got))
		}
		got = all[i]
		w.PutBack(slices.Delete(all, i, i+1))
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
		return []byte(wiretest.SameRoute(slices.Clone(p)))
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

// relayed is a player at the pipe of a flux relay.
type relayed struct {
	t    *testing.T
	conn transport.Conn
	in   chan *codec.Message
	kept []*codec.Message
}

// startRelay runs flux relay for a socket.
func startRelay(t *testing.T, socket string) *relayed {
	t.Helper()
	cmd := exec.Command("flux", "relay", socket)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
		t.Fatalf("handshake of flux relay: %v", err)
	}
	r := &relayed{t: t, in: make(chan *codec.Message, 100), conn: transport.NewConn(struct {
		io.Reader
		io.WriteCloser
	}{out, in}, transport.Config{})}
	go func() {
		defer close(r.in)
		for {
			m := new(codec.Message)
			if r.conn.Recv(m) != nil {
				return
			}
			r.in <- m
		}
	}()
	return r
}

func (r *relayed) Send(list ...*codec.Message) {
	r.t.Helper()
	for _, m := range list {
		if err := r.conn.Send(r.t.Context(), m); err != nil {
			r.t.Fatal(err)
		}
	}
}

// take waits, as there is no telling when all has come.
func (r *relayed) Take() *codec.Message {
	if len(r.kept) > 0 {
		m := r.kept[0]
		r.kept = r.kept[1:]
		return m
	}
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case m := <-r.in:
		return m
	case <-limit.C:
		return nil
	}
}

func (r *relayed) PutBack(list []*codec.Message) { r.kept = append(list, r.kept...) }

func (r *relayed) HangUp() { r.conn.Close() }

func (r *relayed) Ended() bool { return r.Take() == nil }
