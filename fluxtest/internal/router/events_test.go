package router_test

import (
	"strings"
	"testing"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
)

func TestPublish(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		w, low := dialWire(t, b), dialWire(t, b, fluxtest.AtRank(3))
		subscribed(t, w, "a", "a.b", "a")
		subscribed(t, low, "")

		// Each event once, before the response; prefixes are of bytes.
		w.Send(publish("a.b.c", 0, "eA=="))
		for _, to := range []*wire{w, low} {
			ev := to.Next()
			if ev.Type != codec.TypeEvent || ev.Topic != "a.b.c" || ev.Sequence != 1 ||
				string(ev.Payload) != "x" || len(hops(ev)) != 1 {
				t.Errorf("%s: sequence %d, routes %q", show(ev), ev.Sequence, hops(ev))
			}
			if roles := map[*wire]uint32{w: 5, low: 1}[to]; ev.Rolemask != roles || ev.UserID != 0 {
				t.Errorf("userid %d, rolemask %d, want 0, %d", ev.UserID, ev.Rolemask, roles)
			}
		}
		want(t, w.Next(), 0, `{"seq":1}`)
		w.Send(publish("ax", 0, ""))
		if ev := w.Next(); ev.Topic != "ax" || ev.HasPayload() {
			t.Errorf("%s", show(ev))
		}
		want(t, w.Next(), 0, `{"seq":2}`)
		w.Send(publish("b", 0, ""))
		want(t, w.Next(), 0, `{"seq":3}`)
		for range 2 {
			low.Next()
		}

		for name, m := range map[string]*codec.Message{
			"flags missing":    at(request("event.publish", 9, obj{"topic": "a"}), 0),
			"flags a real":     at(request("event.publish", 9, obj{"topic": "a", "flags": 0.5}), 0),
			"other flags":      publish("a", 4, ""),
			"topic missing":    at(request("event.publish", 9, obj{"flags": 0}), 0),
			"payload a number": at(request("event.publish", 9, obj{"topic": "a", "flags": 0, "payload": 1}), 0),
			"URL alphabet":     publish("a", 0, "_-__"),
			"white space":      publish("a", 0, "eA==\n"),
			"newline inside":   publish("a", 0, "eHh4\neHh4"),
			"none":             at(request("event.publish", 9, nil), 0),
		} {
			if m := w.Call(m); m.Errnum != 71 || m.HasPayload() {
				t.Errorf("%s: %s", name, show(m))
			}
		}
		want(t, low.Call(request("event.publish", 9, obj{"topic": "a", "flags": 0})), 71,
			"this service is only available on rank 0")
		for _, text := range []string{"e30A", "eA", "eA=="} {
			w.Send(publish("zz", 0, text))
			want(t, w.Next(), 0, `{"seq":`+map[string]string{"e30A": "4", "eA": "5", "eA==": "6"}[text]+`}`)
			low.Next()
		}

		// Only the empty subscription has the empty topic.
		w.Send(publish("", 0, ""))
		want(t, w.Next(), 0, `{"seq":7}`)
		if ev := low.Next(); ev.Topic != "" || ev.Sequence != 7 {
			t.Errorf("%s", show(ev))
		}

		want(t, w.Call(request("event.unsubscribe", 1, obj{"topic": "a"})), 0, "")
		w.Send(publish("a", 0, ""))
		if ev := w.Next(); ev.Type != codec.TypeEvent {
			t.Errorf("%s after the first of two unsubscribes", show(ev))
		}
		w.Next()
		want(t, w.Call(request("event.unsubscribe", 1, obj{"topic": "a"})), 0, "")
		want(t, w.Call(request("event.unsubscribe", 1, obj{"topic": "a"})), 2, "")
		want(t, w.Call(request("event.unsubscribe", 1, obj{"topic": 1})), 71, "")
		want(t, w.Call(request("event.subscribe", 1, nil)), 71, "")
		w.Send(publish("a", 0, ""))
		want(t, w.Next(), 0, `{"seq":9}`)
	}, fluxtest.Size(4))
}

func TestDirectEvents(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		top, low := dialWire(t, b), dialWire(t, b, fluxtest.AtRank(1))
		subscribed(t, top, "d")
		subscribed(t, low, "d")
		m := codec.NewEvent("d.1")
		m.Sequence = 99
		m.SetPayload([]byte{1, 2})
		top.Send(m)
		for w, n := range map[*wire]int{top: 2, low: 1} {
			ev := w.Next()
			if ev.Sequence != 1 || len(ev.Payload) != 2 || len(hops(ev)) != n {
				t.Errorf("%s: sequence %d, %d hops, want 1, %d", show(ev), ev.Sequence, len(hops(ev)), n)
			}
		}
		low.Send(m)
		for _, w := range []*wire{top, low} {
			if ev := w.Next(); ev.Sequence != 2 || len(hops(ev)) != 1 || ev.Rolemask != 1 {
				t.Errorf("%s: sequence %d, %d hops, rolemask %d", show(ev), ev.Sequence, len(hops(ev)), ev.Rolemask)
			}
		}
	}, fluxtest.Size(2))
}

// A private event reaches owners and its sender's userid, nobody else.
func TestPrivateEvents(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		owner := dialWire(t, b)
		same, other := dialWire(t, b, fluxtest.AsUser(1234)), dialWire(t, b, fluxtest.AsUser(99))
		for _, w := range []*wire{owner, same, other} {
			subscribed(t, w, "p")
		}
		guest := dialWire(t, b, fluxtest.AsUser(1234))
		want(t, guest.Call(publish("p.1", 32, "")), 0, `{"seq":1}`)
		for _, w := range []*wire{owner, same} {
			if ev := w.Next(); ev.UserID != 1234 || ev.Rolemask != 6 || ev.Flags&codec.FlagPrivate == 0 {
				t.Errorf("%s: userid %d, rolemask %d, flags %s", show(ev), ev.UserID, ev.Rolemask, ev.Flags)
			}
		}
		other.None()
		// A guest's direct event bears its own credentials, whatever it says.
		m := flagged(codec.NewEvent("p.2"), codec.FlagPrivate)
		m.UserID, m.Rolemask = 99, 1
		guest.Send(m)
		other.None()
		if ev := same.Next(); ev.UserID != 1234 || ev.Rolemask != 6 {
			t.Errorf("%s: userid %d, rolemask %d", show(ev), ev.UserID, ev.Rolemask)
		}
		owner.Next()
		ev := flagged(codec.NewEvent("p.3"), codec.FlagPrivate)
		if seq := b.EmitMessage(ev); seq != 3 {
			t.Errorf("EmitMessage: %d, want 3", seq)
		}
		same.None()
		if ev := owner.Next(); ev.Sequence != 3 || ev.Rolemask != 5 {
			t.Errorf("%s", show(ev))
		}
		if b.Emit("p.4", obj{"a": 1}) != 4 || b.Heartbeat() != 5 {
			t.Errorf("Emit does not count on")
		}
		if ev := same.Next(); string(ev.Payload) != "{\"a\":1}\x00" {
			t.Errorf("%s", show(ev))
		}
		owner.Next()
		// Subscriptions end with their connection.
		same.Conn.Close()
		other.Conn.Close()
		guest.Conn.Close()
		owner.None()
		conns := b.Conns()
		if len(conns) != 1 || strings.Join(conns[0].Subscriptions(), ",") != "p" {
			t.Errorf("%d connections", len(conns))
		}
	}, fluxtest.AllowGuests())
}
