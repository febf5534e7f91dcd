package hostlist

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// isSeparator reports whether c divides hosts outside brackets.
func isSeparator(c byte) bool { return c == ',' || c == ' ' || c == '\t' }

// Parse returns the list that s describes, such as "node[01-16,20],login".
// The package documentation has the rules. An error is a [*ParseError], and no host is returned with it.
func Parse(s string) (List, error) {
	var b builder
	if err := parse(s, &b, strict); err != nil {
		return List{}, err
	}
	return b.list(), nil
}

// ParseLenient returns the list that s describes, and takes what the C library takes where [Parse] is strict.
// The package documentation says what that is. An error is a [*ParseError], and no host is returned with it.
//
// Brackets after the first pair become part of the names, so the list may have hosts such as "foo1[3-4]", which
// [List.String] writes as they are and which other programs may read otherwise.
func ParseLenient(s string) (List, error) {
	var b builder
	if err := parse(s, &b, lenient); err != nil {
		return List{}, err
	}
	return b.list(), nil
}

// mode is how strict parsing is.
type mode bool

const (
	strict  mode = false
	lenient mode = true
)

// parse pushes the hosts of s. What it has pushed before an error is of no use.
func parse(s string, b *builder, m mode) error {
	for offset := 0; offset < len(s); {
		if isSeparator(s[offset]) {
			offset++
			continue
		}
		n := tokenLen(s[offset:])
		if err := parseToken(offset, s[offset:offset+n], b, m); err != nil {
			return err
		}
		offset += n
	}
	return nil
}

// tokenLen returns the length of the token that s begins with: up to a separator that is in no brackets.
// A closing bracket that was not opened hides separators too, as it does in the C library.
func tokenLen(s string) int {
	level := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '[':
			level++
		case c == ']':
			level--
		case level == 0 && isSeparator(c):
			return i
		}
	}
	return len(s)
}

// parseToken pushes the hosts of one token, which has at most one pair of brackets that is expanded.
func parseToken(start int, token string, b *builder, m mode) error {
	open := strings.IndexByte(token, '[')
	if open < 0 {
		if i := strings.IndexByte(token, ']'); i >= 0 {
			return &ParseError{start + i, "]", "a bracket that was not opened", ErrBrackets}
		}
		if m == lenient { // Any text is a name.
			e, _ := splitName(token)
			b.push(e)
			return nil
		}
		e, err := strictName(start, token)
		if err == nil {
			b.push(e)
		}
		return err
	}
	length := strings.IndexByte(token[open:], ']')
	if length < 0 {
		return &ParseError{start + open, token[open:], "a bracket that is not closed", ErrBrackets}
	}
	prefix, inner, suffix := token[:open], token[open+1:open+length], token[open+length+1:]
	bounds := lenientBounds
	if m == strict {
		if err := strictPart(start, prefix); err != nil {
			return err
		}
		if err := strictPart(start+open+length+1, suffix); err != nil {
			return err
		}
		bounds = strictBounds
	}
	for offset, more := start+open+1, true; more; {
		var text string
		text, inner, more = strings.Cut(inner, ",")
		e, err := bounds(offset, text)
		if err == nil {
			err = checkRange(offset, text, e)
		}
		if err != nil {
			return err
		}
		e.prefix, e.suffix, e.numbered = prefix, suffix, true
		if m == strict && e.tooLargeName() {
			return &ParseError{start, token, badNumber, ErrRange}
		}
		b.push(e)
		offset += len(text) + 1
	}
	return nil
}

// checkRange checks what strict and lenient parsing both require of the numbers between two commas.
func checkRange(offset int, text string, e entry) error {
	if e.lo > e.hi {
		return &ParseError{offset, text, "the end of a range must not be less than its begin", ErrSyntax}
	}
	if e.hi-e.lo >= MaxRange {
		return &ParseError{offset, text, fmt.Sprintf("a range has at most %d hosts", MaxRange), ErrRange}
	}
	if e.width > maxDigits {
		return &ParseError{offset, text, fmt.Sprintf("a number has at most %d digits", maxDigits), ErrRange}
	}
	return nil
}

// strictName returns the entry of a host that is written without brackets.
func strictName(offset int, name string) (entry, error) {
	if err := strictPart(offset, name); err != nil {
		return entry{}, err
	}
	e, ok := splitName(name)
	if !ok {
		return entry{}, &ParseError{offset, name, badNumber, ErrRange}
	}
	return e, nil
}

const (
	tooLarge  = "a number is at most 18446744073709551615"
	badNumber = "the number of a host is at most 18446744073709551615 and has at most 255 digits"
)

// strictPart checks a part of a token that is outside the brackets.
func strictPart(offset int, text string) error {
	for i, c := range text {
		switch {
		case c == '[' || c == ']':
			const reason = "a host has at most one pair of brackets, which may not nest"
			return &ParseError{offset + i, text[i:], reason, ErrBrackets}
		case !unicode.IsPrint(c) || isSeparator(text[i]):
			const reason = "a name has printable characters only, and no white space"
			return &ParseError{offset + i, text[i : i+utf8.RuneLen(c)], reason, ErrName}
		case c == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)):
			return &ParseError{offset + i, text[i : i+1], "a name is UTF-8", ErrName}
		}
	}
	return nil
}

// strictBounds parses "lo" or "lo-hi", which must be digits only. The width is that of lo.
func strictBounds(offset int, text string) (entry, error) {
	loText, hiText, isRange := strings.Cut(text, "-")
	if !isRange {
		hiText = loText
	}
	var bounds [2]uint64
	for i, number := range [...]string{loText, hiText} {
		if number == "" {
			return entry{}, &ParseError{offset, text, "a number is missing", ErrSyntax}
		}
		if trailingDigits(number) != len(number) {
			return entry{}, &ParseError{offset, text, "expected digits, or two numbers joined by '-'", ErrSyntax}
		}
		n, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			return entry{}, &ParseError{offset, text, tooLarge, ErrRange}
		}
		bounds[i] = n
	}
	return entry{lo: bounds[0], hi: bounds[1], width: len(loText)}, nil
}
