package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/flux-sdk/flux/codec"
)

// payload is a payload with what it holds.
type payload struct {
	kind payloadKind
	raw  []byte // as on the wire
	body []byte // without the NUL of text
}

type payloadKind int

const (
	noPayload payloadKind = iota
	jsonPayload
	textPayload
	binaryPayload
)

// newPayload finds out what a payload holds. Flux does not say.
func newPayload(raw []byte) payload {
	if len(raw) == 0 {
		return payload{}
	}
	p := payload{kind: binaryPayload, raw: raw, body: raw}
	if b, err := codec.JSONPayload(raw); err == nil && json.Valid(b) {
		p.kind, p.body = jsonPayload, b
		return p
	}
	text, terminated := bytes.CutSuffix(raw, []byte{0})
	switch {
	case bytes.IndexByte(text, 0) >= 0 || !utf8.Valid(text):
	case !terminated && strings.IndexFunc(string(text), isControl) >= 0:
	default:
		p.kind, p.body = textPayload, text
	}
	return p
}

// compact is the payload as one line of text for a reader; binary data is an
// error, text may have more lines.
func (p payload) compact() ([]byte, error) {
	switch p.kind {
	case jsonPayload:
		var b bytes.Buffer
		err := json.Compact(&b, p.body)
		return b.Bytes(), err
	case textPayload:
		return p.body, nil
	case binaryPayload:
		return nil, fmt.Errorf("the payload of %d bytes is not text: use --raw-response", len(p.raw))
	}
	return nil, nil
}

// value is the payload for JSON output: an object, text as a string, null, and
// binary data as {"base64":"..."}.
func (p payload) value() any {
	switch p.kind {
	case jsonPayload:
		return json.RawMessage(p.body)
	case textPayload:
		return string(p.body)
	case binaryPayload:
		return map[string]string{"base64": base64.StdEncoding.EncodeToString(p.raw)}
	}
	return nil
}

// short is the payload within one line of something else.
func (p payload) short() string {
	switch p.kind {
	case binaryPayload:
		return "base64:" + base64.StdEncoding.EncodeToString(p.raw)
	case noPayload:
		return ""
	}
	b, err := p.compact()
	if err != nil {
		b = p.body
	}
	return oneLine(string(b))
}

// print writes a response for a reader, pretty where a person reads and pretty
// is wanted.
func (a *app) printPayload(p payload, raw, pretty bool) error {
	switch {
	case raw:
		_, err := a.out.Write(p.raw)
		return err
	case a.json:
		return a.out.object(p.value())
	case pretty && a.out.terminal && p.kind == jsonPayload:
		var b bytes.Buffer
		if err := json.Indent(&b, p.body, "", "  "); err != nil {
			return err
		}
		return a.out.line([]byte(harmless(b.String())))
	}
	b, err := p.compact()
	if err == nil && a.out.terminal {
		b = []byte(harmless(string(b)))
	}
	if err != nil {
		return err
	}
	return a.out.line(b)
}
