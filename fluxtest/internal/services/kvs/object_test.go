package kvs

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestNormalize(t *testing.T) {
	for key, want := range map[string]string{
		"": "", ".": ".", "..": ".", "...": ".", "a": "a", ".a": "a", "a.": "a", ".a.": "a", "a..b": "a.b",
		"..a...b..": "a.b",
	} {
		if got := normalize(key); got != want {
			t.Errorf("%q: %q, want %q", key, got, want)
		}
	}
}

func TestObjectText(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{"ver":1,"type":"val","data":"MQ=="}`, `{"data":"MQ==","type":"val","ver":1}`},
		{`{"type":"symlink","data":{"target":"x","b":[1.50,null,true,{"z":"<","y":2}]},"ver":1}`,
			`{"data":{"b":[1.50,null,true,{"y":2,"z":"<"}],"target":"x"},"type":"symlink","ver":1}`},
		{`{"ver":1,"type":"dir","data":{` +
			`"b\u0001\"\\\n":{"ver":1,"type":"val","data":""},"a":{"ver":1,"type":"dir","data":{}}}}`,
			`{"data":{"a":{"data":{},"type":"dir","ver":1},` +
				`"b\u0001\"\\\n":{"data":"","type":"val","ver":1}},"type":"dir","ver":1}`},
	} {
		o := parseObject([]byte(c.in), 0)
		if o == nil {
			t.Errorf("%s was refused", c.in)
			continue
		}
		if got := string(o.appendTo(nil)); got != c.want {
			t.Errorf("%s\nwant %s", got, c.want)
		}
	}
	deep := strings.Repeat(`{"ver":1,"type":"dir","data":{"a":`, maxDepth+2) + `{"ver":1,"type":"dir","data":{}}` +
		strings.Repeat(`}}`, maxDepth+2)
	if parseObject([]byte(deep), 0) != nil {
		t.Error("directories were nested without bound")
	}
}

func FuzzParseObject(f *testing.F) {
	f.Add([]byte(`{"ver":1,"type":"val","data":"MQ=="}`))
	f.Add([]byte(`{"ver":1,"type":"dir","data":{"a":{"ver":1,"type":"symlink","data":{"target":"x","namespace":"n"}}}}`))
	f.Add([]byte(`{"ver":1,"type":"valref","data":["sha1-c0a9faf907dda6216fd73bf81d0b3b21a1a8cb91"]}`))
	f.Add([]byte(`{"ver":1,"type":"symlink","data":{"target":"x","y":1e400}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		o := parseObject(data, 0)
		if o == nil {
			return
		}
		text := o.appendTo(nil)
		if !json.Valid(text) {
			t.Fatalf("%q was written as %q", data, text)
		}
		again := parseObject(text, 0)
		if again == nil || !bytes.Equal(again.appendTo(nil), text) || !again.equal(o) {
			t.Fatalf("%q was written as %q, which is not read alike", data, text)
		}
	})
}
