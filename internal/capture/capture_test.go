package capture_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/capture"
	"github.com/flux-sdk/flux/internal/capture/golden"
)

// frame returns the bytes of m as a frame.
func frame(t *testing.T, m *codec.Message) []byte {
	t.Helper()
	b, err := codec.Append(nil, m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func request(topic string, payload []byte) *codec.Message {
	m := codec.NewRequest(topic)
	m.Matchtag = 7
	m.Routes = codec.MakeRoutes("near", "far")
	m.SetPayload(payload)
	return m
}

func TestCheckNamesTheField(t *testing.T) {
	type edit = func(*codec.Message)
	event := func() *codec.Message {
		m := codec.NewEvent("a.b")
		m.Sequence = 3
		return m
	}
	req := func() *codec.Message { return request("a.b", []byte("x\x00")) }
	resp := func() *codec.Message { return codec.NewResponse(req()) }
	big := func() *codec.Message { return request("a.b", bytes.Repeat([]byte("0123456789"), 500)) }
	tests := []struct {
		name string
		make func() *codec.Message
		edit edit
		want string
	}{
		{"type", req, func(m *codec.Message) { m.Type = codec.TypeEvent }, "type is event (4), want request"},
		{"flags", req, func(m *codec.Message) { m.Flags |= codec.FlagUser1 }, `flags are "topic,payload,route,user1", want "topic,payload,route"`},
		{"userid", req, func(m *codec.Message) { m.UserID = 1 }, "userid is 1, want 4294967295"},
		{"rolemask", req, func(m *codec.Message) { m.Rolemask = 4 }, "rolemask is 4, want 0"},
		{"nodeid", req, func(m *codec.Message) { m.NodeID = 2 }, "nodeid is 2, want 4294967295"},
		{"request matchtag", req, func(m *codec.Message) { m.Matchtag = 8 }, "matchtag is 8, want 7"},
		{"errnum", resp, func(m *codec.Message) { m.Errnum = 2 }, "errnum is 2, want 0"},
		{"response matchtag", resp, func(m *codec.Message) { m.Matchtag = 8 }, "matchtag is 8, want 7"},
		{"seq", event, func(m *codec.Message) { m.Sequence = 4 }, "seq is 4, want 3"},
		{"aux2", event, func(m *codec.Message) { m.Matchtag = 1 }, "aux2 is 1, want 0"},
		{"routes", req, func(m *codec.Message) { m.Routes = codec.MakeRoutes("far") }, `routes are ["far"], want ["near" "far"]`},
		{"topic", req, func(m *codec.Message) { m.Topic = "a.c" }, `topic is "a.c", want "a.b"`},
		{"payload size", req, func(m *codec.Message) { m.Payload = nil }, "payload has 0 bytes, want 2"},
		{"payload", req, func(m *codec.Message) { m.Payload = []byte("y\x00") }, `payload is "y\x00", want "x\x00"`},
		{"digested head", big, func(m *codec.Message) { m.Payload[0] = 'x' }, "payload starts with 78"},
		{"digested rest", big, func(m *codec.Message) { m.Payload[4000] = 'x' }, "payload has sha256"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec, err := capture.NewRecord(1, capture.ClientToServer, frame(t, tt.make()))
			if err != nil {
				t.Fatal(err)
			}
			got := tt.make()
			if err := rec.Msg.Check(got); err != nil {
				t.Fatalf("Check of the same message: %v", err)
			}
			tt.edit(got)
			if err := rec.Msg.Check(got); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("Check = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestCheckOfAHandshake(t *testing.T) {
	rec, err := capture.NewRecord(1, capture.ServerToClient, []byte{1})
	if err != nil {
		t.Fatal(err)
	}
	if rec.IsFrame() || rec.Msg.Handshake == nil || *rec.Msg.Handshake != 1 {
		t.Errorf("record of the byte 1 = %+v, want the handshake 1", rec)
	}
	if err := rec.Msg.Check(codec.NewRequest("a")); err == nil {
		t.Error("Check of a message against a handshake succeeded")
	}
	if err := rec.CheckFrame([]byte{1}); err == nil {
		t.Error("CheckFrame against a handshake succeeded")
	}
}

func TestNewRecordRefuses(t *testing.T) {
	whole := frame(t, codec.NewRequest("a.b"))
	tests := map[string]struct {
		dir capture.Dir
		raw []byte
	}{
		"nothing":             {capture.ServerToClient, nil},
		"a byte from client":  {capture.ClientToServer, []byte{0}},
		"half a frame":        {capture.ClientToServer, whole[:len(whole)/2]},
		"a frame and a byte":  {capture.ClientToServer, append(bytes.Clone(whole), 0)},
		"a frame not decoded": {capture.ClientToServer, append(bytes.Clone(whole[:8]), make([]byte, len(whole)-8)...)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if r, err := capture.NewRecord(1, tt.dir, tt.raw); err == nil {
				t.Errorf("NewRecord = %+v, want an error", r)
			}
		})
	}
}

func TestCheckFrame(t *testing.T) {
	big := frame(t, request("a.b", make([]byte, 100000)))
	rec, err := capture.NewRecord(1, capture.ClientToServer, big)
	if err != nil {
		t.Fatal(err)
	}
	if !rec.Digested() || rec.Frame() != nil {
		t.Fatalf("a frame of %d bytes is not digested", len(big))
	}
	if err := rec.CheckFrame(big); err != nil {
		t.Error(err)
	}
	for at, want := range map[int]string{100: "starts", 50000: "sha256", len(big) - 1: "ends"} {
		bad := bytes.Clone(big)
		bad[at] ^= 1
		if err := rec.CheckFrame(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("CheckFrame with byte %d changed: %v, want %q in it", at, err, want)
		}
	}
	if err := rec.CheckFrame(big[1:]); err == nil {
		t.Error("CheckFrame of a shorter frame succeeded")
	}
	small := frame(t, request("a.b", nil))
	rec, err = capture.NewRecord(1, capture.ClientToServer, small)
	if err != nil {
		t.Fatal(err)
	}
	if err := rec.CheckFrame(small); err != nil {
		t.Error(err)
	}
	if err := rec.CheckFrame(frame(t, request("a.c", nil))); err == nil {
		t.Error("CheckFrame of another frame succeeded")
	}
}

// Message and NewRecord are each other's inverse on what was recorded.
func TestMessageRebuildsFrames(t *testing.T) {
	n := 0
	for _, name := range golden.Names() {
		recs, err := golden.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range recs {
			if !r.IsFrame() || r.Msg.PayloadSHA256 != "" {
				continue
			}
			n++
			if err := r.CheckFrame(frame(t, r.Msg.Message())); err != nil {
				t.Errorf("%s line %d: %v", name, i+1, err)
			}
			got, err := capture.NewRecord(r.Conn, r.Dir, r.Frame())
			if err != nil {
				t.Fatalf("%s line %d: %v", name, i+1, err)
			}
			if diff := cmp.Diff(r, got); diff != "" {
				t.Errorf("%s line %d: -file +made\n%s", name, i+1, diff)
			}
		}
	}
	if want := 890 - 8; n != want {
		t.Errorf("%d frames with a payload in the file, want %d", n, want)
	}
}
