package framing

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flux-sdk/flux/codec"
)

// passedOn is a message as a broker passes it on.
func passedOn(m *codec.Message) *codec.Message {
	out := *m
	out.Routes = m.Routes.Push("97d29bd4-0a16-4b8c-8bfa-5ab6ad24a2a1")
	out.Flags |= codec.FlagRoute
	out.UserID, out.Rolemask = 1000, 5
	return &out
}

// relayed is a Conn that has received the first of some messages, the others in
// memory, and the Conn that they are passed on to, with its peer.
func relayed(t *testing.T, to Config, list ...*codec.Message) (from, dst, peer *Conn, p *Route) {
	t.Helper()
	sender, from := pipe(Config{})
	dst, peer = pipe(to)
	t.Cleanup(func() {
		for _, c := range []*Conn{peer, from, dst, sender} { // who would be written to first
			c.Close()
		}
	})
	q := sender
	for _, m := range list {
		if err := q.Queue(m); err != nil {
			t.Fatal(err)
		}
	}
	q.Flush()
	var m codec.Message
	if err := from.RecvBorrowed(&m); err != nil {
		t.Fatal(err)
	}
	p = new(Route)
	if !p.Set(&m, passedOn(&m)) {
		t.Fatal("Set found no route")
	}
	return from, dst, peer, p
}

func TestRelay(t *testing.T) {
	edit := func(m *codec.Message, f func(*codec.Message)) *codec.Message {
		f(m)
		return m
	}
	first := func() *codec.Message { return request("svc.echo", 1, []byte("first")) }
	for _, tt := range []struct {
		name string
		m    *codec.Message
		want int
	}{
		{"the same", first(), 1},
		{"another matchtag", request("svc.echo", 0xfffffffe, []byte("first")), 1},
		{"no bytes", request("svc.echo", 2, []byte{}), 1},
		{"254 bytes", request("svc.echo", 2, pattern(254)), 1},
		{"255 bytes", request("svc.echo", 2, pattern(255)), 1},
		{"5000 bytes", request("svc.echo", 2, pattern(5000)), 1},
		{"no payload", request("svc.echo", 2, nil), 0},
		{"another topic", request("svc.echx", 2, []byte("first")), 0},
		{"a longer topic", request("svc.echoo", 2, []byte("first")), 0},
		{"another nodeid", edit(first(), func(m *codec.Message) { m.NodeID = 1 }), 0},
		{"another flag", edit(first(), func(m *codec.Message) { m.Flags |= codec.FlagStreaming }), 0},
		{"another userid", edit(first(), func(m *codec.Message) { m.UserID = 1 }), 0},
		{"another rolemask", edit(first(), func(m *codec.Message) { m.Rolemask = 1 }), 0},
		{"another type", edit(first(), func(m *codec.Message) { m.Type = codec.TypeResponse }), 0},
		{"a route", edit(first(), func(m *codec.Message) { m.Routes = codec.MakeRoutes("hop") }), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			from, dst, peer, p := relayed(t, Config{}, first(), first(), tt.m, first())
			got := from.Relay(dst, p, 2)
			if got != 1+tt.want {
				t.Fatalf("%d messages were passed on, want %d", got, 1+tt.want)
			}
			dst.Flush()
			for _, m := range []*codec.Message{first(), tt.m}[:got] {
				if diff := cmp.Diff(passedOn(m), recv(t, peer)); diff != "" {
					t.Errorf("-want +got\n%s", diff)
				}
			}
			if tt.want == 1 {
				return // max has ended it, and one is left
			}
			if m := recv(t, from); m.Topic != tt.m.Topic || m.Flags != tt.m.Flags {
				t.Errorf("the next message is %+v, want the one that did not fit", m)
			}
		})
	}
}

// What cannot take a message takes none, and the message is still there.
func TestRelayNot(t *testing.T) {
	list := []*codec.Message{request("svc.echo", 1, pattern(100)), request("svc.echo", 2, pattern(100))}
	for _, tt := range []struct {
		name string
		cfg  Config
		do   func(dst *Conn, p *Route) *Conn
	}{
		{"closed", Config{}, func(dst *Conn, _ *Route) *Conn { dst.Close(); return dst }},
		{"too large", Config{MaxSize: 168}, func(dst *Conn, _ *Route) *Conn { return dst }},
		{"no route", Config{}, func(dst *Conn, p *Route) *Conn { *p = Route{}; return dst }},
		{"a route that is none", Config{}, func(dst *Conn, p *Route) *Conn {
			if p.Set(list[0], list[1]) || p.Set(list[0], request("svc.echo", 1, nil)) {
				t.Error("Set took two messages that have not the same matchtag, or payload")
			}
			return dst
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			from, dst, _, p := relayed(t, tt.cfg, list...)
			if n := from.Relay(tt.do(dst, p), p, 10); n != 0 {
				t.Errorf("%d messages were passed on", n)
			}
			if m := recv(t, from); m.Matchtag != 2 {
				t.Errorf("the next message is %+v", m)
			}
		})
	}
}

// FuzzRelay compares what becomes of a body that fits a route with what becomes
// of it by decoding and encoding.
func FuzzRelay(f *testing.F) {
	body := func(m *codec.Message) []byte {
		b, err := codec.Append(nil, m)
		if err != nil {
			f.Fatal(err)
		}
		return b[codec.PrefixSize:]
	}
	routed := request("svc.echo", 1, []byte("{}\x00"))
	routed.Routes = codec.MakeRoutes("a", "b")
	for _, m := range []*codec.Message{request("svc.echo", 1, []byte("{}\x00")), request("a", 9, nil), routed, codec.NewEvent("x.y")} {
		other := *m
		other.SetPayload(pattern(300))
		other.Matchtag++
		f.Add(body(m), body(&other))
		f.Add(body(m), body(m))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		in, err := codec.Decode(a)
		if err != nil {
			return
		}
		var p Route
		out := passedOn(in)
		if !p.Set(in, out) {
			return
		}
		payload, ok := p.payload(b)
		if !ok {
			return
		}
		m, err := codec.Decode(b)
		if err != nil {
			t.Fatalf("a body that fits: %v", err)
		}
		want, err := codec.Append(nil, passedOn(m))
		if err != nil {
			t.Fatalf("what becomes of it: %v", err)
		}
		var q frames
		if !q.addLike(&p.out, payload, b[len(b)-4:], 0) {
			t.Fatal("addLike refused it")
		}
		if q.size != len(want) || !bytes.Equal(q.last, want) {
			t.Fatalf("relayed as %x, want %x", q.last, want)
		}
		again := *m
		again.Payload, again.Matchtag = in.Payload, in.Matchtag
		if diff := cmp.Diff(in, &again); diff != "" {
			t.Fatalf("it differs in more than payload and matchtag:\n%s", diff)
		}
	})
}
