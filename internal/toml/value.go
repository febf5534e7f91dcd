package toml

import (
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/flux-sdk/flux/internal/jsontree"
)

func (p *parser) value(depth int) (any, error) {
	if depth > depthMax {
		return nil, p.fail("nested deeper than %d", depthMax)
	}
	switch {
	case p.take(`"""`):
		return p.multiline('"')
	case p.take(`'''`):
		return p.multiline('\'')
	case p.take(`"`):
		return p.basic()
	case p.take(`'`):
		return p.literal()
	case p.take("["):
		return p.array(depth + 1)
	case p.take("{"):
		return p.inlineTable(depth + 1)
	}
	return p.scalar()
}

func (p *parser) array(depth int) (any, error) {
	a := []any{}
	for {
		p.skipLines()
		if p.take("]") {
			return a, nil
		}
		v, err := p.value(depth)
		if err != nil {
			return nil, err
		}
		a = append(a, v)
		p.skipLines()
		if !p.take(",") && p.peek() != ']' {
			return nil, p.fail("expected ',' or ']' in an array")
		}
	}
}

func (p *parser) inlineTable(depth int) (any, error) {
	// Dotted keys inside belong to this table alone.
	outer := p.open
	p.open = map[*jsontree.Object]bool{}
	defer func() { p.open = outer }()
	t := &jsontree.Object{}
	p.blanks()
	if !p.take("}") {
		for {
			p.blanks()
			if err := p.keyValue(t, depth); err != nil {
				return nil, err
			}
			p.blanks()
			if p.take("}") {
				break
			}
			if !p.take(",") {
				return nil, p.fail("expected ',' or '}' in an inline table")
			}
		}
	}
	p.kinds[t] = inline
	for inner := range p.open {
		p.kinds[inner] = inline
	}
	return t, nil
}

var (
	decimal = regexp.MustCompile(`^[+-]?(?:0|[1-9](?:_?[0-9])*)$`)
	based   = regexp.MustCompile(`^0(?:x[0-9A-Fa-f](?:_?[0-9A-Fa-f])*|o[0-7](?:_?[0-7])*|b[01](?:_?[01])*)$`)
	real    = regexp.MustCompile(`^[+-]?(?:0|[1-9](?:_?[0-9])*)(?:\.[0-9](?:_?[0-9])*)?(?:[eE][+-]?[0-9](?:_?[0-9])*)?$`)
	date    = regexp.MustCompile(`^(?:[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{2}:[0-9]{2}:)`)
	special = regexp.MustCompile(`^[+-]?(?:inf|nan)$`)
)

func (p *parser) scalar() (any, error) {
	from := p.at
	for p.at < len(p.text) && strings.IndexByte(" \t\n,]}#=", p.text[p.at]) < 0 {
		p.at++
	}
	word := p.text[from:p.at]
	digits := strings.ReplaceAll(word, "_", "")
	switch {
	case word == "true" || word == "false":
		return word == "true", nil
	case decimal.MatchString(word) || based.MatchString(word):
		n, err := strconv.ParseInt(digits, 0, 64)
		if err != nil {
			return nil, p.fail("%s does not fit 64 bits", word)
		}
		return json.Number(strconv.FormatInt(n, 10)), nil
	case real.MatchString(word):
		f, err := strconv.ParseFloat(digits, 64)
		if err != nil || math.IsInf(f, 0) {
			return nil, p.fail("%s does not fit a 64 bit real", word)
		}
		return jsontree.Real(f), nil
	case date.MatchString(word) || special.MatchString(word):
		return nil, p.fail("%s has no form in JSON", word)
	}
	p.at = from
	return nil, p.fail("expected a value")
}

// basic reads a string whose opening double quote was read.
func (p *parser) basic() (string, error) {
	var b strings.Builder
	for p.at < len(p.text) {
		c := p.text[p.at]
		switch {
		case c == '"':
			p.at++
			return b.String(), nil
		case c == '\\':
			p.at++
			if err := p.escape(&b); err != nil {
				return "", err
			}
			continue
		case c < ' ' && c != '\t' || c == 0x7f:
			return "", p.fail("control character in a string")
		}
		b.WriteByte(c)
		p.at++
	}
	return "", p.fail("string without end")
}

// literal reads a string whose opening single quote was read.
func (p *parser) literal() (string, error) {
	from := p.at
	for p.at < len(p.text) {
		c := p.text[p.at]
		switch {
		case c == '\'':
			p.at++
			return p.text[from : p.at-1], nil
		case c < ' ' && c != '\t' || c == 0x7f:
			return "", p.fail("control character in a string")
		}
		p.at++
	}
	return "", p.fail("string without end")
}

// multiline reads a string whose three opening quotes were read.
func (p *parser) multiline(quote byte) (any, error) {
	p.take("\n")
	closing := strings.Repeat(string(quote), 3)
	var b strings.Builder
	for p.at < len(p.text) {
		c := p.text[p.at]
		switch {
		case p.take(closing):
			// Up to two quotes before the closing ones belong to the string.
			for range 2 {
				if p.peek() == quote {
					p.at++
					b.WriteByte(quote)
				}
			}
			return b.String(), nil
		case c == '\\' && quote == '"':
			p.at++
			if p.continued() {
				continue
			}
			if err := p.escape(&b); err != nil {
				return nil, err
			}
			continue
		case c < ' ' && c != '\t' && c != '\n' || c == 0x7f:
			return nil, p.fail("control character in a string")
		}
		b.WriteByte(c)
		p.at++
	}
	return nil, p.fail("string without end")
}

// continued skips what a backslash at the end of a line swallows.
func (p *parser) continued() bool {
	from := p.at
	p.blanks()
	if p.peek() != '\n' {
		p.at = from
		return false
	}
	for p.at < len(p.text) && strings.IndexByte(" \t\n", p.text[p.at]) >= 0 {
		p.at++
	}
	return true
}

// escape reads what follows a backslash.
func (p *parser) escape(b *strings.Builder) error {
	const simple, meaning = `btnfr"\`, "\b\t\n\f\r\"\\"
	c := p.peek()
	if i := strings.IndexByte(simple, c); c != 0 && i >= 0 {
		p.at++
		b.WriteByte(meaning[i])
		return nil
	}
	length := 0
	switch c {
	case 'u':
		length = 4
	case 'U':
		length = 8
	}
	digits := p.text[min(p.at+1, len(p.text)):min(p.at+1+length, len(p.text))]
	n, err := strconv.ParseUint(digits, 16, 32)
	if length == 0 || len(digits) < length || err != nil || n == 0 || n > utf8.MaxRune || !utf8.ValidRune(rune(n)) {
		return p.fail("invalid escape in a string")
	}
	p.at += 1 + length
	b.WriteRune(rune(n))
	return nil
}
