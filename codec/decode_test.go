package codec_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/codec"
)

func prefix(n uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, 0xffee0012), n)
}

func TestParsePrefix(t *testing.T) {
	tests := []struct {
		name    string
		in      []byte
		maxSize int
		want    int
		err     error
	}{
		{"nothing", nil, 0, 0, codec.ErrMalformed},
		{"seven bytes", prefix(21)[:7], 0, 0, codec.ErrMalformed},
		{"other byte order", append([]byte{prefix(0)[3], prefix(0)[2], prefix(0)[1], prefix(0)[0]}, prefix(21)[4:]...), 0, 0, codec.ErrMalformed},
		{"length 0", prefix(0), 0, 0, codec.ErrMalformed},
		{"length 20", prefix(20), 0, 0, codec.ErrMalformed},
		{"length 21", prefix(21), 0, 21, nil},
		{"bytes behind", append(prefix(21), 1, 2, 3), 0, 21, nil},
		{"default cap", prefix(1 << 30), 0, 1 << 30, nil},
		{"negative cap is the default", prefix(1 << 30), -1, 1 << 30, nil},
		{"over the default cap", prefix(1<<30 + 1), 0, 0, codec.ErrTooLarge},
		{"cap of 100", prefix(100), 100, 100, nil},
		{"over a cap of 100", prefix(101), 100, 0, codec.ErrTooLarge},
		{"no cap is over 2 GiB", prefix(0x7ffffff7), math.MaxInt, 0x7ffffff7, nil},
		{"over 2 GiB", prefix(0x7ffffff8), math.MaxInt, 0, codec.ErrTooLarge},
		{"length that wraps to 0", prefix(0xfffffff8), math.MaxInt, 0, codec.ErrTooLarge},
		{"length that wraps to 7", prefix(0xffffffff), math.MaxInt, 0, codec.ErrTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, err := codec.ParsePrefix(tt.in, tt.maxSize)
			if n != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("ParsePrefix = %d, %v, want %d, %v", n, err, tt.want, tt.err)
			}
		})
	}
}

// header returns a header part with size byte.
func header(typ codec.Type, flags codec.Flags) string {
	h := make([]byte, 21)
	copy(h, []byte{20, 0x8e, 1, byte(typ), byte(flags)})
	return string(h)
}

func TestDecodeErrors(t *testing.T) {
	const f = codec.FlagTopic | codec.FlagPayload | codec.FlagRoute
	ctl := header(codec.TypeControl, 0)
	tests := []struct{ name, body, want string }{
		{"nothing", "", "body of 0 bytes"},
		{"20 bytes", ctl[:20], "body of 20 bytes"},
		{"size byte", "\x13" + ctl[1:], "last part"},
		{"header magic", "\x14\x8f" + ctl[2:], "0x8f"},
		{"version", "\x14\x8e\x02" + ctl[3:], "version 2"},
		{"type 0", header(0, 0), "type 0"},
		{"type 5", header(5, 0), "type 5"},
		{"topic missing", header(1, codec.FlagTopic), "the header"},
		{"topic missing, payload flag", header(1, codec.FlagTopic|codec.FlagPayload), "the payload"},
		{"delimiter missing", "\x01a" + header(1, codec.FlagRoute), "no delimiter"},
		{"payload missing", "\x00\x01a" + header(1, f), "the header"},
		{"hop runs past the end", "\xf0a" + header(1, codec.FlagRoute), "part of 240 bytes in the"},
		{"topic runs past the end", "\x00\xf0a" + header(1, f), "the topic"},
		{"payload runs past the end", "\x00\x01a\xf0" + header(1, f), "the payload"},
		{"extra part runs past the end", "\xf0" + ctl, "the header"},
		{"part of 4 GiB", "\xff\xff\xff\xff\xff" + ctl, "part of 4294967295 bytes"},
		{"part of 2 GiB", "\xff\x80\x00\x00\x00" + ctl, "part of 2147483648 bytes"},
		{"header inside another part", "\x16" + "x" + ctl, "last part has 22 bytes"},
		{"size cut short", strings.Repeat("\x00", 4) + "\x15" + "x" + ctl[:18] + "\xff\x00", "last part"},
	}
	var d codec.Decoder
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := codec.Decode([]byte(tt.body))
			if m != nil || !errors.Is(err, codec.ErrMalformed) || !strings.Contains(fmt.Sprint(err), tt.want) {
				t.Errorf("Decode = %v, %v, want %v with %q in it", m, err, codec.ErrMalformed, tt.want)
			}
			if derr := d.Decode(new(codec.Message), []byte(tt.body)); fmt.Sprint(derr) != fmt.Sprint(err) {
				t.Errorf("Decoder: %v, want %v", derr, err)
			}
		})
	}
}

// TestDecodeTolerates has bodies that no encoder makes and brokers accept.
func TestDecodeTolerates(t *testing.T) {
	const f = codec.FlagTopic | codec.FlagRoute
	tests := []struct{ name, body, topic, payload, routes string }{
		{"long form everywhere", "\xff\x00\x00\x00\x01r\xff\x00\x00\x00\x00\xff\x00\x00\x00\x01t\xff\x00\x00\x00\x14" + header(1, f)[1:], "t", "", "|r|"},
		{"part not announced", "\x00\x01t\x02zz" + header(1, f), "t", "", "||"},
		{"NUL at the end of the topic", "\x00\x02t\x00" + header(1, f), "t", "", "||"},
		{"NUL inside the topic", "\x00\x03t\x00u" + header(1, f), "t", "", "||"},
		{"only a NUL", "\x00\x01\x00" + header(1, f), "", "", "||"},
		{"no delimiter, no flag", "\x01t\x01p" + header(1, codec.FlagTopic|codec.FlagPayload), "t", "p", "||"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := codec.Decode([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if m.Topic != tt.topic || string(m.Payload) != tt.payload || m.Routes.String() != tt.routes {
				t.Errorf("topic %q payload %q routes %s, want %q %q %s", m.Topic, m.Payload, m.Routes, tt.topic, tt.payload, tt.routes)
			}
		})
	}
}

// TestDecodeAliases says what the documentation does: the message shares bytes
// with the body, and appending to what it has cannot write over the body.
func TestDecodeAliases(t *testing.T) {
	m := codec.NewRequest("a.b")
	m.Routes = codec.MakeRoutes("hop")
	m.SetPayload([]byte("payload"))
	body := mustAppend(t, m)[codec.PrefixSize:]
	orig := bytes.Clone(body)
	got, err := codec.Decode(body)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = append(got.Payload, "overwritten"...), append(got.Routes, "overwritten"...)
	if !bytes.Equal(body, orig) {
		t.Error("appending to Payload or Routes wrote over the body")
	}
	body[bytes.IndexByte(body, 'y')] = 'Y'
	if string(got.Payload) != "paYload" {
		t.Errorf("payload %q, want it to be the bytes of the body", got.Payload)
	}
}

// A Decoder replaces all of the message that it decodes into.
func TestDecoderReplaces(t *testing.T) {
	full := &codec.Message{
		Type: codec.TypeResponse, Flags: 0xff, UserID: 1, Rolemask: 2, NodeID: 3, Errnum: 4, Sequence: 5,
		ControlType: 6, ControlStatus: 7, Matchtag: 8, Routes: codec.MakeRoutes("x"), Topic: "t", Payload: []byte("p"),
	}
	body := mustAppend(t, &codec.Message{Type: codec.TypeControl, ControlStatus: 9})[codec.PrefixSize:]
	if err := new(codec.Decoder).Decode(full, body); err != nil {
		t.Fatal(err)
	}
	want := codec.Message{Type: codec.TypeControl, ControlStatus: 9}
	if got := fmt.Sprintf("%+v", *full); got != fmt.Sprintf("%+v", want) {
		t.Errorf("decoded %s, want %+v", got, want)
	}
}

// A Decoder gives the right topic however many there are, and allocates nothing
// for one that it knows.
func TestDecoderTopics(t *testing.T) {
	var d codec.Decoder
	var m codec.Message
	topics := []string{"", strings.Repeat("x", 128), strings.Repeat("x", 129)}
	for i := range 1000 {
		topics = append(topics, fmt.Sprintf("topic.%d", i))
	}
	for range 2 {
		for _, topic := range topics {
			e := codec.NewEvent(topic)
			body := mustAppend(t, e)[codec.PrefixSize:]
			if err := d.Decode(&m, body); err != nil || m.Topic != topic {
				t.Fatalf("topic %q, %v, want %q", m.Topic, err, topic)
			}
			clear(body) // the topic must not alias it
			if m.Topic != topic {
				t.Fatalf("topic became %q with the body, want %q", m.Topic, topic)
			}
		}
	}
	known := mustAppend(t, codec.NewEvent("topic.7"))[codec.PrefixSize:]
	if n := testing.AllocsPerRun(100, func() { _ = d.Decode(&m, known) }); n != 0 {
		t.Errorf("%v allocations for a known topic, want 0", n)
	}
	late := mustAppend(t, codec.NewEvent("topic.999"))[codec.PrefixSize:]
	if n := testing.AllocsPerRun(100, func() { _ = d.Decode(&m, late) }); n != 1 {
		t.Errorf("%v allocations for a topic beyond what a Decoder keeps, want 1", n)
	}
}
