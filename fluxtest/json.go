package fluxtest

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/flux-sdk/flux/codec"
)

// object is the JSON payload of a request as a C service decodes it: member
// names are exact, unknown ones ignored, of equal ones the last counts, and
// types are not converted. A nil object is a payload that is not one.
type object map[string]json.RawMessage

func decodeObject(payload []byte) object {
	b, err := codec.JSONPayload(payload)
	if err != nil {
		return nil
	}
	var o object
	if json.Unmarshal(b, &o) != nil || hasBadNumber(b) {
		return nil
	}
	return o
}

// hasBadNumber finds a number that fails the parse of a C service: an integer
// that does not fit 64 bits with sign, a real that overflows.
func hasBadNumber(b []byte) bool {
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

func (o object) has(key string) bool { _, ok := o[key]; return ok }

func (o object) str(key string) (s string, ok bool) {
	raw := o[key]
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	return s, json.Unmarshal(raw, &s) == nil
}

func (o object) integer(key string) (int64, bool) {
	raw := o[key]
	if !isInteger(raw) {
		return 0, false
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	return n, err == nil
}

func (o object) boolean(key string) (v, ok bool) {
	switch string(o[key]) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	return false, false
}

// encodeJSON is json.Marshal without the escapes for HTML, and with the NUL.
func encodeJSON(v any) []byte {
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
