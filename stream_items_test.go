package flux

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
)

func TestStreamOnTheWire(t *testing.T) {
	c, p := newPeer(t)
	c.c.attrs = map[string]string{"rank": "3"}
	for _, tt := range []struct {
		name string
		req  any
		opts []StreamOption
		want codec.Message
	}{
		{"nothing", nil, nil, wireRequest("svc.watch", "")},
		{"JSON", point{X: 1}, nil, wireRequest("svc.watch", "{\"x\":1}\x00")},
		{"text", "t", nil, wireRequest("svc.watch", "t\x00")},
		{"bytes", []byte{1}, nil, wireRequest("svc.watch", "\x01")},
		{"rank", nil, []StreamOption{Rank(8)}, codec.Message{NodeID: 8}},
		{"upstream", nil, []StreamOption{Upstream()}, codec.Message{NodeID: 3, Flags: codec.FlagUpstream}},
		{"local options", nil, []StreamOption{QueueLimit(1, 1), NoCancel(), CancelTopic("x")}, codec.Message{NodeID: codec.NodeAny}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if _, err := c.Stream(ctx, "svc.watch", tt.req, append(tt.opts, NoCancel())...); err != nil {
				t.Fatal(err)
			}
			want := wireRequest("svc.watch", string(tt.want.Payload))
			want.NodeID = tt.want.NodeID
			want.Flags |= tt.want.Flags | codec.FlagStreaming
			wantMessage(t, p.recv(), want)
		})
	}
}

// A response without a payload is an item wherever it stands.
func TestStreamItemsWithoutPayload(t *testing.T) {
	c, p := newPeer(t)
	stream, req := openStream(t, c, p, t.Context(), "svc.watch")
	p.respond(req, nil)
	p.item(req, 1)
	p.respond(req, nil)
	p.respond(req, "")
	p.refuse(req, ENODATA, "")
	bare := func() {
		t.Helper()
		r := <-stream
		if b, err := r.Bytes(); err != nil || len(b) > 0 || r.Err() != nil || r.Message().HasPayload() {
			t.Errorf("payload is %q, %v, want none", b, err)
		}
		wantErr(t, r.Decode(new(point)), ErrNoPayload)
	}
	bare()
	wantPoints(t, stream, 1, 1)
	bare()
	if s, err := (<-stream).Text(); s != "" || err != nil {
		t.Errorf("text is %q, %v, want an empty one", s, err)
	}
	wantClean(t, stream)
}

// What the broker says is an item, also if it is all that it says.
func TestStreamErrors(t *testing.T) {
	for name, want := range map[string]Error{
		"no such service": {"svc.watch", ENOSYS, "No service matching svc.watch is registered"},
		"no text":         {"svc.watch", EPROTO, ""},
		"unknown number":  {"svc.watch", Errno(12345), "strange"},
		"ECANCELED":       {"svc.watch", ECANCELED, ""},
	} {
		for _, items := range []int{0, 1, 50} {
			c, p := newPeer(t)
			stream, req := openStream(t, c, p, t.Context(), "svc.watch")
			for i := range items {
				p.item(req, i)
			}
			p.refuse(req, want.Errno, want.Message)
			wantPoints(t, stream, 0, items-1)
			r := <-stream
			wantRemote(t, r.Err(), want)
			if _, err := r.Bytes(); err != r.Err() {
				t.Errorf("%s: error of Bytes is %v, want %v", name, err, r.Err())
			}
			if _, err := r.Text(); err != r.Err() {
				t.Errorf("%s: error of Text is %v, want %v", name, err, r.Err())
			}
			if err := r.Decode(new(point)); err != r.Err() {
				t.Errorf("%s: error of Decode is %v, want %v", name, err, r.Err())
			}
			wantClean(t, stream)
			wantStats(t, c, 0, 0)
		}
	}
}

// The end is told by the errno alone, with whatever flags and payload.
func TestStreamCleanEnds(t *testing.T) {
	c, p := newPeer(t)
	for _, edit := range []func(m *codec.Message){
		func(m *codec.Message) {},
		func(m *codec.Message) { m.Flags &^= codec.FlagStreaming },
		func(m *codec.Message) { m.SetPayload([]byte("no more\x00")) },
		func(m *codec.Message) { m.SetPayload([]byte{}) },
		func(m *codec.Message) { m.Topic = "elsewhere" },
	} {
		stream, req := openStream(t, c, p, t.Context(), "svc.watch")
		p.item(req, 1)
		end := brokerResponse(req)
		end.Errnum = uint32(ENODATA)
		edit(end)
		p.send(end)
		wantPoints(t, stream, 1, 1)
		wantClean(t, stream)
		wantStats(t, c, 0, 0)
	}
}

func TestDoStream(t *testing.T) {
	c, p := newPeer(t)
	m := codec.NewRequest("svc.watch")
	m.Flags |= codec.FlagStreaming | codec.FlagUser1
	m.NodeID, m.Matchtag = 5, 4711
	m.SetPayload([]byte("{}\x00"))
	before := *m
	stream, err := c.DoStream(t.Context(), m, Rank(9))
	if err != nil {
		t.Fatal(err)
	}
	req := p.recv()
	want := before
	want.Matchtag = 0
	wantMessage(t, req, want)
	if m.Matchtag != before.Matchtag || req.Matchtag == before.Matchtag {
		t.Errorf("matchtags: %d in the prepared message, %d sent, want %d and another", m.Matchtag, req.Matchtag, before.Matchtag)
	}
	p.item(req, 1)
	p.refuse(req, ENODATA, "")
	wantPoints(t, stream, 1, 1)
	wantClean(t, stream)

	// Without the streaming flag, as prepared: one response is all of it.
	stream, err = c.DoStream(t.Context(), codec.NewRequest("svc.get"))
	if err != nil {
		t.Fatal(err)
	}
	req = p.want("svc.get")
	if req.Flags&codec.FlagStreaming != 0 {
		t.Error("DoStream added the streaming flag")
	}
	p.item(req, 7)
	wantPoints(t, stream, 7, 7)
	wantClean(t, stream)
	wantStats(t, c, 0, 0)

	quiet := codec.NewRequest("svc.watch")
	quiet.Flags |= codec.FlagNoResponse
	for name, m := range map[string]*codec.Message{"event": codec.NewEvent("a.b"), "quiet": quiet, "zero": {}} {
		if stream, err := c.DoStream(t.Context(), m); err == nil || stream != nil {
			t.Errorf("%s: channel %v, error %v, want an error alone", name, stream, err)
		}
	}
	if _, err := c.DoStream(t.Context(), codec.NewRequest(strings.Repeat("s", 300)+".x")); err == nil {
		t.Error("a request that must not be sent was")
	}
	p.wantNothing(c)
	wantStats(t, c, 0, 0)
}

func TestStreamAsDecodes(t *testing.T) {
	c, p := servePeer(t, func(p *peer, m *codec.Message) {
		p.item(m, 1)
		p.respond(m, "text, not JSON")
		p.respond(m, nil)
		p.respond(m, json.RawMessage(`{"x":3,"y":"no number"}`)) // half of it fits
		p.item(m, 2)
		p.refuse(m, EPERM, "enough")
	})
	_ = p
	var got []int
	var errs []error
	for v, err := range StreamAs[point](t.Context(), c, "svc.watch", nil) {
		if err != nil {
			errs = append(errs, err)
			if v != (point{}) {
				t.Errorf("%+v comes with the error %v", v, err)
			}
			continue
		}
		got = append(got, v.X)
	}
	wantItems(t, got, []int{1, 2})
	if len(errs) != 4 {
		t.Fatalf("errors are %v, want 4", errs)
	}
	wantErr(t, errs[0], codec.ErrPayload)
	wantErr(t, errs[1], ErrNoPayload)
	wantRemote(t, errs[3], Error{"svc.watch", EPERM, "enough"})

	var texts []string
	for s, err := range StreamAs[string](t.Context(), c, "svc.watch", nil) {
		if err == nil {
			texts = append(texts, s)
		}
	}
	wantItems(t, texts, []string{`{"x":1}`, "text, not JSON", `{"x":3,"y":"no number"}`, `{"x":2}`})
	var raw []string
	for b, err := range StreamAs[[]byte](t.Context(), c, "svc.watch", nil) {
		if err == nil {
			raw = append(raw, string(b))
		}
	}
	wantItems(t, raw, []string{"{\"x\":1}\x00", "text, not JSON\x00", "", "{\"x\":3,\"y\":\"no number\"}\x00", "{\"x\":2}\x00"})
}

// An error that Stream itself returns is yielded once, too.
func TestStreamAsLocalError(t *testing.T) {
	c, p := newPeer(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n := 0
	for v, err := range StreamAs[point](ctx, c, "svc.watch", nil) {
		wantErr(t, err, context.Canceled)
		if v != (point{}) {
			t.Errorf("%+v comes with an error", v)
		}
		n++
	}
	if n != 1 {
		t.Errorf("%d items, want 1", n)
	}
	p.wantNothing(c)
}

// Leaving the loop cancels the stream, wherever it is, before what follows.
func TestStreamAsBreak(t *testing.T) {
	for items := range 5 {
		for stop := 1; stop <= items+1; stop++ {
			inBubble(t, func(t *testing.T) {
				c, p := newPeer(t)
				var req *codec.Message
				go func() {
					req = p.want("svc.watch")
					for i := range items {
						p.item(req, i)
					}
					if stop > items {
						p.refuse(req, EIO, "")
					}
				}()
				n := 0
				for range StreamAs[point](t.Context(), c, "svc.watch", nil) {
					if n++; n == stop {
						break
					}
				}
				if stop > items {
					p.wantNothing(c)
					return
				}
				if s := c.Stats(); s.Live != 0 || s.Retired != 1 {
					t.Errorf("after the loop: %+v, want one retired tag", s)
				}
				wantMessage(t, p.recv(), wireCancel("svc.cancel", req))
				p.refuse(req, ENODATA, "")
				synctest.Wait()
				wantStats(t, c, 0, 0)
			})
		}
	}
}

// A panic in the loop's body ends the stream as well.
func TestStreamAsPanic(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := servePeer(t, func(p *peer, m *codec.Message) {
			if m.Topic == "svc.watch" {
				p.item(m, 1)
			}
		})
		_ = p
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic got lost")
				}
			}()
			for range StreamAs[point](t.Context(), c, "svc.watch", nil) {
				panic("of the body")
			}
		}()
		synctest.Wait()
		wantStats(t, c, 0, 1)
	})
}

// An iterator may be ranged over again: each time is a stream of its own.
func TestStreamAsAgain(t *testing.T) {
	c, _ := servePeer(t, func(p *peer, m *codec.Message) {
		p.item(m, 1)
		p.refuse(m, ENODATA, "")
	})
	seq := StreamAs[point](t.Context(), c, "svc.watch", nil)
	for range 3 {
		n := 0
		for v, err := range seq {
			if err != nil || v.X != 1 {
				t.Errorf("received %+v, %v", v, err)
			}
			n++
		}
		if n != 1 {
			t.Errorf("%d items, want 1", n)
		}
	}
}
