package jsontree

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is how deep arrays and objects may nest. It is the limit of Flux's parser.
const MaxDepth = 2048

// SyntaxError tells where a text stops being JSON that Flux reads.
type SyntaxError struct {
	Offset int    // of the first byte that is wrong
	Reason string // what is wrong or what was expected
	Near   string // the text from Offset on, cut short
}

func (e *SyntaxError) Error() string {
	if e.Near == "" {
		return fmt.Sprintf("invalid JSON: %s at the end (offset %d)", e.Reason, e.Offset)
	}
	return fmt.Sprintf("invalid JSON: %s at offset %d, near %q", e.Reason, e.Offset, e.Near)
}

// Parse reads one JSON value and nothing after it but space. Of members that bear the same name the last value is
// kept, at the place of the first, as Flux does.
func Parse(data []byte) (any, error) {
	p := &parser{data: data}
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	return v, p.end()
}

// end reads space up to the end.
func (p *parser) end() error {
	p.space()
	if p.at < len(p.data) {
		return p.fail("expected nothing after the value")
	}
	return nil
}

// ParseObject reads one JSON object.
func ParseObject(data []byte) (*Object, error) {
	v, err := Parse(data)
	if err != nil {
		return nil, err
	}
	o, ok := v.(*Object)
	if !ok {
		return nil, fmt.Errorf("expected an object, got %s", Kind(v))
	}
	return o, nil
}

type parser struct {
	data []byte
	at   int

	allowNUL bool
	// discard tells that values are checked only: what is returned for them is of the right kind but empty.
	discard bool
}

func (p *parser) fail(format string, args ...any) error {
	const nearMax = 20
	near := p.data[min(p.at, len(p.data)):]
	if len(near) > nearMax {
		near = near[:nearMax]
	}
	return &SyntaxError{Offset: p.at, Reason: fmt.Sprintf(format, args...), Near: string(near)}
}

func (p *parser) space() {
	for p.at < len(p.data) {
		switch p.data[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// next skips space and returns the byte there, or 0 at the end.
func (p *parser) next() byte {
	p.space()
	if p.at == len(p.data) {
		return 0
	}
	return p.data[p.at]
}

func (p *parser) value(depth int) (any, error) {
	switch c := p.next(); {
	case c == '{' || c == '[':
		if depth == MaxDepth {
			return nil, p.fail("nested deeper than %d", MaxDepth)
		}
		if c == '{' {
			return p.object(depth + 1)
		}
		return p.array(depth + 1)
	case c == '"':
		return p.str()
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	case c == 't':
		return true, p.word("true")
	case c == 'f':
		return false, p.word("false")
	case c == 'n':
		return nil, p.word("null")
	default:
		return nil, p.fail("expected a value")
	}
}

func (p *parser) word(w string) error {
	if len(p.data)-p.at < len(w) || string(p.data[p.at:p.at+len(w)]) != w {
		return p.fail("expected %s", w)
	}
	p.at += len(w)
	return nil
}

func (p *parser) object(depth int) (any, error) {
	o := &Object{}
	return o, p.members(func(name string) error {
		v, err := p.value(depth)
		if err == nil && !p.discard {
			o.Set(name, v)
		}
		return err
	})
}

// members reads the object whose opening brace is next. It calls value where the value of a member begins.
func (p *parser) members(value func(name string) error) error {
	p.at++
	if p.next() == '}' {
		p.at++
		return nil
	}
	for {
		if p.next() != '"' {
			return p.fail("expected a member name")
		}
		name, err := p.str()
		if err != nil {
			return err
		}
		if p.next() != ':' {
			return p.fail("expected ':'")
		}
		p.at++
		if err := value(name); err != nil {
			return err
		}
		switch p.next() {
		case ',':
			p.at++
		case '}':
			p.at++
			return nil
		default:
			return p.fail("expected ',' or '}'")
		}
	}
}

func (p *parser) array(depth int) (any, error) {
	a := []any{}
	p.at++
	if p.next() == ']' {
		p.at++
		return a, nil
	}
	for {
		v, err := p.value(depth)
		if err != nil {
			return nil, err
		}
		if !p.discard {
			a = append(a, v)
		}
		switch p.next() {
		case ',':
			p.at++
		case ']':
			p.at++
			return a, nil
		default:
			return nil, p.fail("expected ',' or ']'")
		}
	}
}

func (p *parser) digits() bool {
	from := p.at
	for p.at < len(p.data) && p.data[p.at] >= '0' && p.data[p.at] <= '9' {
		p.at++
	}
	return p.at > from
}

func (p *parser) number() (any, error) {
	from := p.at
	if p.data[p.at] == '-' {
		p.at++
	}
	if p.at < len(p.data) && p.data[p.at] == '0' {
		p.at++
	} else if !p.digits() {
		return nil, p.fail("expected a digit")
	}
	if p.at < len(p.data) && p.data[p.at] == '.' {
		p.at++
		if !p.digits() {
			return nil, p.fail("expected a digit")
		}
	}
	if p.at < len(p.data) && (p.data[p.at] == 'e' || p.data[p.at] == 'E') {
		p.at++
		if p.at < len(p.data) && (p.data[p.at] == '+' || p.data[p.at] == '-') {
			p.at++
		}
		if !p.digits() {
			return nil, p.fail("expected a digit")
		}
	}
	if p.discard {
		return json.Number(""), nil
	}
	return json.Number(p.data[from:p.at]), nil
}

// str reads a string whose opening quote is next.
func (p *parser) str() (string, error) {
	p.at++
	from := p.at
	for p.at < len(p.data) {
		switch c := p.data[p.at]; {
		case c == '"':
			p.at++
			if p.discard {
				return "", nil
			}
			return string(p.data[from : p.at-1]), nil
		case c == '\\':
			return p.escaped(from)
		case c < ' ':
			return "", p.fail("control character in a string")
		case c < utf8.RuneSelf:
			p.at++
		default:
			r, n := utf8.DecodeRune(p.data[p.at:])
			if r == utf8.RuneError && n == 1 {
				return "", p.fail("text that is not UTF-8")
			}
			p.at += n
		}
	}
	return "", p.fail("string without end")
}

// escaped reads the rest of a string that has a backslash.
func (p *parser) escaped(from int) (string, error) {
	buf := append([]byte(nil), p.data[from:p.at]...)
	for p.at < len(p.data) {
		switch c := p.data[p.at]; {
		case c == '"':
			p.at++
			return string(buf), nil
		case c == '\\':
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			buf = utf8.AppendRune(buf, r)
		case c < ' ':
			return "", p.fail("control character in a string")
		default:
			r, n := utf8.DecodeRune(p.data[p.at:])
			if r == utf8.RuneError && n == 1 {
				return "", p.fail("text that is not UTF-8")
			}
			buf = append(buf, p.data[p.at:p.at+n]...)
			p.at += n
		}
	}
	return "", p.fail("string without end")
}

var errEscape = errors.New("bad escape")

// escape reads one escape sequence, both halves of a surrogate pair included.
func (p *parser) escape() (rune, error) {
	const simple, meaning = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	if p.at+1 < len(p.data) {
		for i := range len(simple) {
			if p.data[p.at+1] == simple[i] {
				p.at += 2
				return rune(meaning[i]), nil
			}
		}
	}
	r, err := p.hex4(p.at)
	switch {
	case err != nil:
		return 0, p.fail("invalid escape in a string")
	case r == 0 && !p.allowNUL:
		return 0, p.fail("NUL in a string")
	case !utf16.IsSurrogate(r):
		p.at += 6
		return r, nil
	}
	low, err := p.hex4(p.at + 6)
	pair := utf16.DecodeRune(r, low)
	if err != nil || pair == utf8.RuneError {
		return 0, p.fail("half of a surrogate pair in a string")
	}
	p.at += 12
	return pair, nil
}

// hex4 reads the escape \uXXXX at an offset.
func (p *parser) hex4(at int) (rune, error) {
	if at+6 > len(p.data) || p.data[at] != '\\' || p.data[at+1] != 'u' {
		return 0, errEscape
	}
	var r rune
	for _, c := range p.data[at+2 : at+6] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, errEscape
		}
	}
	return r, nil
}
