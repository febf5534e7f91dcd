package jansson

import (
	"encoding/json"
	"testing"
)

func TestObject(t *testing.T) {
	o := Decode([]byte(`{"s":"text","nul":"a\u0000b","n":7,"min":-9223372036854775808,"r":7.0,"e":7e0,"t":true,` +
		`"f":false,"z":null,"l":[1,2],"s2":1,"s2":"last"}` + "\x00"))
	if o == nil {
		t.Fatal("not decoded")
	}
	for key, want := range map[string]string{"s": "text", "nul": "a", "s2": "last"} {
		if s, ok := o.Str(key); s != want || !ok {
			t.Errorf("Str(%q) is %q, %v", key, s, ok)
		}
	}
	for _, key := range []string{"n", "t", "z", "l", "none", "S"} {
		if s, ok := o.Str(key); ok || s != "" {
			t.Errorf("Str(%q) is %q, %v", key, s, ok)
		}
	}
	for key, want := range map[string]int64{"n": 7, "min": -1 << 63} {
		if n, ok := o.Int(key); n != want || !ok {
			t.Errorf("Int(%q) is %d, %v", key, n, ok)
		}
	}
	for _, key := range []string{"r", "e", "s", "z", "none"} {
		if n, ok := o.Int(key); ok {
			t.Errorf("Int(%q) is %d", key, n)
		}
	}
	for key, want := range map[string]bool{"t": true, "f": false} {
		if v, ok := o.Bool(key); v != want || !ok {
			t.Errorf("Bool(%q) is %v, %v", key, v, ok)
		}
	}
	if _, ok := o.Bool("n"); ok || !o.Has("z") || o.Has("none") {
		t.Error("a number is a boolean, or null is missing")
	}
	var list []int
	if !o.Unmarshal("l", &list) || len(list) != 2 || o.Unmarshal("s", &list) || o.Unmarshal("none", &list) {
		t.Errorf("Unmarshal: %v", list)
	}
}

func TestNoObject(t *testing.T) {
	for _, payload := range []string{
		"", "\x00", "{}", "[1]\x00", "7\x00", "null\x00", "{\x00", `{"a":9223372036854775808}` + "\x00",
		`{"a":-9223372036854775809}` + "\x00", `{"a":1e400}` + "\x00", `{"a":[{"b":1e999}]}` + "\x00",
	} {
		if o := Decode([]byte(payload)); o != nil {
			t.Errorf("%q is %v", payload, o)
		}
	}
	var o Object
	if _, ok := o.Str("a"); ok || o.Has("a") {
		t.Error("a nil Object has a member")
	}
	if Decode([]byte(`{"a":"1e999 \" 1e999"}`+"\x00")) == nil {
		t.Error("a number in a string counts")
	}
}

func TestPayload(t *testing.T) {
	if got := string(Payload(map[string]string{"a": "<&>"})); got != `{"a":"<&>"}`+"\x00" {
		t.Errorf("%q", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	Payload(func() {})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"a":1,"b":"\u0000"}` + "\x00"))
	f.Add([]byte(`{"a":1e309}` + "\x00"))
	f.Add([]byte(`{"a":"\\\"1e999"}` + "\x00"))
	f.Add([]byte("\x00"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		o := Decode(payload)
		for key, raw := range o {
			if !json.Valid(raw) {
				t.Errorf("member %q is %q", key, raw)
			}
			if s, ok := o.Str(key); ok && len(s) > len(raw) {
				t.Errorf("%q decodes to %q", raw, s)
			}
			o.Int(key)
			o.Bool(key)
		}
	})
}
