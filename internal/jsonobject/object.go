// Package jsonobject holds JSON objects whose members keep their order and their text, so that what a program does not
// know survives reading and writing.
package jsonobject

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// A Member is one member of an object: its name and its value as compact JSON text.
type Member struct {
	Name  string
	Value json.RawMessage
}

// An Object is the members of a JSON object in order. Names are unique. The zero Object is {}.
type Object []Member

// Parse reads one JSON object. Of members with one name the last value stays, at the place of the first, as in
// jansson, the JSON library of Flux. Text that is not UTF-8, and an escape such as \ud800 that is half of a pair, are
// errors as in jansson, because decoding would replace them.
func Parse(data []byte) (Object, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("not UTF-8")
	}
	var compact bytes.Buffer
	compact.Grow(len(data))
	if err := json.Compact(&compact, data); err != nil {
		return nil, syntaxError(data)
	}
	text := compact.Bytes()
	if i := loneSurrogate(text); i >= 0 {
		return nil, fmt.Errorf("%s is half of a UTF-16 pair, which is no character", text[i:i+6])
	}
	if text[0] != '{' {
		return nil, fmt.Errorf("expected a JSON object, got %s", Kind(text))
	}
	return members(text)
}

// syntaxError returns the error of text that is not JSON, with the offset, which json.Compact does not tell.
func syntaxError(data []byte) error {
	var raw json.RawMessage
	err := json.Unmarshal(data, &raw)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("%w at offset %d", err, syntax.Offset)
	}
	return err
}

// loneSurrogate returns the index of the first escape in valid JSON that is half of a UTF-16 pair without the other
// half, or -1.
func loneSurrogate(text []byte) int {
	unit := func(i int) uint64 { // the value of the escape at i, or 0 if there is none
		if i+6 > len(text) || text[i] != '\\' || text[i+1] != 'u' {
			return 0
		}
		v, _ := strconv.ParseUint(string(text[i+2:i+6]), 16, 16)
		return v
	}
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		switch v := unit(i); {
		case v >= 0xd800 && v < 0xdc00:
			if next := unit(i + 6); next < 0xdc00 || next > 0xdfff {
				return i
			}
			i += 11
		case v >= 0xdc00 && v <= 0xdfff:
			return i
		default:
			i++ // the character after the backslash may be another backslash
		}
	}
	return -1
}

// members cuts an object, which is valid and has no white space between tokens, into its members.
func members(text []byte) (Object, error) {
	var o Object
	var index map[string]int // of the members by name; none while they are few
	for pos := 1; text[pos] != '}'; {
		if text[pos] == ',' {
			pos++
		}
		end := pos + valueLen(text[pos:])
		var name string
		if err := json.Unmarshal(text[pos:end], &name); err != nil {
			return nil, err
		}
		pos = end + 1 // after the colon
		end = pos + valueLen(text[pos:])
		value := text[pos:end:end]
		pos = end
		i, found := -1, false
		if index != nil {
			i, found = index[name]
		} else {
			i = o.index(name)
			found = i >= 0
		}
		if found {
			o[i].Value = value
			continue
		}
		o = append(o, Member{name, value})
		const few = 16
		switch {
		case index != nil:
			index[name] = len(o) - 1
		case len(o) == few:
			index = make(map[string]int)
			for i, m := range o {
				index[m.Name] = i
			}
		}
	}
	return o, nil
}

// valueLen returns the length of the JSON value that text begins with. The text is valid and compact.
func valueLen(text []byte) int {
	depth := 0
	for i := 0; ; i++ {
		switch text[i] {
		case '"':
			for i++; text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
			continue
		case '}', ']':
			depth--
		default:
			if depth == 0 && (i+1 == len(text) || bytes.IndexByte([]byte(",:}]"), text[i+1]) >= 0) {
				return i + 1
			}
			continue
		}
		if depth == 0 {
			return i + 1
		}
	}
}

// Get returns the value of a member, and nil if there is none.
func (o Object) Get(name string) json.RawMessage {
	if i := o.index(name); i >= 0 {
		return o[i].Value
	}
	return nil
}

// Has reports whether there is such a member.
func (o Object) Has(name string) bool { return o.index(name) >= 0 }

func (o Object) index(name string) int {
	return slices.IndexFunc(o, func(m Member) bool { return m.Name == name })
}

// Set changes a member's value in its place, or adds the member at the end.
func (o *Object) Set(name string, value json.RawMessage) {
	if i := o.index(name); i >= 0 {
		(*o)[i].Value = value
		return
	}
	*o = append(*o, Member{name, value})
}

// Delete removes a member if there is one.
func (o *Object) Delete(name string) {
	*o = slices.DeleteFunc(*o, func(m Member) bool { return m.Name == name })
}

// Clone returns a copy whose members can be set without changing o. Values are shared and must not be written to.
func (o Object) Clone() Object { return slices.Clone(o) }

// MarshalJSON returns the members in order as compact JSON.
func (o Object) MarshalJSON() ([]byte, error) { return o.Append(nil) }

// Append appends the members in order to b as compact JSON. It does not escape <, > and &, as Flux does not. It is an
// error if a text is not UTF-8, which JSON cannot hold.
func (o Object) Append(b []byte) ([]byte, error) {
	begin := len(b)
	b = append(b, '{')
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, Text(m.Name)...)
		b = append(b, ':')
		b = append(b, m.Value...)
	}
	b = append(b, '}')
	if !utf8.Valid(b[begin:]) {
		return nil, fmt.Errorf("not UTF-8: %.200q", b[begin:])
	}
	return b, nil
}

// Text returns s as a JSON string without HTML escapes. If s is not UTF-8 neither is the result, so that Append refuses
// it instead of writing another text.
func Text(s string) json.RawMessage {
	if !utf8.ValidString(s) {
		return json.RawMessage(s)
	}
	return must(Value(s))
}

// Value returns v as compact JSON without HTML escapes.
func Value(v any) (json.RawMessage, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

func must(raw json.RawMessage, err error) json.RawMessage {
	if err != nil {
		panic(err) // a string always encodes
	}
	return raw
}

// Kind returns what a JSON value is, with its article, by its first byte: "an object", "a string".
func Kind(raw []byte) string {
	if len(raw) == 0 {
		return "nothing"
	}
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}
