package jsonobject

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
)

func TestParseKeepsOrderAndText(t *testing.T) {
	const in = ` { "z" : 1.50 , "a":{ "y":18446744073709551615, "x":[ ] }, "z":2.0e3, "<&>":"\u00e9<" } `
	o, err := Parse([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	out, err := o.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"z":2.0e3,"a":{"y":18446744073709551615,"x":[]},"<&>":"\u00e9<"}`
	if string(out) != want {
		t.Errorf("got  %s\nwant %s", out, want)
	}
}

func TestParseErrors(t *testing.T) {
	for _, in := range []string{"", "[]", "1", "null", "{", `{"a"`, `{"a":`, `{"a":1`, `{"a":1,}`, `{"a" 1}`,
		"{} x", "{}{}", `{"a":"\ud800"}`, `{"\udc00":1}`, `{"a":"\ud800\ud800"}`, `{1:2}`, `{"a":NaN}`, "{\"\xff\":1}"} {
		if o, err := Parse([]byte(in)); err == nil {
			t.Errorf("Parse(%q) = %v; want an error", in, o)
		}
	}
}

func TestParseTakesPairs(t *testing.T) {
	for _, in := range []string{`{"a":"\ud83d\ude00","\\ud800":"\\\\ud800"}`} {
		o, err := Parse([]byte(in))
		if err != nil {
			t.Fatal(err)
		}
		if o[1].Name != `\ud800` {
			t.Errorf("got %q", o[1].Name)
		}
	}
}

func TestAppendRefusesOtherBytes(t *testing.T) {
	for _, o := range []Object{{{"a", Text("x\xff")}}, {{"\xff", Text("x")}}} {
		if out, err := o.MarshalJSON(); err == nil {
			t.Errorf("got %s", out)
		}
	}
}

func TestParseManyMembers(t *testing.T) {
	var b bytes.Buffer
	for i := range 1000 {
		fmt.Fprintf(&b, `,"m%d":%d`, i%500, i)
	}
	o, err := Parse([]byte("{" + b.String()[1:] + "}"))
	if err != nil || len(o) != 500 || string(o.Get("m499")) != "999" || string(o.Get("m0")) != "500" {
		t.Errorf("%d members, %v", len(o), err)
	}
}

func TestSetGetDelete(t *testing.T) {
	var o Object
	o.Set("a", Text("x"))
	o.Set("b", json.RawMessage("1"))
	o.Set("a", json.RawMessage("2"))
	c := o.Clone()
	c.Set("b", json.RawMessage("9"))
	o.Delete("none")
	if got := string(must(o.Append(nil))); got != `{"a":2,"b":1}` {
		t.Errorf("got %s", got)
	}
	if !o.Has("b") || o.Has("c") || o.Get("c") != nil || string(c.Get("b")) != "9" {
		t.Errorf("Has and Get are wrong for %v, %v", o, c)
	}
	o.Delete("a")
	if o.Has("a") {
		t.Error("a is still there")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":null}],"c":"\u0000"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := Parse(data)
		if err != nil {
			return
		}
		out, _ := o.Append(nil)
		again, err := Parse(out)
		if err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if out2, _ := again.Append(nil); !bytes.Equal(out, out2) {
			t.Fatalf("got %s, then %s", out, out2)
		}
	})
}
