package jsontree

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Append appends the JSON text of v, without spaces, to buf.
func Append(buf []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(buf, "null"...)
	case bool:
		return strconv.AppendBool(buf, v)
	case json.Number:
		return append(buf, v...)
	case json.RawMessage:
		return append(buf, v...)
	case string:
		return AppendString(buf, v)
	case []any:
		buf = append(buf, '[')
		for i, e := range v {
			if i > 0 {
				buf = append(buf, ',')
			}
			buf = Append(buf, e)
		}
		return append(buf, ']')
	case *Object:
		buf = append(buf, '{')
		for i, m := range v.members {
			if i > 0 {
				buf = append(buf, ',')
			}
			buf = append(AppendString(buf, m.Name), ':')
			buf = Append(buf, m.Value)
		}
		return append(buf, '}')
	default:
		panic(fmt.Sprintf("jsontree: %T in a tree", v))
	}
}

// Text returns the JSON text of v.
func Text(v any) string { return string(Append(nil, v)) }

// AppendString appends s as a JSON string. What is not UTF-8 becomes U+FFFD; a tree that came from Parse or From has
// no such text.
func AppendString(buf []byte, s string) []byte {
	const hex = "0123456789abcdef"
	buf = append(buf, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				buf = append(append(buf, s[from:i]...), "\ufffd"...)
				from = i + 1
			}
			i += n
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		buf = append(buf, s[from:i]...)
		switch c {
		case '"', '\\':
			buf = append(buf, '\\', c)
		case '\n':
			buf = append(buf, '\\', 'n')
		case '\r':
			buf = append(buf, '\\', 'r')
		case '\t':
			buf = append(buf, '\\', 't')
		default:
			buf = append(buf, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		from = i
	}
	return append(append(buf, s[from:]...), '"')
}

// CheckString tells why Flux's parser would refuse a string, or returns nil.
func CheckString(s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("is not UTF-8: %q", s)
	}
	if strings.IndexByte(s, 0) >= 0 {
		return fmt.Errorf("contains a NUL: %q", s)
	}
	return nil
}

// From returns v as a tree. Text and json.RawMessage keep their exact form; a map is sorted by key; anything else is
// what encoding/json makes of it. It fails on text that Flux's parser would refuse.
func From(v any) (any, error) {
	switch v := v.(type) {
	case nil, bool:
		return v, nil
	case string:
		return v, CheckString(v)
	case int:
		return json.Number(strconv.Itoa(v)), nil
	case float64:
		return fromFloat(v)
	case *Object:
		return v.Clone(), nil
	case json.RawMessage:
		return Parse(v)
	case json.Number:
		return Parse([]byte(v))
	case []any:
		return fromSlice(v)
	case []string:
		return fromSlice(v)
	case map[string]any:
		return fromMap(v)
	case map[string]string:
		return fromMap(v)
	}
	text, err := Marshal(v)
	if err != nil {
		return nil, err
	}
	// encoding/json replaces bad UTF-8 by this escape and writes a real U+FFFD as it is.
	if _, raw := v.(json.Marshaler); !raw && bytes.Contains(text, []byte(`\ufffd`)) {
		return nil, fmt.Errorf("%s has text that is not UTF-8", reflect.TypeOf(v))
	}
	return Parse(text)
}

// Marshal is json.Marshal without the escapes for HTML, which Flux does not write.
func Marshal(v any) (json.RawMessage, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}

func fromSlice[T any](s []T) (any, error) {
	a := make([]any, len(s))
	for i, e := range s {
		v, err := From(e)
		if err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
		a[i] = v
	}
	return a, nil
}

func fromMap[T any](m map[string]T) (any, error) {
	o := &Object{}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if err := CheckString(name); err != nil {
			return nil, fmt.Errorf("member name %w", err)
		}
		v, err := From(m[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		o.Set(name, v)
	}
	return o, nil
}

func fromFloat(f float64) (any, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("%v is no JSON number", f)
	}
	return Real(f), nil
}

// Real returns a finite float as a number that readers take for a real even where it is whole (60.0, not 60).
func Real(f float64) json.Number {
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-4 || abs >= 1e16) {
		format = 'e'
	}
	s := strconv.FormatFloat(f, format, -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return json.Number(s)
}

// Seconds returns a duration as a real number of seconds, exact to the nanosecond.
func Seconds(d time.Duration) json.Number {
	sign, n := "", uint64(d)
	if d < 0 {
		sign, n = "-", -n
	}
	frac := strings.TrimRight(fmt.Sprintf("%09d", n%1e9), "0")
	if frac == "" {
		frac = "0"
	}
	return json.Number(fmt.Sprintf("%s%d.%s", sign, n/1e9, frac))
}

// Int returns an integer as a number.
func Int[T ~int | ~int64](n T) json.Number { return json.Number(strconv.FormatInt(int64(n), 10)) }
