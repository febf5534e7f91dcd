package jansson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// quotedString is a JSON string as it is to be written.
type quotedString []byte

// quote escapes what jansson does, and nothing else.
func quote(s string) quotedString {
	dst := append(make([]byte, 0, len(s)+2), '"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, `\b`...)
		case '\f':
			dst = append(dst, `\f`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			if c < ' ' {
				dst = fmt.Appendf(dst, `\u%04X`, c)
			} else {
				dst = append(dst, c)
			}
		}
	}
	return append(dst, '"')
}

// Members is a JSON object that keeps the order of its members.
type Members struct {
	keys []string
	vals map[string]any
}

// SetString sets a member to a string.
func (o *Members) SetString(key, value string) { o.set(key, quote(value)) }

// SetInt sets a member to an integer.
func (o *Members) SetInt(key string, value int64) {
	o.set(key, json.Number(strconv.FormatInt(value, 10)))
}

// Append appends the object as jansson writes it by default: with spaces, and
// reals with up to 17 digits.
func (o *Members) Append(dst []byte) []byte { return appendValue(dst, o) }

func (o *Members) set(key string, v any) {
	if _, ok := o.vals[key]; !ok {
		o.keys = append(o.keys, key)
	}
	o.vals[key] = v
}

// Parse reads what jansson reads by default: one object or array, without NUL
// characters. The value is a *Members for an object.
func Parse(b []byte) (v any, ok bool) {
	t := bytes.TrimLeft(b, " \t\r\n")
	if len(t) == 0 || t[0] != '{' && t[0] != '[' || !json.Valid(b) || HasBadNumber(b) ||
		bytes.Contains(b, []byte(`\u0000`)) {
		return nil, false
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	return readValue(dec), true
}

// readValue reads one value of text that is known to be valid.
func readValue(dec *json.Decoder) any {
	tok, _ := dec.Token()
	switch tok {
	case json.Delim('{'):
		o := &Members{vals: make(map[string]any)}
		for dec.More() {
			key, _ := dec.Token()
			o.set(key.(string), readValue(dec))
		}
		dec.Token()
		return o
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			list = append(list, readValue(dec))
		}
		dec.Token()
		return list
	}
	if s, ok := tok.(string); ok {
		return quote(s)
	}
	return tok
}

func appendValue(dst []byte, v any) []byte {
	switch v := v.(type) {
	case *Members:
		dst = append(dst, '{')
		for i, key := range v.keys {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(append(dst, quote(key)...), ": "...)
			dst = appendValue(dst, v.vals[key])
		}
		return append(dst, '}')
	case []any:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendValue(dst, e)
		}
		return append(dst, ']')
	case quotedString:
		return append(dst, v...)
	case bool:
		return strconv.AppendBool(dst, v)
	case json.Number:
		return append(dst, formatNumber(string(v))...)
	}
	return append(dst, "null"...)
}

// formatNumber spells a number as C does with %.17g.
func formatNumber(s string) string {
	if isInteger([]byte(s)) {
		n, _ := strconv.ParseInt(s, 10, 64)
		return strconv.FormatInt(n, 10)
	}
	f, _ := strconv.ParseFloat(s, 64)
	s = strconv.FormatFloat(f, 'e', 16, 64)
	mant, exp, _ := strings.Cut(s, "e")
	if e, _ := strconv.Atoi(exp); e >= -4 && e < 17 {
		s = strconv.FormatFloat(f, 'f', 16-e, 64)
		if strings.Contains(s, ".") {
			s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
		}
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	if strings.Contains(mant, ".") {
		mant = strings.TrimRight(strings.TrimRight(mant, "0"), ".")
	}
	exponent, _ := strconv.Atoi(exp)
	return mant + "e" + strconv.Itoa(exponent)
}
