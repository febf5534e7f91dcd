package jsontree

import (
	"bytes"
	"fmt"
	"testing"
)

func TestParseMembersKeepsOrderAndText(t *testing.T) {
	const in = ` { "z" : 1.50 , "a":{ "y":18446744073709551615, "x":[ ] }, "z":2.0e3, "<&>":"\u00e9<", "n":"\u0000" } `
	o, err := ParseMembers([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"z":2.0e3,"a":{"y":18446744073709551615,"x":[]},"<&>":"\u00e9<","n":"\u0000"}`
	if got := Text(o); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for name, kind := range map[string]string{"z": "a number", "a": "an object", "n": "a string", "none": "nothing"} {
		if got := Kind(o.Raw(name)); got != kind {
			t.Errorf("%s is %s, want %s", name, got, kind)
		}
	}
}

func TestParseMembersErrors(t *testing.T) {
	for _, in := range []string{"", "[]", "1", "null", "{", `{"a"`, `{"a":`, `{"a":1`, `{"a":1,}`, `{"a" 1}`,
		"{} x", "{}{}", `{"a":"\ud800"}`, `{"\udc00":1}`, `{"a":"\ud800\ud800"}`, `{1:2}`, `{"a":NaN}`, "{\"\xff\":1}",
		`{"a":{"b":[1,}}}`, `{"a":"`} {
		if o, err := ParseMembers([]byte(in)); err == nil {
			t.Errorf("ParseMembers(%q) = %v; want an error", in, Text(o))
		}
	}
}

func TestParseMembersTakesPairs(t *testing.T) {
	o, err := ParseMembers([]byte(`{"a":"\ud83d\ude00","\\ud800":"\\\\ud800"}`))
	if err != nil {
		t.Fatal(err)
	}
	if name := o.Members()[1].Name; name != `\ud800` {
		t.Errorf("got %q", name)
	}
}

func TestParseMembersOfOneName(t *testing.T) {
	var b bytes.Buffer
	for i := range 1000 {
		fmt.Fprintf(&b, `,"m%d":%d`, i%500, i)
	}
	o, err := ParseMembers([]byte("{" + b.String()[1:] + "}"))
	if err != nil || o.Len() != 500 || string(o.Raw("m499")) != "999" || string(o.Raw("m0")) != "500" {
		t.Errorf("%d members, %v", o.Len(), err)
	}
}

func TestNilObject(t *testing.T) {
	var o *Object
	c := o.Clone()
	c.Set("a", nil)
	if o.Len() != 0 || o.Has("a") || o.Raw("a") != nil || !c.Has("a") {
		t.Errorf("a nil Object has %d members, its copy %s", o.Len(), Text(c))
	}
}

// FuzzParseMembers compares with Parse, which differs about NULs only.
func FuzzParseMembers(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":null}],"c":"\u0000"}`))
	f.Add([]byte(`{ "a" : 1e5 , "a" : "\ud83d\ude00" }`))
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := ParseMembers(data)
		tree, treeErr := ParseObject(data)
		if treeErr == nil && err != nil {
			t.Fatalf("%q: %v, but Parse takes it", data, err)
		}
		if err != nil {
			return
		}
		out := Append(nil, o)
		again, err := ParseMembers(out)
		if err != nil || !bytes.Equal(Append(nil, again), out) {
			t.Fatalf("%s read again: %s, %v", out, Text(again), err)
		}
		if treeErr != nil {
			return
		}
		if reread, err := ParseObject(out); err != nil || Text(reread) != Text(tree) {
			t.Fatalf("%s read as a tree: %s, %v; want %s", out, Text(reread), err, Text(tree))
		}
	})
}
