package codec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// ErrPayload matches every error of a payload that does not have the form that
// was asked for: text without its NUL, JSON that is not an object.
var ErrPayload = errors.New("unexpected payload")

func badPayload(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrPayload}, args...)...)
}

// EncodePayload turns a Go value into the bytes of a payload part:
//
//	nil, or a []byte of no bytes   no payload (nil is returned)
//	[]byte                         those bytes, not copied
//	string                         the text and a NUL
//	json.RawMessage                that JSON object and a NUL
//	any other                      marshal's JSON object and a NUL
//
// JSON that is not an object in valid UTF-8 is refused, because every Flux
// decoder refuses it, and so is text with a NUL in it, because every C receiver
// would cut it there.
// A nil marshal means [json.Marshal].
func EncodePayload(v any, marshal func(any) ([]byte, error)) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case []byte:
		if len(v) == 0 {
			return nil, nil
		}
		return v, nil
	case string:
		if i := strings.IndexByte(v, 0); i >= 0 {
			return nil, badPayload("text with a NUL at byte %d; send such data as []byte", i)
		}
		return append(append(make([]byte, 0, len(v)+1), v...), 0), nil
	case json.RawMessage:
		if !json.Valid(v) {
			return nil, badPayload("json.RawMessage %.40q is not valid JSON", v)
		}
		return terminate(v, v)
	}
	if marshal == nil {
		marshal = json.Marshal
	}
	b, err := marshal(v)
	if err != nil {
		return nil, err
	}
	return terminate(b, v)
}

// terminate adds the NUL to the JSON object b, which v encoded to.
func terminate(b []byte, v any) ([]byte, error) {
	if t := bytes.TrimLeft(b, " \t\r\n"); len(t) == 0 || t[0] != '{' {
		return nil, badPayload("%T encodes to %.40q; a Flux payload is a JSON object", v, b)
	}
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return nil, badPayload("%T encodes to JSON with a NUL at byte %d", v, i)
	}
	if !utf8.Valid(b) {
		return nil, badPayload("%T encodes to JSON that is not valid UTF-8: %.40q", v, b)
	}
	return append(b[:len(b):len(b)], 0), nil
}

// TextPayload returns the text of a payload without its NUL. The error matches
// [ErrPayload] when the last byte is not a NUL, an absent or empty payload
// included. The text ends at the first NUL, as it does for a C program.
func TextPayload(p []byte) (string, error) {
	b, err := cutNUL(p)
	return string(b), err
}

// JSONPayload returns the JSON object in a payload, without its NUL: bytes of p.
// The error matches [ErrPayload] unless the payload is a NUL terminated text
// in valid UTF-8 that starts as an object does. That the rest of it parses is
// for the JSON decoder to say.
func JSONPayload(p []byte) ([]byte, error) {
	b, err := cutNUL(p)
	if err != nil {
		return nil, err
	}
	t := bytes.TrimLeft(b, " \t\r\n")
	switch {
	case len(t) == 0 || t[0] != '{':
		return nil, badPayload("%.40q, want a JSON object", b)
	case !utf8.Valid(b):
		return nil, badPayload("JSON that is not valid UTF-8: %.40q", b)
	}
	return b, nil
}

func cutNUL(p []byte) ([]byte, error) {
	switch {
	case len(p) == 0:
		return nil, badPayload("none, want one that ends with a NUL")
	case p[len(p)-1] != 0:
		return nil, badPayload("%d bytes that end with %#02x, want a NUL at the end", len(p), p[len(p)-1])
	}
	return p[:bytes.IndexByte(p, 0)], nil
}
