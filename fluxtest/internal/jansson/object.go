// Package jansson reads and writes JSON as a service written in C does, with
// the library of that name: what it takes and refuses where encoding/json
// differs, and how it spells what it writes.
package jansson

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/flux-sdk/flux/codec"
)

// Object is the JSON payload of a request as a C service decodes it: member
// names are exact, unknown ones are ignored, of equal ones the last counts, and
// types are not converted. A nil Object is a payload that is not one; every
// member is missing there.
type Object map[string]json.RawMessage

// Decode reads the payload of a message. It returns nil if that is not a JSON
// object with a NUL behind it, or has a number that does not fit.
func Decode(payload []byte) Object {
	b, err := codec.JSONPayload(payload)
	if err != nil {
		return nil
	}
	var o Object
	if json.Unmarshal(b, &o) != nil || HasBadNumber(b) {
		return nil
	}
	return o
}

// Has reports whether there is such a member, of any type.
func (o Object) Has(key string) bool { _, ok := o[key]; return ok }

// Str returns a member that is a string, up to its first NUL, where it ends for
// a C program. ok is false if it is missing or something else.
func (o Object) Str(key string) (s string, ok bool) {
	raw := o[key]
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	s, _, _ = strings.Cut(s, "\x00")
	return s, true
}

// Int returns a member that is an integer: a number without a point or an
// exponent.
func (o Object) Int(key string) (n int64, ok bool) {
	raw := o[key]
	if !isInteger(raw) {
		return 0, false
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	return n, err == nil
}

// Bool returns a member that is true or false.
func (o Object) Bool(key string) (v, ok bool) {
	switch string(o[key]) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	return false, false
}

// Unmarshal decodes a member into v, as json.Unmarshal does, and reports
// whether it is there and fits.
func (o Object) Unmarshal(key string, v any) bool {
	return o.Has(key) && json.Unmarshal(o[key], v) == nil
}

// HasBadNumber finds a number in valid JSON that fails the parse of a C
// service: an integer that does not fit 64 bits with sign, a real that
// overflows.
func HasBadNumber(b []byte) bool {
	quoted := false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == '-' || '0' <= c && c <= '9'):
			n := i + 1
			for n < len(b) && bytes.IndexByte([]byte("0123456789+-.eE"), b[n]) >= 0 {
				n++
			}
			if badNumber(b[i:n]) {
				return true
			}
			i = n - 1
		}
	}
	return false
}

func badNumber(b []byte) bool {
	var err error
	switch {
	case !isInteger(b):
		_, err = strconv.ParseFloat(string(b), 64)
	case len(b) >= 19:
		_, err = strconv.ParseInt(string(b), 10, 64)
	}
	return err != nil
}

func isInteger(b []byte) bool {
	return len(b) > 0 && (b[0] == '-' || '0' <= b[0] && b[0] <= '9') && !bytes.ContainsAny(b, ".eE")
}

// Payload encodes v as the payload of a message: JSON without the escapes for
// HTML, and a NUL. It panics if v cannot be encoded.
func Payload(v any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("fluxtest: " + err.Error())
	}
	b := buf.Bytes()
	b[len(b)-1] = 0 // the encoder's newline
	return b
}
