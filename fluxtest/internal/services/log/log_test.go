package log_test

import (
	"strings"
	"testing"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/fluxtest/internal/wiretest"
)

func TestLog(t *testing.T) {
	wiretest.Bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		w, follower := wiretest.Dial(t, b), wiretest.Dial(t, b)
		dmesg := func(o wiretest.Obj) *codec.Message {
			return wiretest.Flagged(wiretest.Request("log.dmesg", 3, o), codec.FlagStreaming)
		}
		wiretest.Want(t, w.Call(wiretest.Request("log.dmesg", 3, wiretest.Obj{"follow": false})), 71, "")
		wiretest.Want(t, w.Call(dmesg(wiretest.Obj{})), 71, "")
		wiretest.Want(t, w.Call(wiretest.Request("log.clear", 1, nil)), 0, "")
		wiretest.Want(t, w.Call(dmesg(wiretest.Obj{"follow": false})), 61, "")
		follower.Send(dmesg(wiretest.Obj{"follow": true, "nobacklog": true}))
		follower.None()
		record := func(tag uint32, text string) *codec.Message {
			m := wiretest.Request("log.append", tag, nil)
			m.SetPayload([]byte(text))
			return m
		}
		wiretest.Want(t, w.Call(record(5, "<48>1 - 0 x 1 - - one")), 0, "")
		w.Send(record(0, "<48>1 - 0 x 1 - - two"), wiretest.Flagged(record(6, "<48>1 - 0 x 1 - - three"),
			codec.FlagNoResponse))
		w.Send(record(0, "no record"), record(0, "<48>1 - 1 x 1 - - of another rank"))
		w.None()
		for _, text := range []string{"one", "two", "three"} {
			wiretest.Want(t, follower.Next(), 0, "<48>1 - 0 x 1 - - "+text)
		}
		w.Send(dmesg(wiretest.Obj{"follow": false}))
		for _, text := range []string{"one", "two", "three"} {
			wiretest.Want(t, w.Next(), 0, "<48>1 - 0 x 1 - - "+text)
		}
		wiretest.Want(t, w.Next(), 61, "")
		b.Log(0, 6, "app", "four")
		if text, _ := codec.TextPayload(follower.Next().Payload); !strings.HasPrefix(text, "<48>1 ") ||
			!strings.HasSuffix(text, " - - four") {
			t.Error(text)
		}
		cancel := wiretest.Flagged(wiretest.Request("log.cancel", 0, wiretest.Obj{"matchtag": 3}),
			codec.FlagNoResponse)
		w.Send(cancel)
		follower.None()
		// Not even a cancel that wants an answer gets one.
		follower.Send(wiretest.Request("log.cancel", 9, wiretest.Obj{"matchtag": 3}))
		wiretest.Want(t, follower.Next(), 61, "")
		follower.None()
		follower.Send(cancel)
		follower.None()
		follower.Send(dmesg(wiretest.Obj{"follow": true, "nobacklog": true}))
		follower.Conn.Close()
		b.Log(0, 3, "app", "five")
		b.Log(7, 3, "app", "no such rank")
		m := w.Call(wiretest.Request("log.stats-get", 1, nil))
		if text, _ := codec.TextPayload(m.Payload); text != `{"ring-used":5,"count":6,"local":6,"remote":2}` {
			t.Error(text)
		}
	})
}

func TestLogRing(t *testing.T) {
	wiretest.Bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		for range 3000 {
			b.Log(0, 7, "app", "x")
		}
		b.Log(0, 7, "app", "last")
		w := wiretest.Dial(t, b)
		w.Send(wiretest.Flagged(wiretest.Request("log.dmesg", 1, wiretest.Obj{"follow": false}), codec.FlagStreaming))
		n, last := 0, ""
		for m := w.Next(); m.Errnum == 0; m = w.Next() {
			n++
			last, _ = codec.TextPayload(m.Payload)
		}
		if n != 1024 || !strings.HasSuffix(last, "last") {
			t.Errorf("%d records, %q", n, last)
		}
	})
}
