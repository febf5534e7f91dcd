package jsontree

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// ParseMembers reads one JSON object and keeps the text of its members: each value is a json.RawMessage without space
// between its tokens. Unlike Parse it takes the escape of a NUL in a string, as Flux does in eventlogs.
func ParseMembers(data []byte) (*Object, error) {
	p := &parser{data: data, allowNUL: true}
	if p.next() != '{' {
		v, err := Parse(data)
		if err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("expected a JSON object, got %s", Kind(v))
	}
	o := &Object{}
	var texts bytes.Buffer // of all values; it never grows, so that slices of it stay valid
	texts.Grow(len(data))
	err := p.members(func(name string) error {
		p.space()
		from := p.at
		p.discard = true
		_, err := p.value(1)
		p.discard = false
		if err != nil {
			return err
		}
		begin := texts.Len()
		if err := json.Compact(&texts, data[from:p.at]); err != nil {
			return err
		}
		o.Set(name, json.RawMessage(texts.Bytes()[begin:texts.Len():texts.Len()]))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return o, p.end()
}

// rawKind is Kind for JSON text. It looks at the first byte only.
func rawKind(raw json.RawMessage) string {
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
	default:
		return "a number"
	}
}
