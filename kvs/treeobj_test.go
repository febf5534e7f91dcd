package kvs

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// good are tree objects as the store writes them.
var good = []string{
	`{"data":"MQ==","type":"val","ver":1}`,
	`{"data":"","type":"val","ver":1}`,
	`{"data":["sha1-356a192b7913b04c54574d18c28d46e6395428ab",` +
		`"sha1-77de68daecd823babbb58edb1c8e14d7106e83bb"],"type":"valref","ver":1}`,
	`{"data":["sha1-c0a9faf907dda6216fd73bf81d0b3b21a1a8cb91"],"type":"dirref","ver":1}`,
	`{"data":{},"type":"dir","ver":1}`,
	`{"data":{"a":{"data":"eA==","type":"val","ver":1},` +
		`"l":{"data":{"target":"a"},"type":"symlink","ver":1}},"type":"dir","ver":1}`,
	`{"data":{"namespace":"n1","target":"a"},"type":"symlink","ver":1}`,
}

func TestObjects(t *testing.T) {
	for _, text := range good {
		var o object
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if out, err := json.Marshal(o); string(out) != text || err != nil {
			t.Errorf("%s is written as %s, %v", text, out, err)
		}
	}
	for text, want := range map[string]string{
		`{"data":"","type":"val","ver":2}`:                         "version 2",
		`{"data":"","type":"x","ver":1}`:                           "unknown type",
		`{"type":"val","ver":1}`:                                   "not a string",
		`{"data":1,"type":"val","ver":1}`:                          "not a string",
		`{"data":"!!","type":"val","ver":1}`:                       "not base64",
		`{"data":[],"type":"valref","ver":1}`:                      "no blob reference",
		`{"data":["sha1-0"],"type":"dirref","ver":1}`:              "40 hexadecimal digits",
		`{"data":{},"type":"symlink","ver":1}`:                     "no target",
		`{"data":null,"type":"dir","ver":1}`:                       "not an object",
		`{"data":{"a":1},"type":"dir","ver":1}`:                    `entry "a"`,
		`{"data":{"a":{"ver":1,"type":"x"}},"type":"dir","ver":1}`: `entry "a"`,
		`[]`: "tree object",
		strings.Repeat(`{"ver":1,"type":"dir","data":{"a":`, 70) + `{}` + strings.Repeat(`}}`, 70): "deep",
	} {
		var o object
		if err := json.Unmarshal([]byte(text), &o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v, want %s", text, err, want)
		}
	}
	// A value that is not base64 does not hide its directory.
	var o object
	if err := json.Unmarshal([]byte(`{"ver":1,"type":"dir","data":{"bad":{"ver":1,"type":"val","data":"!!"}}}`),
		&o); err != nil {
		t.Fatal(err)
	}
	if list := entriesOf(".", &o); len(list) != 1 || list[0].Type != TypeValue || list[0].Size != -1 {
		t.Errorf("%+v", list)
	}
	if _, err := json.Marshal(o.entries["bad"]); err == nil {
		t.Error("a value that is not base64 was written")
	}
}

func FuzzObject(f *testing.F) {
	for _, text := range good {
		f.Add([]byte(text))
	}
	f.Add([]byte(`{"ver":1,"type":"dir","data":{"bad":{"ver":1,"type":"val","data":"!!"}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var o object
		if json.Unmarshal(data, &o) != nil {
			return
		}
		out, err := json.Marshal(o)
		if err != nil {
			return // it has a value that is not base64
		}
		var again object
		if err := json.Unmarshal(out, &again); err != nil {
			t.Fatalf("%s was written as %s: %v", data, out, err)
		}
		if second, err := json.Marshal(again); string(second) != string(out) || err != nil {
			t.Fatalf("%s was written as %s and then as %s, %v", data, out, second, err)
		}
	})
}

func TestKeys(t *testing.T) {
	for key, want := range map[string]string{
		"a": "a", "a.b": "a.b", ".a": "a", "a.": "a", "..a...b..": "a.b", ".": ".", "...": ".", " ": " ", "ü": "ü",
		"a/b": "a/b",
	} {
		if got, err := cleanKey(key); got != want || err != nil {
			t.Errorf("%q: %q, %v, want %q", key, got, err, want)
		}
	}
	for _, key := range []string{"", "\x00", "a\xffb"} {
		if got, err := cleanKey(key); err == nil {
			t.Errorf("%q: %q", key, got)
		}
	}
	if got := keysAbove("a.b.c"); !reflect.DeepEqual(got, []string{"a", "a.b", "a.b.c"}) {
		t.Errorf("%q", got)
	}
	if got := keysAbove("."); got != nil {
		t.Errorf("%q", got)
	}
}
