package codec_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flux-sdk/flux/codec"
)

// request returns a request that is fine to send, after edit.
func request(edit func(*codec.Message)) *codec.Message {
	m := codec.NewRequest("svc.method")
	edit(m)
	return m
}

func TestAppendRefuses(t *testing.T) {
	type msg = codec.Message
	tests := []struct {
		name string
		m    *msg
		want string // in the error text
	}{
		{"zero message", &msg{}, "type 0"},
		{"type 3", request(func(m *msg) { m.Type = 3 }), "type 3"},
		{"type 16", request(func(m *msg) { m.Type = 16 }), "type 16"},
		{"type 255", request(func(m *msg) { m.Type = 255 }), "type 255"},
		{"request without a topic", &msg{Type: codec.TypeRequest, Flags: codec.FlagRoute}, "request without a topic"},
		{"response without a topic", &msg{Type: codec.TypeResponse, Flags: codec.FlagRoute}, "response without a topic"},
		{"event without a topic", &msg{Type: codec.TypeEvent}, "event without a topic"},
		{"topic with a NUL at its end", request(func(m *msg) { m.Topic = "a.b\x00" }), "NUL at byte 3"},
		{"topic with a NUL inside", request(func(m *msg) { m.Topic = "a\x00b" }), "NUL at byte 1"},
		{"event with a NUL in its topic", codec.NewEvent("\x00"), "NUL at byte 0"},
		{"control with a NUL in its topic", &msg{Type: codec.TypeControl, Topic: "\x00"}, "NUL at byte 0"},
		{"245 bytes of service", request(func(m *msg) { m.Topic = strings.Repeat("s", 245) + ".m" }), "245 bytes before its last period"},
		{"245 bytes with periods", request(func(m *msg) { m.Topic = strings.Repeat("s.", 122) + "s.m" }), "245 bytes"},
		{"245 bytes and nothing after", request(func(m *msg) { m.Topic = strings.Repeat("s", 245) + "." }), "245 bytes"},
		{"245 bytes, streaming", request(func(m *msg) {
			m.Topic = strings.Repeat("s", 245) + ".m"
			m.Flags |= codec.FlagStreaming
		}), "245 bytes"},
		{"empty hop", request(func(m *msg) { m.Routes = codec.MakeRoutes("a", "", "b") }), "empty hop"},
		{"only an empty hop", request(func(m *msg) { m.Routes = codec.Routes{0} }), "empty hop"},
		{"empty hop in the long form", request(func(m *msg) { m.Routes = codec.Routes{255, 0, 0, 0, 0} }), "empty hop"},
		{"hop cut short", request(func(m *msg) { m.Routes = codec.Routes{3, 'a', 'b'} }), "route stack of 3 bytes"},
		{"size of a hop cut short", request(func(m *msg) { m.Routes = codec.Routes{255, 0, 0, 0} }), "route stack of 4 bytes"},
		{"hop that claims 4 GiB", request(func(m *msg) { m.Routes = codec.Routes{255, 255, 255, 255, 255, 'a'} }), "route stack of 6 bytes"},
		{"routes of a response", &msg{Type: codec.TypeResponse, Topic: "a", Routes: codec.Routes{1}}, "route stack"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := *tt.m
			checkRefused(t, tt.m, 0, codec.ErrUnsendable, tt.want)
			if diff := cmp.Diff(before, *tt.m); diff != "" {
				t.Errorf("the message was changed: -before +after\n%s", diff)
			}
		})
	}
}

// checkRefused says whether the three encoders refuse m alike and leave their
// dst alone, the room behind it included.
func checkRefused(t *testing.T, m *codec.Message, maxSize int, want error, text string) {
	t.Helper()
	encoders := map[string]func([]byte) ([]byte, error){
		"AppendMax":   func(dst []byte) ([]byte, error) { return codec.AppendMax(dst, m, maxSize) },
		"AppendSplit": func(dst []byte) ([]byte, error) { out, _, err := codec.AppendSplit(dst, m, maxSize); return out, err },
	}
	if maxSize == 0 {
		encoders["Append"] = func(dst []byte) ([]byte, error) { return codec.Append(dst, m) }
	}
	for name, encode := range encoders {
		room := []byte("keep....................................")
		orig := bytes.Clone(room)
		out, err := encode(room[:4])
		if !errors.Is(err, want) || !strings.Contains(fmt.Sprint(err), text) {
			t.Errorf("%s: error %v, want %v with %q in it", name, err, want, text)
		}
		if string(out) != "keep" || !bytes.Equal(room, orig) {
			t.Errorf("%s: dst is %q in %q, want it as it was", name, out, room)
		}
	}
}

func TestAppendAccepts(t *testing.T) {
	type msg = codec.Message
	long := strings.Repeat("s", 245) + ".m"
	tests := []struct {
		name string
		m    *msg
	}{
		{"244 bytes of service", request(func(m *msg) { m.Topic = strings.Repeat("s", 244) + ".m" })},
		{"244 bytes of service, long method", request(func(m *msg) { m.Topic = strings.Repeat("s", 244) + "." + strings.Repeat("m", 1000) })},
		{"300 bytes without a period", request(func(m *msg) { m.Topic = strings.Repeat("s", 300) })},
		{"245 bytes, no response", request(func(m *msg) { m.Topic, m.Flags = long, m.Flags|codec.FlagNoResponse })},
		{"245 bytes in a response", &msg{Type: codec.TypeResponse, Topic: long}},
		{"245 bytes in an event", codec.NewEvent(long)},
		{"topic of no bytes", &msg{Type: codec.TypeRequest, Flags: codec.FlagTopic}},
		{"topic that is not UTF-8", request(func(m *msg) { m.Topic = "a.\xff" })},
		{"control without a topic", &msg{Type: codec.TypeControl, ControlType: 1, ControlStatus: 2}},
		{"every flag", request(func(m *msg) { m.Flags = 0xff })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { roundTrip(t, tt.m) })
	}
}

// roundTrip encodes m in every way, decodes the frame and compares.
func roundTrip(t *testing.T, m *codec.Message) []byte {
	t.Helper()
	frame := mustAppend(t, m)
	if err := checkEncoding(m, frame); err != nil {
		t.Error(err)
	}
	got, err := open(frame)
	if err != nil {
		t.Fatal(err)
	}
	want := *m
	want.Flags = got.Flags // the encoder adds those of the parts
	if missing := m.Flags &^ got.Flags; missing != 0 {
		t.Errorf("flags %q were lost", missing)
	}
	if m.Flags&codec.FlagPayload != 0 && want.Payload == nil {
		want.Payload = []byte{}
	}
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	return frame
}

// TestPartSizes encodes parts of sizes around the change to the long form, in
// each place where a part can be.
func TestPartSizes(t *testing.T) {
	sizes := map[int]string{
		0: "\x00", 1: "\x01", 253: "\xfd", 254: "\xfe",
		255: "\xff\x00\x00\x00\xff", 256: "\xff\x00\x00\x01\x00", 65536: "\xff\x00\x01\x00\x00",
	}
	for size, spelled := range sizes {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			data := pattern(size)
			event := func() *codec.Message {
				return &codec.Message{Type: codec.TypeEvent, Flags: codec.FlagTopic}
			}
			payload := event()
			payload.SetPayload(data)
			frame := roundTrip(t, payload)
			if want := "\x00" + spelled + string(data) + "\x14"; !strings.HasPrefix(string(frame[8:]), want) {
				t.Errorf("payload: body starts with % x, want % x", frame[8:20], want[:min(len(want), 12)])
			}
			topic := event()
			topic.Topic = strings.Repeat("t", size)
			frame = roundTrip(t, topic)
			if want := spelled + topic.Topic + "\x14"; !strings.HasPrefix(string(frame[8:]), want) {
				t.Errorf("topic: body starts with % x, want % x", frame[8:20], want[:min(len(want), 12)])
			}
			if size == 0 {
				return // a hop of no bytes is refused
			}
			hop := event()
			hop.Routes = codec.MakeRoutes(string(data), "next")
			frame = roundTrip(t, hop)
			if want := spelled + string(data) + "\x04next\x00\x00\x14"; !strings.HasPrefix(string(frame[8:]), want) {
				t.Errorf("route: body starts with % x, want % x", frame[8:20], want[:min(len(want), 12)])
			}
		})
	}
}

// TestSizeCap encodes up to the cap and one byte over, and reads such prefixes.
func TestSizeCap(t *testing.T) {
	for _, maxSize := range []int{21, 100, 300, 70000} {
		t.Run(fmt.Sprint(maxSize), func(t *testing.T) {
			m := &codec.Message{Type: codec.TypeControl}
			if room := maxSize - codec.MinBody; room > 0 {
				m.SetPayload([]byte{})
				for codec.FrameSize(m) < codec.PrefixSize+maxSize {
					m.Payload = append(m.Payload, 'x')
				}
			}
			frame, err := codec.AppendMax(nil, m, maxSize)
			if err != nil || len(frame) != codec.PrefixSize+maxSize {
				t.Fatalf("AppendMax = %d bytes, %v, want a body of exactly %d", len(frame), err, maxSize)
			}
			if n, err := codec.ParsePrefix(frame, maxSize); n != maxSize || err != nil {
				t.Errorf("ParsePrefix = %d, %v, want %d", n, err, maxSize)
			}
			if _, err := codec.ParsePrefix(frame, maxSize-1); !errors.Is(err, codec.ErrTooLarge) {
				t.Errorf("ParsePrefix with a cap one lower = %v, want %v", err, codec.ErrTooLarge)
			}
			checkRefused(t, m, maxSize-1, codec.ErrTooLarge, fmt.Sprintf("limit %d", maxSize-1))
			m.Payload = append(m.Payload, 'x')
			checkRefused(t, m, maxSize, codec.ErrTooLarge, fmt.Sprintf("limit %d", maxSize))
		})
	}
}

// TestNoCapIsTheDefault has a payload that the default allows, for each way to
// ask for the default and for caps beyond what the length field can say.
func TestNoCapIsTheDefault(t *testing.T) {
	m := codec.NewEvent("e")
	m.SetPayload(make([]byte, 1<<20))
	for _, maxSize := range []int{0, -1, codec.DefaultMaxSize, math.MaxInt} {
		if out, err := codec.AppendMax(nil, m, maxSize); err != nil || len(out) != codec.FrameSize(m) {
			t.Errorf("AppendMax with cap %d = %d bytes, %v", maxSize, len(out), err)
		}
	}
}
