package codec_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/capture"
)

type point struct {
	X int    `json:"x"`
	S string `json:"s,omitempty"`
}

func TestEncodePayload(t *testing.T) {
	var nilPoint *point
	tests := []struct {
		name string
		in   any
		want string // without bytes: no payload
	}{
		{"nil", nil, ""},
		{"no bytes", []byte{}, ""},
		{"nil bytes", []byte(nil), ""},
		{"bytes", []byte("raw\x00\xff"), "raw\x00\xff"},
		{"empty string", "", "\x00"},
		{"string", "text", "text\x00"},
		{"string that is not UTF-8", "\xff", "\xff\x00"},
		{"raw JSON", json.RawMessage(`{"a":1}`), "{\"a\":1}\x00"},
		{"raw JSON with white space", json.RawMessage(" {\n}\t"), " {\n}\t\x00"},
		{"struct", point{X: 1}, "{\"x\":1}\x00"},
		{"pointer", &point{X: 1}, "{\"x\":1}\x00"},
		{"map", map[string]any{"k": nil}, "{\"k\":null}\x00"},
		{"NUL in a member is escaped", point{S: "\x00"}, "{\"x\":0,\"s\":\"\\u0000\"}\x00"},
		{"large integer", map[string]uint64{"id": 1<<63 - 1}, "{\"id\":9223372036854775807}\x00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := codec.EncodePayload(tt.in, nil)
			if err != nil || string(got) != tt.want || (got == nil) != (tt.want == "") {
				t.Errorf("EncodePayload = %q (nil: %v), %v, want %q", got, got == nil, err, tt.want)
			}
		})
	}
	bad := []struct {
		name string
		in   any
	}{
		{"string with a NUL", "a\x00b"},
		{"string that ends with a NUL", "a\x00"},
		{"raw JSON cut short", json.RawMessage(`{"a":`)},
		{"raw JSON and more", json.RawMessage(`{}x`)},
		{"empty raw JSON", json.RawMessage{}},
		{"raw array", json.RawMessage(`[]`)},
		{"raw JSON that is not UTF-8", json.RawMessage("{\"a\":\"\xff\"}")},
		{"array", []int{1}},
		{"number", 7},
		{"bool", true},
		{"nil pointer", nilPoint},
		{"nil map", map[string]int(nil)},
	}
	for _, tt := range bad {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := codec.EncodePayload(tt.in, nil); !errors.Is(err, codec.ErrPayload) || got != nil {
				t.Errorf("EncodePayload = %q, %v, want %v", got, err, codec.ErrPayload)
			}
		})
	}
}

func TestEncodePayloadMarshal(t *testing.T) {
	broken := errors.New("broken")
	tests := []struct {
		name, out string
		err       error
		want      error
	}{
		{"fine", `{"own":1}`, nil, nil},
		{"its error", "", broken, broken},
		{"no object", `"text"`, nil, codec.ErrPayload},
		{"nothing", "", nil, codec.ErrPayload},
		{"a NUL", "{\x00}", nil, codec.ErrPayload},
		{"not UTF-8", "{\"\xff\":1}", nil, codec.ErrPayload},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var saw any
			got, err := codec.EncodePayload(point{X: 1}, func(v any) ([]byte, error) { saw = v; return []byte(tt.out), tt.err })
			if !errors.Is(err, tt.want) || saw != any(point{X: 1}) {
				t.Errorf("error %v for %v, want %v for %v", err, saw, tt.want, point{X: 1})
			}
			if tt.want == nil && string(got) != tt.out+"\x00" {
				t.Errorf("payload %q, want %q and a NUL", got, tt.out)
			}
		})
	}
	for _, v := range []any{nil, "text", []byte("raw"), json.RawMessage("{}")} {
		if _, err := codec.EncodePayload(v, func(any) ([]byte, error) { return nil, broken }); err != nil {
			t.Errorf("%T went through marshal: %v", v, err)
		}
	}
}

// The NUL must not be written behind what the caller passed in.
func TestEncodePayloadCopiesJSON(t *testing.T) {
	backing := []byte(`{}keep`)
	if _, err := codec.EncodePayload(json.RawMessage(backing[:2]), nil); err != nil || string(backing) != `{}keep` {
		t.Errorf("after EncodePayload (%v) the caller's bytes are %q", err, backing)
	}
	raw := []byte("raw")
	if got, _ := codec.EncodePayload(raw, nil); &got[0] != &raw[0] {
		t.Error("[]byte was copied")
	}
}

func TestDecodePayload(t *testing.T) {
	const none = "\x00none" // marks a refusal
	tests := []struct{ name, in, text, json string }{
		{"no payload", "", none, none},
		{"empty string", "\x00", "", none},
		{"text", "text\x00", "text", none},
		{"no NUL", "text", none, none},
		{"object", "{\"a\":1}\x00", `{"a":1}`, `{"a":1}`},
		{"object without NUL", `{"a":1}`, none, none},
		{"two NULs", "{}\x00\x00", "{}", "{}"},
		{"NUL inside", "{}\x00junk\x00", "{}", "{}"},
		{"white space", " \t\r\n{} \n\x00", " \t\r\n{} \n", " \t\r\n{} \n"},
		{"only white space", " \n\x00", " \n", none},
		{"other space", "\v{}\x00", "\v{}", none},
		{"array", "[]\x00", "[]", none},
		{"number", "1\x00", "1", none},
		{"not UTF-8", "{\"\xff\":1}\x00", "{\"\xff\":1}", none},
		{"NUL first", "\x00{}\x00", "", none},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text, err := codec.TextPayload([]byte(tt.in))
			checkPayload(t, "TextPayload", text, err, tt.text, tt.text == none)
			obj, err := codec.JSONPayload([]byte(tt.in))
			checkPayload(t, "JSONPayload", string(obj), err, tt.json, tt.json == none)
		})
	}
}

func checkPayload(t *testing.T, what, got string, err error, want string, refused bool) {
	t.Helper()
	if refused {
		if !errors.Is(err, codec.ErrPayload) || got != "" {
			t.Errorf("%s = %q, %v, want %v", what, got, err, codec.ErrPayload)
		}
	} else if err != nil || got != want {
		t.Errorf("%s = %q, %v, want %q", what, got, err, want)
	}
}

// TestPayloadsAsBrokersDo takes the recorded odd requests to attr.get: what the
// broker answered with EPROTO is what does not decode here.
func TestPayloadsAsBrokersDo(t *testing.T) {
	const eproto = 71
	good, bad := 0, 0
	for _, c := range malformedCases(t) {
		v := judge(c.Sent)
		if c.Outcome != capture.Answering || len(c.Replies) == 0 || v.msgs[0].Topic != "attr.get" {
			continue
		}
		if e := c.Replies[0].Errnum; e != 0 && e != eproto {
			continue
		}
		var req struct{ Name *string }
		obj, err := codec.JSONPayload(v.msgs[0].Payload)
		if err == nil {
			err = json.Unmarshal(obj, &req)
		}
		if err == nil && req.Name == nil {
			err = errors.New("no name")
		}
		if refused := c.Replies[0].Errnum == eproto; refused != (err != nil) {
			t.Errorf("%s: decoding says %v, the broker answered %d", c.Name, err, c.Replies[0].Errnum)
		} else if refused {
			bad++
		} else {
			good++
			if *req.Name != "rank" {
				t.Errorf("%s: asks for %q, want rank", c.Name, *req.Name)
			}
		}
	}
	if good != 21 || bad != 8 {
		t.Errorf("%d good and %d bad payloads, want 21 and 8", good, bad)
	}
}

// Every recorded payload is given back by the encoder of its convention.
func TestPayloadsOfCaptures(t *testing.T) {
	objects, texts := 0, 0
	recorded(t, func(where string, r *capture.Record) {
		p := r.Msg.Payload
		if len(p) == 0 {
			return
		}
		if obj, err := codec.JSONPayload(p); err == nil {
			objects++
			if got, err := codec.EncodePayload(json.RawMessage(obj), nil); err != nil || string(got) != string(p) {
				t.Errorf("%s: JSON %q encodes to %q, %v", where, p, got, err)
			}
		} else if text, err := codec.TextPayload(p); err == nil && !strings.Contains(string(p[:len(p)-1]), "\x00") {
			texts++
			if got, err := codec.EncodePayload(text, nil); err != nil || string(got) != string(p) {
				t.Errorf("%s: text %q encodes to %q, %v", where, p, got, err)
			}
		}
	})
	if objects != 562 || texts != 95 {
		t.Errorf("%d objects and %d texts, want 562 and 95", objects, texts)
	}
}
