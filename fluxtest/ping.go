package fluxtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/flux-sdk/flux/codec"
)

// pingMethod answers with the payload and what this end saw of the request.
func pingMethod(c *call) {
	text, err := codec.TextPayload(c.m.Payload)
	if err != nil {
		c.fail(ePROTO, "")
		return
	}
	v, ok := parseJSON([]byte(text))
	if !ok {
		c.fail(ePROTO, "")
		return
	}
	o, ok := v.(*members)
	if !ok {
		c.fail(eNOMEM, "") // a quirk: an array is taken for a lack of memory
		return
	}
	o.set("route", quote(c.route()))
	o.set("userid", json.Number(strconv.Itoa(int(int32(c.m.UserID)))))
	o.set("rolemask", json.Number(strconv.Itoa(int(int32(c.m.Rolemask)))))
	o.set("rank", json.Number(c.r.String()))
	c.respondRaw(append(dumpJSON(nil, o), 0))
}

// route is the path of the request, the origin first and this end last.
func (c *call) route() string {
	routes, end := c.m.Routes, c.r.uuid
	if c.s.uuid != "" {
		routes, end = routes.Push(c.r.uuid), c.s.uuid
	}
	return strings.Trim(routes.String(), "|") + "!" + end[:8]
}

// quoted is a JSON string as it is to be written.
type quoted []byte

// quote escapes what jansson does, and nothing else.
func quote(s string) quoted {
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

// members is a JSON object that keeps its order.
type members struct {
	keys []string
	vals map[string]any
}

func (o *members) set(key string, v any) {
	if _, ok := o.vals[key]; !ok {
		o.keys = append(o.keys, key)
	}
	o.vals[key] = v
}

// parseJSON reads what jansson reads by default: one object or array, without
// NUL characters.
func parseJSON(b []byte) (any, bool) {
	t := bytes.TrimLeft(b, " \t\r\n")
	if len(t) == 0 || t[0] != '{' && t[0] != '[' || !json.Valid(b) || hasBadNumber(b) || bytes.Contains(b, []byte(`\u0000`)) {
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
		o := &members{vals: make(map[string]any)}
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

// dumpJSON writes JSON as jansson does by default: with spaces, and reals with
// up to 17 digits.
func dumpJSON(dst []byte, v any) []byte {
	switch v := v.(type) {
	case *members:
		dst = append(dst, '{')
		for i, key := range v.keys {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(append(dst, quote(key)...), ": "...)
			dst = dumpJSON(dst, v.vals[key])
		}
		return append(dst, '}')
	case []any:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = dumpJSON(dst, e)
		}
		return append(dst, ']')
	case quoted:
		return append(dst, v...)
	case bool:
		return strconv.AppendBool(dst, v)
	case json.Number:
		return append(dst, number(string(v))...)
	}
	return append(dst, "null"...)
}

// number spells a number as C does with %.17g.
func number(s string) string {
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
