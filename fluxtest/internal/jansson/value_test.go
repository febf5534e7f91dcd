package jansson

import (
	"encoding/json"
	"testing"
)

func TestAppend(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                             `{}`,
		`{"b":1,"a":[1,"x",null],"b":2}`: `{"b": 2, "a": [1, "x", null]}`,
		`{"a":{"b":[]},"c":true}`:        `{"a": {"b": []}, "c": true}`,
		`{"a":1.0,"b":-0.5,"c":1e2}`:     `{"a": 1.0, "b": -0.5, "c": 100.0}`,
		`{"a":1e22,"b":1e-7}`:            `{"a": 1e22, "b": 9.9999999999999995e-8}`,
		`{"a":-0,"b":0.1}`:               `{"a": 0, "b": 0.10000000000000001}`,
		`{"a":"\u00e9\u0001/\"\\\n"}`:    `{"a": "é\u0001/\"\\\n"}`,
	} {
		v, ok := Parse([]byte(text))
		o, isObject := v.(*Members)
		if !ok || !isObject {
			t.Errorf("%s is not parsed: %v", text, v)
			continue
		}
		if got := string(o.Append(nil)); got != want {
			t.Errorf("%s is written %s, want %s", text, got, want)
		}
	}
}

func TestMembers(t *testing.T) {
	v, _ := Parse([]byte(`{"rank":"x","z":1}`))
	o := v.(*Members)
	o.SetInt("rank", -3)
	o.SetString("route", `a"b`)
	if got, want := string(o.Append([]byte("> "))), `> {"rank": -3, "z": 1, "route": "a\"b"}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{"", " ", "7", `"a"`, "null", "{", `{"a":1}x`, `{"a":"\u0000"}`, `{"a":1e999}`} {
		if v, ok := Parse([]byte(text)); ok {
			t.Errorf("%q is %v", text, v)
		}
	}
	v, ok := Parse([]byte(" [1]"))
	if _, isObject := v.(*Members); !ok || isObject {
		t.Errorf("a list is %v, %v", v, ok)
	}
}

// What is written is JSON, and reads as what it was written from.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		`{"a":1.5e300,"b":[{},[],"\u20ac"],"c":{"d":-0.0}}`, `{"a":"\ud800"}`, `[1]`, `{"":[[[[]]]]}`, `{"a":1e-320}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, ok := Parse(text)
		o, isObject := v.(*Members)
		if !ok || !isObject {
			return
		}
		once := o.Append(nil)
		if !json.Valid(once) {
			t.Fatalf("%q is written %q", text, once)
		}
		again, ok := Parse(once)
		if !ok || string(again.(*Members).Append(nil)) != string(once) {
			t.Errorf("%q is written %q and then otherwise", text, once)
		}
	})
}
