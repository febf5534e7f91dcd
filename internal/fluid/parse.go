package fluid

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Error says where a text stops being an id, and why.
type Error struct {
	Offset   int    // in bytes
	Reason   string // what is wrong and what was expected
	Overflow bool   // the text is well formed, but its value needs more than 64 bits
}

func (e *Error) Error() string { return fmt.Sprintf("%s (offset %d)", e.Reason, e.Offset) }

func fail(offset int, format string, args ...any) error {
	return &Error{Offset: offset, Reason: fmt.Sprintf(format, args...)}
}

func overflow(offset int) error {
	return &Error{Offset: offset, Reason: "the value needs more than 64 bits", Overflow: true}
}

// spaces is white space as isspace(3) has it in the C locale.
const spaces = " \t\n\v\f\r"

// Parse reads every spelling that `flux job id` takes. An error is a [*Error].
func Parse(s string) (uint64, error) {
	text := strings.TrimLeft(s, spaces)
	if rest, ok := strings.CutPrefix(text, "job."); ok {
		text = strings.TrimLeft(rest, spaces)
	}
	start := len(s) - len(text)
	switch {
	case text == "":
		return 0, fail(start, "nothing there; expected an id such as ƒ3gcqYbSP")
	case strings.Contains(text, "."):
		return parseDothex(start, text)
	case strings.Contains(text, "-"):
		return parseWords(start, text)
	case strings.HasPrefix(text, Prefix):
		return parseF58(start+len(Prefix), text[len(Prefix):])
	case strings.HasPrefix(text, PrefixASCII):
		return parseF58(start+len(PrefixASCII), text[len(PrefixASCII):])
	case strings.HasPrefix(text, "\xf0\x9f"):
		return parseEmoji(start, text)
	case strings.HasPrefix(text, "0x"):
		return parseNumber(start+2, strings.TrimRight(text[2:], spaces), 16)
	}
	return parseNumber(start, strings.TrimRight(strings.TrimPrefix(text, "+"), spaces), 10)
}

// ParseDecimal reads decimal digits and nothing else. An error is a [*Error].
func ParseDecimal(s string) (uint64, error) { return parseNumber(0, s, 10) }

// The parsers below get the part of the input that they read, and the offset of this part for errors.

func parseNumber(start int, text string, base int) (uint64, error) {
	n, err := strconv.ParseUint(text, base, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, overflow(start)
	case err != nil && base == 16:
		return 0, fail(start, "expected hexadecimal digits after 0x")
	case err != nil:
		return 0, fail(start, "expected F58 (ƒ or f first), decimal, 0x, dotted hexadecimal, words or emoji")
	}
	return n, nil
}

func parseDothex(start int, text string) (uint64, error) {
	groups := strings.Split(text, ".")
	if len(groups) != 4 {
		return 0, fail(start, "dotted hexadecimal has four groups, got %d", len(groups))
	}
	var id uint64
	for _, g := range groups {
		n, err := strconv.ParseUint(g, 16, 16)
		if err != nil || len(g) > 4 {
			return 0, fail(start, "group %.60q is not one to four hexadecimal digits", g)
		}
		id = id<<16 | n
		start += len(g) + 1
	}
	return id, nil
}

func parseF58(start int, digits string) (uint64, error) {
	switch {
	case digits == "":
		return 0, fail(start, "expected base58 digits after the prefix")
	case len(digits) > maxDigits:
		return 0, fail(start, "%d bytes after the prefix; expected at most %d base58 digits", len(digits), maxDigits)
	}
	var id uint64
	for i := range len(digits) {
		d := strings.IndexByte(alphabet, digits[i])
		if d < 0 {
			r, _ := utf8.DecodeRuneInString(digits[i:])
			return 0, fail(start+i, "%q is not a base58 digit", r)
		}
		var ok bool
		if id, ok = shiftIn(id, 58, uint64(d)); !ok {
			return 0, overflow(start + i)
		}
	}
	return id, nil
}

func parseEmoji(start int, text string) (uint64, error) {
	var id uint64
	count := 0
	for i, r := range text {
		d, found := emojiValues()[r]
		count++
		switch {
		case !found:
			return 0, fail(start+i, "%q is not one of the %d emoji digits", r, numEmoji)
		case count > maxEmoji:
			return 0, fail(start+i, "expected at most %d emoji", maxEmoji)
		}
		var ok bool
		if id, ok = shiftIn(id, numEmoji, d); !ok {
			return 0, overflow(start + i)
		}
	}
	return id, nil
}

// parseWords reads six words, three for each half of the id, low half and low word first. Case does not matter, and
// any number of hyphens and white space may separate words, as in Flux.
func parseWords(start int, text string) (uint64, error) {
	isSeparator := func(r rune) bool { return r == '-' || strings.ContainsRune(spaces, r) }
	fields := strings.FieldsFunc(text, isSeparator)
	if len(fields) != 6 {
		return 0, fail(start, "expected six words separated by hyphens, got %d", len(fields))
	}
	var values [6]uint64
	for i, field := range fields {
		v, found := wordValues()[lowerASCII(field)]
		if !found {
			return 0, fail(start+strings.Index(text, field), "%.60q is not in the word list", field)
		}
		values[i] = uint64(v)
	}
	low := values[0] + numWords*(values[1]+numWords*values[2])
	high := values[3] + numWords*(values[4]+numWords*values[5])
	if low > math.MaxUint32 || high > math.MaxUint32 {
		return 0, overflow(start)
	}
	return high<<32 | low, nil
}

// lowerASCII changes the letters A to Z only; strings.ToLower would make a k of the Kelvin sign.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, s)
}

// shiftIn returns n*base + digit, and false if that needs more than 64 bits.
func shiftIn(n, base, digit uint64) (uint64, bool) {
	high, low := bits.Mul64(n, base)
	sum, carry := bits.Add64(low, digit, 0)
	return sum, high == 0 && carry == 0
}
