package capture

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// text is a string in the spelling of the files: ASCII only, and each byte that
// is not part of valid UTF-8 as a lone surrogate from U+DC80 to U+DCFF, which
// encoding/json by itself would replace with U+FFFD.
type text string

const escapeSize = len(`\u0000`)

// MarshalJSON implements [json.Marshaler].
func (t text) MarshalJSON() ([]byte, error) {
	b := []byte{'"'}
	for i := 0; i < len(t); {
		r, size := utf8.DecodeRuneInString(string(t[i:]))
		switch {
		case r == utf8.RuneError && size == 1:
			b = fmt.Appendf(b, `\udc%02x`, t[i])
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r == '\b':
			b = append(b, `\b`...)
		case r == '\f':
			b = append(b, `\f`...)
		case ' ' <= r && r <= '~':
			b = append(b, byte(r))
		default:
			for _, u := range utf16.AppendRune(nil, r) {
				b = fmt.Appendf(b, `\u%04x`, u)
			}
		}
		i += size
	}
	return append(b, '"'), nil
}

// UnmarshalJSON implements [json.Unmarshaler].
func (t *text) UnmarshalJSON(lit []byte) error {
	var out []byte
	if len(lit) < 2 || lit[0] != '"' {
		return fmt.Errorf("%.40s is not a string", lit)
	}
	rest := lit[1 : len(lit)-1]
	for len(rest) > 0 {
		end, b, found := loneByte(rest)
		var s string
		if err := json.Unmarshal(bytes.Join([][]byte{{'"'}, rest[:end], {'"'}}, nil), &s); err != nil {
			return err
		}
		out = append(out, s...)
		if !found {
			break
		}
		out = append(out, b)
		rest = rest[end+escapeSize:]
	}
	*t = text(out)
	return nil
}

// loneByte finds the first escape in the inside of a JSON string that stands
// for a byte, and returns where it is and the byte.
func loneByte(s []byte) (at int, b byte, found bool) {
	for i := 0; i < len(s); {
		u, ok := escape(s[i:])
		switch {
		case !ok && s[i] == '\\':
			i += 2
		case !ok:
			i++
		case 0xdc80 <= u && u <= 0xdcff:
			return i, byte(u), true
		default:
			i += escapeSize
			// The second half of a pair is not a lone surrogate.
			if low, ok := escape(s[i:]); ok && utf16.DecodeRune(u, low) != utf8.RuneError {
				i += escapeSize
			}
		}
	}
	return len(s), 0, false
}

// escape reads the \uXXXX that s starts with.
func escape(s []byte) (u rune, ok bool) {
	if len(s) < escapeSize || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(s[2:escapeSize]), 16, 16)
	return rune(n), err == nil
}
