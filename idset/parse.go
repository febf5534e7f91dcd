package idset

import (
	"math"
	"strings"
)

// Parse returns the set that s describes, such as "0-3,7", "[0-3,7]", "5" or "".
// The package documentation has the rules. An error is a [*ParseError].
func Parse(s string) (Set, error) {
	var spans []span
	err := elements(s, func(offset int, text string) error {
		r, err := parseSpan(offset, text)
		if err != nil {
			return err
		}
		if n := len(spans); n > 0 && r.lo <= spans[n-1].hi {
			return &ParseError{offset, text, "each id must be greater than the ids before it", ErrOrder}
		}
		spans = push(spans, r)
		return nil
	})
	if err != nil {
		return Set{}, err
	}
	return fromSpans(spans), nil
}

// ParseLenient returns the set that s describes, and takes more than [Parse] does: ids and ranges in any order, ids
// that repeat, ranges that overlap, ranges of one id ("1-1"), leading zeros, and white space around elements and
// brackets. "0,0-1,1-2" is {0, 1, 2}. A range that runs downwards ("3-1") and a number that is too large are errors.
// An error is a [*ParseError].
func ParseLenient(s string) (Set, error) {
	begin := len(s) - len(strings.TrimLeft(s, blanks))
	var spans []span
	err := elements(strings.Trim(s, blanks), func(offset int, text string) error {
		trimmed := strings.TrimLeft(text, blanks)
		offset += len(text) - len(trimmed)
		trimmed = strings.TrimRight(trimmed, blanks)
		if trimmed == "" {
			return nil
		}
		r, err := parseLenientSpan(offset, trimmed)
		if err != nil {
			return err
		}
		spans = push(spans, r)
		return nil
	})
	if err != nil {
		err := err.(*ParseError)
		err.Offset += begin
		return Set{}, err
	}
	return normalize(spans), nil
}

const blanks = " \t\r\n"

// elements calls f for each element between the commas of s that is not empty, with its offset in s,
// until f returns an error. Errors are *ParseError.
func elements(s string, f func(offset int, text string) error) error {
	offset := 0
	if n := len(s); n >= 2 && s[0] == '[' && s[n-1] == ']' {
		s, offset = s[1:n-1], 1
	}
	if i := strings.IndexAny(s, "[]"); i >= 0 {
		return &ParseError{offset + i, s[i : i+1], "one pair of brackets may enclose the whole set", ErrBrackets}
	}
	for s != "" {
		text, rest, _ := strings.Cut(s, ",")
		if text != "" {
			if err := f(offset, text); err != nil {
				return err
			}
		}
		offset += len(s) - len(rest)
		s = rest
	}
	return nil
}

// parseSpan parses "lo" or "lo-hi" where lo is less than hi and neither has a leading zero.
func parseSpan(offset int, text string) (span, error) {
	r, err := parseLenientSpan(offset, text)
	if err != nil {
		return span{}, err
	}
	lo, hi, isRange := strings.Cut(text, "-")
	if len(lo) > 1 && lo[0] == '0' || len(hi) > 1 && hi[0] == '0' {
		return span{}, &ParseError{offset, text, "leading zero", ErrSyntax}
	}
	if isRange && r.lo == r.hi {
		return span{}, &ParseError{offset, text, "the end of a range must be greater than its begin", ErrSyntax}
	}
	return r, nil
}

// parseLenientSpan parses "lo" or "lo-hi".
func parseLenientSpan(offset int, text string) (span, error) {
	loText, hiText, isRange := strings.Cut(text, "-")
	lo, err := parseID(offset, text, loText)
	if err != nil || !isRange {
		return span{lo, lo}, err
	}
	hi, err := parseID(offset, text, hiText)
	if err != nil {
		return span{}, err
	}
	if hi < lo {
		return span{}, &ParseError{offset, text, "the end of a range must not be less than its begin", ErrSyntax}
	}
	return span{lo, hi}, nil
}

// parseID parses one number of the element text.
func parseID(offset int, text, digits string) (uint32, error) {
	if digits == "" {
		return 0, &ParseError{offset, text, "a number is missing", ErrSyntax}
	}
	var id uint64
	tooLarge := false
	for i := range len(digits) {
		d := digits[i] - '0'
		if d > 9 {
			return 0, &ParseError{offset, text, "expected digits, or two numbers joined by '-'", ErrSyntax}
		}
		if id = id*10 + uint64(d); id > math.MaxUint32 {
			// The digits that follow are still checked. The value must not wrap meanwhile.
			tooLarge, id = true, math.MaxUint32
		}
	}
	if tooLarge {
		return 0, &ParseError{offset, text, "an id is at most 4294967295", ErrRange}
	}
	return uint32(id), nil
}
