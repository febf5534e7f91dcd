package kvs

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// The types of tree objects (RFC 11).
const (
	typeVal     = "val"
	typeValref  = "valref"
	typeDir     = "dir"
	typeDirref  = "dirref"
	typeSymlink = "symlink"
)

// object is a tree object. It is not changed once it is in a directory of the store.
type object struct {
	kind string
	text string             // of a val: its base64 text as it was given, valid or not
	refs []string           // of a valref and a dirref
	dir  map[string]*object // of a dir
	link map[string]any     // of a symlink, with what else it was given
}

func newVal(data []byte) *object            { return &object{kind: typeVal, text: encodeBase64(data)} }
func newRef(kind, ref string) *object       { return &object{kind: kind, refs: []string{ref}} }
func newDir(dir map[string]*object) *object { return &object{kind: typeDir, dir: dir} }

func (o *object) isDir() bool { return o.kind == typeDir || o.kind == typeDirref }

// target is where a symlink leads to.
func (o *object) target() (namespace string, hasNamespace bool, target string) {
	namespace, hasNamespace = o.link["namespace"].(string)
	target, _ = o.link["target"].(string)
	return namespace, hasNamespace, target
}

// maxDepth bounds the directories that are nested in one object. The store's own parser has such a limit, far higher.
const maxDepth = 1000

// parseObject decodes a tree object; nil is one that breaks RFC 11.
func parseObject(raw json.RawMessage, depth int) *object {
	f := parseFields(raw)
	version, isInt := f.integer("ver")
	kind, isText := f.text("type")
	data, hasData := f["data"]
	if len(f) != 3 || !isInt || version != 1 || !isText || !hasData || depth > maxDepth {
		return nil
	}
	o := &object{kind: kind}
	var ok bool
	switch kind {
	case typeVal:
		o.text, ok = parseText(data)
	case typeValref, typeDirref:
		o.refs, ok = parseRefs(data)
	case typeDir:
		entries := parseFields(data)
		o.dir, ok = make(map[string]*object, len(entries)), entries != nil
		for name, raw := range entries {
			entry := parseObject(raw, depth+1)
			if entry == nil {
				return nil
			}
			o.dir[name] = entry
		}
	case typeSymlink:
		o.link, ok = parseLink(data)
	default:
		ok = false
	}
	if !ok {
		return nil
	}
	return o
}

func parseRefs(data json.RawMessage) ([]string, bool) {
	var list []json.RawMessage
	if json.Unmarshal(data, &list) != nil || len(list) == 0 {
		return nil, false
	}
	refs := make([]string, len(list))
	for i, raw := range list {
		ref, ok := parseText(raw)
		if _, valid := digestOf(ref); !ok || !valid {
			return nil, false
		}
		refs[i] = ref
	}
	return refs, true
}

func parseLink(data json.RawMessage) (map[string]any, bool) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var link map[string]any
	if dec.Decode(&link) != nil || link == nil {
		return nil, false
	}
	_, ok := link["target"].(string)
	if namespace, has := link["namespace"]; has {
		_, isText := namespace.(string)
		ok = ok && isText
	}
	return link, ok
}

// appendTo appends the JSON text that the store hashes: compact, with sorted keys.
func (o *object) appendTo(b []byte) []byte {
	b = append(b, `{"data":`...)
	switch o.kind {
	case typeVal:
		b = appendText(b, o.text)
	case typeValref, typeDirref:
		b = append(b, '[')
		for i, ref := range o.refs {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendText(b, ref)
		}
		b = append(b, ']')
	case typeDir:
		b = append(b, '{')
		for i, name := range slices.Sorted(maps.Keys(o.dir)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendText(b, name), ':')
			b = o.dir[name].appendTo(b)
		}
		b = append(b, '}')
	case typeSymlink:
		b = appendValue(b, o.link)
	}
	b = append(b, `,"type":`...)
	b = appendText(b, o.kind)
	return append(b, `,"ver":1}`...)
}

// MarshalJSON is for answers.
func (o *object) MarshalJSON() ([]byte, error) { return o.appendTo(nil), nil }

// equal compares two objects by their meaning.
func (o *object) equal(p *object) bool { return bytes.Equal(o.appendTo(nil), p.appendTo(nil)) }

// appendValue appends any decoded JSON in the same form.
func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return appendText(b, v)
	case json.Number:
		return append(b, v...)
	case bool:
		if v {
			return append(b, "true"...)
		}
		return append(b, "false"...)
	case []any:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendValue(b, e)
		}
		return append(b, ']')
	case map[string]any:
		b = append(b, '{')
		for i, name := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendText(b, name), ':')
			b = appendValue(b, v[name])
		}
		return append(b, '}')
	}
	return append(b, "null"...)
}

// appendText appends a JSON string with the escapes of jansson, on which hashes depend.
func appendText(b []byte, s string) []byte {
	const digits = "0123456789ABCDEF"
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\b':
			b = append(b, `\b`...)
		case c == '\f':
			b = append(b, `\f`...)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c < 0x20:
			b = append(b, `\u00`...)
			b = append(b, digits[c>>4], digits[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// fields are the members of a JSON object as the service decodes it: names are exact, of equal ones the last counts,
// and types are not converted. It is nil for what is no object.
type fields map[string]json.RawMessage

func parseFields(raw []byte) fields {
	var f fields
	if !utf8.Valid(raw) || json.Unmarshal(raw, &f) != nil {
		return nil
	}
	return f
}

func (f fields) text(name string) (string, bool) { return parseText(f[name]) }

func (f fields) integer(name string) (int64, bool) {
	raw := f[name]
	if len(raw) == 0 || bytes.ContainsAny(raw, ".eE") {
		return 0, false
	}
	var n int64
	err := json.Unmarshal(raw, &n)
	return n, err == nil && string(raw) != "null"
}

func parseText(raw json.RawMessage) (s string, ok bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), true
	}
	return s, json.Unmarshal(raw, &s) == nil
}

// normalize makes a key what the service looks up: of several periods in a row one stays, and one at an end goes.
func normalize(key string) string {
	for strings.Contains(key, "..") {
		key = strings.ReplaceAll(key, "..", ".")
	}
	if len(key) > 1 {
		key = strings.TrimPrefix(key, ".")
	}
	if len(key) > 1 {
		key = strings.TrimSuffix(key, ".")
	}
	return key
}

// value decodes a val.
func (o *object) value() ([]byte, bool) {
	data, err := base64.StdEncoding.DecodeString(o.text)
	return data, err == nil
}
