package kvs

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// The types of tree objects (RFC 11).
const (
	typeVal     = "val"
	typeValref  = "valref"
	typeDir     = "dir"
	typeDirref  = "dirref"
	typeSymlink = "symlink"
)

// object is a tree object, RFC 11: what the store has for a key.
type object struct {
	kind      string
	data      []byte            // of a val
	refs      []BlobRef         // of a valref or dirref
	entries   map[string]object // of a dir
	target    string            // of a symlink
	namespace string            // of a symlink, "" if it stays in its namespace
}

// isDir tells both kinds of directories.
func (o *object) isDir() bool { return o.kind == typeDir || o.kind == typeDirref }

// isValue tells both kinds of values.
func (o *object) isValue() bool { return o.kind == typeVal || o.kind == typeValref }

// treeObject is the JSON form of every tree object.
type treeObject struct {
	Version int             `json:"ver"`
	Type    string          `json:"type"`
	Data    json.RawMessage `json:"data"`
}

// linkData is the data of a symlink.
type linkData struct {
	Namespace *string `json:"namespace,omitempty"`
	Target    *string `json:"target"`
}

// maxDepth bounds how deep directories in one object may nest. The store keeps each directory by itself, so one is what
// a real answer has.
const maxDepth = 64

// UnmarshalJSON decodes a tree object and checks what RFC 11 demands of it.
func (o *object) UnmarshalJSON(b []byte) error {
	decoded, err := parseObject(b, 0)
	if err == nil {
		*o = decoded
	}
	return err
}

func parseObject(b []byte, depth int) (o object, err error) {
	var t treeObject
	if err := json.Unmarshal(b, &t); err != nil {
		return o, fmt.Errorf("tree object: %w", err)
	}
	if t.Version != 1 {
		return o, fmt.Errorf("tree object of version %d, expected 1", t.Version)
	}
	o.kind = t.Type
	switch t.Type {
	case typeVal:
		o.data, err = decodeValue(t.Data)
	case typeValref, typeDirref:
		o.refs, err = parseRefs(t.Data)
	case typeDir:
		o.entries, err = parseEntries(t.Data, depth)
	case typeSymlink:
		var link linkData
		if err = json.Unmarshal(t.Data, &link); err == nil && link.Target == nil {
			err = fmt.Errorf("it has no target")
		}
		if err == nil {
			o.target = *link.Target
			if link.Namespace != nil {
				o.namespace = *link.Namespace
			}
		}
	default:
		err = fmt.Errorf("unknown type")
	}
	if err != nil {
		return object{}, fmt.Errorf("tree object of type %.20q: %w", t.Type, err)
	}
	return o, nil
}

// decodeValue decodes the base64 text of a value.
func decodeValue(data json.RawMessage) ([]byte, error) {
	if len(data) < 2 || data[0] != '"' {
		return nil, fmt.Errorf("the data is not a string: %.40q", data)
	}
	text := data[1 : len(data)-1]
	if bytes.IndexByte(text, '\\') >= 0 {
		var s string
		if err := json.Unmarshal(data, &s); err != nil {
			return nil, err
		}
		text = []byte(s)
	}
	value := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(value, text)
	if err != nil {
		return nil, fmt.Errorf("the stored value is not base64: %w", err)
	}
	return value[:n:n], nil
}

func parseRefs(data json.RawMessage) ([]BlobRef, error) {
	var refs []BlobRef
	if err := json.Unmarshal(data, &refs); err != nil {
		return nil, err
	}
	if len(refs) == 0 {
		return nil, fmt.Errorf("it has no blob reference")
	}
	for _, ref := range refs {
		if err := ref.check(); err != nil {
			return nil, err
		}
	}
	return refs, nil
}

func parseEntries(data json.RawMessage, depth int) (map[string]object, error) {
	if depth == maxDepth {
		return nil, fmt.Errorf("directories are nested more than %d deep", maxDepth)
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, err
	}
	if raw == nil {
		return nil, fmt.Errorf("the data is not an object")
	}
	entries := make(map[string]object, len(raw))
	for name, b := range raw {
		o, err := parseObject(b, depth+1)
		if err != nil {
			// A value that is not base64 can be stored. It must not hide the rest of its directory.
			o = object{kind: kindOf(b)}
			if o.kind != typeVal {
				return nil, fmt.Errorf("entry %q: %w", name, err)
			}
			o.kind = typeBadVal
		}
		entries[name] = o
	}
	return entries, nil
}

// typeBadVal is a value in a directory whose text is not base64.
const typeBadVal = "bad val"

func kindOf(b []byte) string {
	var t treeObject
	_ = json.Unmarshal(b, &t) // the error was reported by parseObject
	return t.Type
}

// MarshalJSON encodes a tree object with sorted keys, as the store does.
func (o object) MarshalJSON() ([]byte, error) { return o.appendTo(nil) }

// appendTo appends the JSON text of a tree object.
func (o *object) appendTo(b []byte) ([]byte, error) {
	var data any
	switch o.kind {
	case typeVal:
		b = append(b, `{"data":"`...)
		b = base64.StdEncoding.AppendEncode(b, o.data)
		return append(b, `","type":"val","ver":1}`...), nil
	case typeValref, typeDirref:
		data = o.refs
	case typeDir:
		entries := o.entries
		if entries == nil {
			entries = map[string]object{}
		}
		data = entries
	case typeSymlink:
		link := linkData{Target: &o.target}
		if o.namespace != "" {
			link.Namespace = &o.namespace
		}
		data = link
	default:
		return nil, fmt.Errorf("tree object of type %q cannot be written", o.kind)
	}
	text, err := json.Marshal(struct {
		Data    any    `json:"data"`
		Type    string `json:"type"`
		Version int    `json:"ver"`
	}{data, o.kind, 1})
	return append(b, text...), err
}

// names returns the names in a directory, sorted.
func (o *object) names() []string { return slices.Sorted(maps.Keys(o.entries)) }
