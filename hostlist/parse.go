package hostlist

import (
	"fmt"
	"strconv"
	"strings"
)

// separators divide hosts outside brackets.
const separators = "\t, "

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

// rules are what strict and lenient parsing differ in. They check text at an offset.
type rules struct {
	name   func(offset int, text string) (entry, error)  // a host without brackets
	part   func(offset int, text string) error           // what is before or after brackets
	bounds func(offset int, text string) (entry, error)  // what is between two commas in brackets
	token  func(offset int, text string, e *entry) error // a token with brackets, for each entry in them
}

var (
	strict  = rules{strictName, strictPart, strictBounds, strictToken}
	lenient = rules{
		lenientName,
		func(int, string) error { return nil },
		lenientBounds,
		func(int, string, *entry) error { return nil },
	}
)

// parse pushes the hosts of s. What it has pushed before an error is of no use.
func parse(s string, b *builder, r rules) error {
	for offset := 0; ; {
		offset += len(s) - len(strings.TrimLeft(s, separators))
		if s = strings.TrimLeft(s, separators); s == "" {
			return nil
		}
		n := tokenLen(s)
		if err := parseToken(offset, s[:n], b, r); err != nil {
			return err
		}
		offset, s = offset+n, s[n:]
	}
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
		case level == 0 && strings.IndexByte(separators, c) >= 0:
			return i
		}
	}
	return len(s)
}

// parseToken pushes the hosts of one token, which has at most one pair of brackets that is expanded.
func parseToken(start int, token string, b *builder, r rules) error {
	open := strings.IndexByte(token, '[')
	if open < 0 {
		if i := strings.IndexByte(token, ']'); i >= 0 {
			return &ParseError{start + i, "]", "a bracket that was not opened", ErrBrackets}
		}
		e, err := r.name(start, token)
		if err != nil {
			return err
		}
		b.push(e)
		return nil
	}
	length := strings.IndexByte(token[open:], ']')
	if length < 0 {
		return &ParseError{start + open, token[open:], "a bracket that is not closed", ErrBrackets}
	}
	prefix, inner, suffix := token[:open], token[open+1:open+length], token[open+length+1:]
	if err := r.part(start, prefix); err != nil {
		return err
	}
	if err := r.part(start+open+length+1, suffix); err != nil {
		return err
	}
	for offset, more := start+open+1, true; more; {
		var text string
		text, inner, more = strings.Cut(inner, ",")
		e, err := r.bounds(offset, text)
		if err == nil {
			err = checkRange(offset, text, e)
		}
		if err != nil {
			return err
		}
		e.prefix, e.suffix, e.numbered = prefix, suffix, true
		if err := r.token(start, token, &e); err != nil {
			return err
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
		return entry{}, &ParseError{offset, name, "its " + tooLarge, ErrRange}
	}
	return e, nil
}

// strictToken checks that the hosts of e can be written without brackets. Digits next to the brackets may make a number
// too large: "a[10-11]000000000000000000000". The last host has the greatest number.
func strictToken(offset int, token string, e *entry) error {
	if _, ok := splitName(e.name(e.count() - 1)); !ok {
		return &ParseError{offset, token, "its " + tooLarge, ErrRange}
	}
	return nil
}

const tooLarge = "number is greater than 18446744073709551615"

// strictPart checks a part of a token that is outside the brackets.
func strictPart(offset int, text string) error {
	for i := range len(text) {
		switch c := text[i]; {
		case c == '[' || c == ']':
			return &ParseError{offset + i, text[i:], "a host has at most one pair of brackets, which may not nest", ErrBrackets}
		case strings.IndexByte(separators, c) >= 0 || c < ' ' || c == 0x7f:
			return &ParseError{offset + i, text[i : i+1], "a name has no white space or control characters", ErrName}
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
			return entry{}, &ParseError{offset, text, "a " + tooLarge, ErrRange}
		}
		bounds[i] = n
	}
	return entry{lo: bounds[0], hi: bounds[1], width: len(loText)}, nil
}
