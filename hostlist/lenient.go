package hostlist

import (
	"strconv"
	"strings"
)

// lenientBounds parses the text between two commas as the C library does. What follows the digits of the first number
// of a range is ignored, and the width counts it, as it counts a sign and white space before the digits.
// The second number may be missing.
func lenientBounds(offset int, text string) (entry, error) {
	syntax := func(reason string) (entry, error) {
		return entry{}, &ParseError{offset, text, reason, ErrSyntax}
	}
	loText, hiText, _ := strings.Cut(text, "-")
	if strings.HasPrefix(hiText, "-") {
		return syntax("a number is not negative")
	}
	lo, rest, err := leadingNumber(loText)
	if err == nil && rest == loText {
		return syntax("expected a number")
	}
	hi := lo
	if err == nil && hiText != "" {
		if hi, rest, err = leadingNumber(hiText); rest == hiText {
			return syntax("expected a number after '-'")
		}
	}
	if err != nil {
		return entry{}, &ParseError{offset, text, tooLarge, ErrRange}
	}
	if rest != "" {
		return syntax("expected digits, or two numbers joined by '-'")
	}
	return entry{lo: lo, hi: hi, width: len(loText)}, nil
}

// leadingNumber parses the number that text begins with, after white space and a plus sign, and returns what follows.
// The rest is the whole text if there is no number.
func leadingNumber(text string) (n uint64, rest string, err error) {
	number := strings.TrimPrefix(strings.TrimLeft(text, " \t\n\v\f\r"), "+")
	rest = strings.TrimLeft(number, "0123456789")
	if rest == number {
		return 0, text, nil
	}
	n, err = strconv.ParseUint(number[:len(number)-len(rest)], 10, 64)
	return n, rest, err
}
