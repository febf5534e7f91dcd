package jsontree

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseKeeps(t *testing.T) {
	for _, text := range []string{
		`{}`, `[]`, `null`, `{"b":1,"a":[true,false,null,"x",{"c":{}}]}`, `[9007199254740993,-1,1.50,1e400,-0,0.0]`,
		`["é\"\\\n","/<>&","` + "\u2028" + `"]`,
	} {
		v, err := Parse([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := Text(v); got != text {
			t.Errorf("%s: %s", text, got)
		}
	}
	v, err := Parse([]byte(" { \"a\" : 1 , \"b\" : 2 ,\t\"a\" : 3 }\r\n"))
	if err != nil || Text(v) != `{"a":3,"b":2}` {
		t.Errorf("duplicates: %s, %v", Text(v), err)
	}
	v, err = Parse([]byte(`"\u00e9\ud83d\ude00\/\b\f\n\r\t\u0041"`))
	if err != nil || v != "é😀/\b\f\n\r\tA" {
		t.Errorf("escapes: %q, %v", v, err)
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "expected a value at the end (offset 0)",
		"{":                             "expected a member name at the end (offset 1)",
		`{"a"}`:                         `expected ':' at offset 4, near "}"`,
		`{"a":1,}`:                      "expected a member name at offset 7",
		`[1,]`:                          "expected a value at offset 3",
		`[1 2]`:                         "expected ',' or ']' at offset 3",
		`{"a":1 "b":2}`:                 "expected ',' or '}' at offset 7",
		`1 2`:                           "expected nothing after the value at offset 2",
		`01`:                            "expected nothing after the value at offset 1",
		`-`:                             "expected a digit",
		`1.`:                            "expected a digit",
		`1e`:                            "expected a digit",
		`tru`:                           "expected true",
		`"x`:                            "string without end",
		"\"\x01\"":                      "control character",
		"\"\xff\"":                      "not UTF-8 at offset 1",
		"\"\\n\xff\"":                   "not UTF-8",
		`"\x"`:                          "invalid escape",
		`"\u12"`:                        "invalid escape",
		`"\u0000"`:                      "NUL in a string",
		`"\ud800"`:                      "half of a surrogate pair",
		`"\ud800\u0041"`:                "half of a surrogate pair",
		`"\udc00"`:                      "half of a surrogate pair",
		`NaN`:                           "expected a value",
		`'a'`:                           "expected a value",
		strings.Repeat("[", MaxDepth+1): "nested deeper than 2048 at offset 2048",
	} {
		_, err := Parse([]byte(text))
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: error %v, want %s", text, err, want)
		}
	}
	if _, err := ParseObject([]byte("[1]")); err == nil || err.Error() != "expected an object, got an array" {
		t.Errorf("array: %v", err)
	}
}

func TestObject(t *testing.T) {
	o := &Object{}
	for i := range 40 {
		o.Set(fmt.Sprint(i), i%2 == 0)
	}
	o.Set("7", "seven")
	if !o.Delete("3") || o.Delete("3") {
		t.Error("Delete tells wrongly what was there")
	}
	o.Set("3", nil)
	if v, ok := o.Get("7"); v != "seven" || !ok {
		t.Errorf("Get: %v %v", v, ok)
	}
	if _, ok := o.Get("40"); ok || o.Len() != 40 || o.Members()[39].Name != "3" {
		t.Errorf("%d members: %s", o.Len(), Text(o))
	}
	c := o.Clone()
	c.Set("7", 0.0)
	if v, _ := o.Get("7"); v != "seven" {
		t.Error("a clone shares members")
	}
	if _, ok := o.Put("x", "a", "b", "c"); !ok {
		t.Error("Put fails on a new path")
	}
	if blocked, ok := o.Put("x", "a", "b", "c", "d"); ok || blocked != "a.b.c" {
		t.Errorf("Put through a string: %q %v", blocked, ok)
	}
	if v, ok := o.Lookup("a", "b", "c"); v != "x" || !ok {
		t.Errorf("Lookup: %v %v", v, ok)
	}
	if !o.Remove("a", "b", "c") || o.Remove("a", "x", "c") || o.Remove("7", "x") {
		t.Error("Remove tells wrongly what was there")
	}
}

func TestFrom(t *testing.T) {
	type inner struct {
		A int `json:"a"`
	}
	for _, c := range []struct {
		v    any
		want string
	}{
		{nil, "null"}, {true, "true"}, {"<é>", `"<é>"`}, {7, "7"}, {int64(math.MinInt64), "-9223372036854775808"},
		{uint64(math.MaxUint64), "18446744073709551615"}, {1.5, "1.5"}, {3.0, "3.0"}, {float32(0.5), "0.5"}, {1e300,
			"1e+300"},
		{json.Number("1e400"), "1e400"}, {json.RawMessage(` {"b": 1.0, "a": 2}`), `{"b":1.0,"a":2}`},
		{map[string]string{"b": "1", "a": "2"}, `{"a":"2","b":"1"}`}, {[]string{"x"}, `["x"]`},
		{map[string]any{"x": []any{1, "y", nil}}, `{"x":[1,"y",null]}`}, {inner{3}, `{"a":3}`}, {[]inner{{1}}, `[{"a":1}]`},
		{"\ufffd", `"` + "\ufffd" + `"`}, {struct{ S string }{"<\ufffd>"}, `{"S":"<` + "\ufffd" + `>"}`},
	} {
		v, err := From(c.v)
		if err != nil || Text(v) != c.want {
			t.Errorf("%v: %s, %v, want %s", c.v, Text(v), err, c.want)
		}
	}
	for _, v := range []any{
		"\xff", "a\x00", math.NaN(), math.Inf(1), func() {}, json.RawMessage(`{`), json.Number("x"),
		map[string]string{"a": "\xff"},
		map[string]string{"\xff": "a"}, []string{"\xff"}, struct{ S string }{"\xff"}, map[string]any{"a": []any{math.NaN()}},
	} {
		if tree, err := From(v); err == nil {
			t.Errorf("%#v: %s, want an error", v, Text(tree))
		}
	}
}

func TestNumbers(t *testing.T) {
	for f, want := range map[float64]string{0: "0.0", 60: "60.0", -1.5: "-1.5", 1e15: "1000000000000000.0",
		1e16: "1e+16", 1e-5: "1e-05"} {
		if got := string(Real(f)); got != want {
			t.Errorf("Real(%v) = %s, want %s", f, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0.0", time.Minute: "60.0", 50 * time.Millisecond: "0.05", 1: "0.000000001", -1500 * time.Millisecond: "-1.5",
		math.MaxInt64: "9223372036.854775807", math.MinInt64: "-9223372036.854775808",
	} {
		if got := string(Seconds(d)); got != want {
			t.Errorf("Seconds(%d) = %s, want %s", d, got, want)
		}
	}
}

func TestAppendString(t *testing.T) {
	if got := string(AppendString(nil, "a\xffb\x00\"\\\n\r\t\x1f")); got != `"a`+"\ufffd"+`b\u0000\"\\\n\r\t\u001f"` {
		t.Errorf("%s", got)
	}
}

// FuzzParse holds Parse to encoding/json: what it takes is JSON with the same meaning, and survives a round trip.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,2.5e3,"x\u00e9\ud83d\ude00"],"b":null}`, `[[[]]]`, `"\ud800"`, `{"a":1,"a":2}`, ` true `, `-0.1E+5`,
		"\"\xff\"",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := Parse(data)
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Offset < 0 || syntax.Offset > len(data) {
				t.Fatalf("error %#v", err)
			}
			return
		}
		text := Append(nil, v)
		again, err := Parse(text)
		if err != nil || !reflect.DeepEqual(v, again) && Text(again) != string(text) {
			t.Fatalf("%s: %v", text, err)
		}
		if diff := cmp.Diff(standard(t, data), standard(t, text)); diff != "" {
			t.Fatalf("%s: %s", data, diff)
		}
	})
}

func standard(t *testing.T, data []byte) any {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q is not JSON: %v", data, err)
	}
	return v
}

func BenchmarkParse(b *testing.B) {
	var text strings.Builder
	text.WriteString(`{"environment":{`)
	for i := range 100 {
		fmt.Fprintf(&text, `"VARIABLE_%d":"/some/path/to/something:%d",`, i, i)
	}
	text.WriteString(`"LAST":""},"n":[1,2,3]}`)
	data := []byte(text.String())
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}
