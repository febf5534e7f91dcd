package codec_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/capture"
)

func TestFlagsString(t *testing.T) {
	tests := []struct {
		f    codec.Flags
		want string
	}{
		{0, ""},
		{codec.FlagTopic, "topic"},
		{codec.FlagPayload, "payload"},
		{codec.FlagNoResponse, "noresponse"},
		{codec.FlagRoute, "route"},
		{codec.FlagUpstream, "upstream"},
		{codec.FlagPrivate, "private"},
		{codec.FlagStreaming, "streaming"},
		{codec.FlagUser1, "user1"},
		{codec.FlagStreaming | codec.FlagTopic, "topic,streaming"},
		{0xff, "topic,payload,noresponse,route,upstream,private,streaming,user1"},
	}
	for _, tt := range tests {
		if got := tt.f.String(); got != tt.want {
			t.Errorf("Flags(%#02x).String() = %q, want %q", uint8(tt.f), got, tt.want)
		}
	}
}

func TestTypeString(t *testing.T) {
	for typ, want := range map[codec.Type]string{
		0: "invalid", 1: "request", 2: "response", 3: "invalid", 4: "event", 8: "control", 255: "invalid",
	} {
		if got := typ.String(); got != want {
			t.Errorf("Type(%d).String() = %q, want %q", uint8(typ), got, want)
		}
	}
}

func TestFinal(t *testing.T) {
	tests := []struct {
		name   string
		flags  codec.Flags
		errnum uint32
		want   bool
	}{
		{"success", codec.FlagTopic, 0, true},
		{"error", codec.FlagTopic, 2, true},
		{"item of a stream", codec.FlagStreaming, 0, false},
		{"end of a stream", codec.FlagStreaming, 61, true},
		{"error of any value ends a stream", codec.FlagStreaming, 0xffffffff, true},
	}
	for _, tt := range tests {
		m := &codec.Message{Type: codec.TypeResponse, Flags: tt.flags, Errnum: tt.errnum}
		if got := m.Final(); got != tt.want {
			t.Errorf("%s: Final() = %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestConstructors(t *testing.T) {
	req := codec.NewRequest("a.b")
	want := &codec.Message{
		Type: codec.TypeRequest, Flags: codec.FlagTopic | codec.FlagRoute,
		UserID: 0xffffffff, NodeID: 0xffffffff, Topic: "a.b",
	}
	if diff := cmp.Diff(want, req); diff != "" {
		t.Errorf("NewRequest: -want +got\n%s", diff)
	}
	want = &codec.Message{
		Type: codec.TypeEvent, Flags: codec.FlagTopic | codec.FlagRoute,
		UserID: 0xffffffff, Topic: "a.b",
	}
	if diff := cmp.Diff(want, codec.NewEvent("a.b")); diff != "" {
		t.Errorf("NewEvent: -want +got\n%s", diff)
	}
}

// TestConstructorsMakeFrames makes what recorded clients sent: their requests,
// with and without a tag, and their direct events.
func TestConstructorsMakeFrames(t *testing.T) {
	counts := map[codec.Type]int{}
	recorded(t, func(where string, r *capture.Record) {
		rec := r.Msg
		if r.Dir != capture.ClientToServer || rec.PayloadSHA256 != "" || rec.Rolemask != 0 || len(rec.Routes) > 0 {
			return
		}
		const chosen = codec.FlagNoResponse | codec.FlagStreaming | codec.FlagUpstream | codec.FlagPrivate
		var m *codec.Message
		switch rec.Type {
		case codec.TypeRequest:
			m = codec.NewRequest(rec.Topic)
			m.NodeID, m.Matchtag = rec.NodeID, rec.Matchtag
		case codec.TypeEvent:
			m = codec.NewEvent(rec.Topic)
		default:
			return
		}
		m.Flags |= rec.Flags & chosen
		m.SetPayload(rec.Payload)
		if err := r.CheckFrame(mustAppend(t, m)); err != nil {
			t.Errorf("%s: %v", where, err)
		}
		counts[rec.Type]++
	})
	if counts[codec.TypeRequest] != 334 || counts[codec.TypeEvent] != 6 {
		t.Errorf("%d requests and %d events, want 334 and 6", counts[codec.TypeRequest], counts[codec.TypeEvent])
	}
}

// A response has all flags of its request but the payload's, and neither its
// credentials nor its rank.
func TestNewResponse(t *testing.T) {
	req := codec.NewRequest("a.b")
	req.Flags, req.UserID, req.Rolemask, req.NodeID, req.Matchtag = 0xff, 5, 1, 3, 9
	req.Routes, req.Payload = codec.MakeRoutes("x", "y"), []byte("p")
	want := &codec.Message{
		Type: codec.TypeResponse, Flags: 0xff &^ codec.FlagPayload, UserID: 0xffffffff,
		Matchtag: 9, Routes: codec.MakeRoutes("x", "y"), Topic: "a.b",
	}
	got := codec.NewResponse(req)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if req.Type != codec.TypeRequest || req.Flags != 0xff || string(req.Payload) != "p" {
		t.Errorf("the request was changed: %+v", req)
	}
}

func TestSetPayload(t *testing.T) {
	tests := []struct {
		name string
		p    []byte
		has  bool
		part string // the part in the frame, with its size
	}{
		{"none", nil, false, ""},
		{"of no bytes", []byte{}, true, "\x00"},
		{"of a byte", []byte("x"), true, "\x01x"},
	}
	for _, tt := range tests {
		for _, before := range [][]byte{nil, []byte("former")} {
			m := codec.NewEvent("e")
			m.SetPayload(before)
			m.SetPayload(tt.p)
			if m.HasPayload() != tt.has {
				t.Errorf("%s after %q: HasPayload() = %v, want %v", tt.name, before, m.HasPayload(), tt.has)
			}
			body := mustAppend(t, m)[codec.PrefixSize:]
			if got := string(body[len("\x00\x01e") : len(body)-codec.MinBody]); got != tt.part {
				t.Errorf("%s after %q: payload part is %q, want %q", tt.name, before, got, tt.part)
			}
		}
	}
	if m := (&codec.Message{Payload: []byte("x")}); !m.HasPayload() {
		t.Error("HasPayload() is false for a message with bytes and no flag")
	}
}
