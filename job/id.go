package job

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/flux-sdk/flux"
)

// An ID is the id of a job: a FLUID (RFC 19), which is unique in its Flux instance and grows with the time of
// submission. It holds 40 bits of milliseconds since the start of the instance, 14 bits for the rank that gave it out,
// and a 10 bit sequence number.
//
// String and MarshalText give F58 text such as "ƒ3gcqYbSP", MarshalJSON gives a number. A *ID is a [flag.Value].
// IDs order by time of submission with [ID.Compare], < and >; their F58 texts do not.
type ID uint64

const (
	sequenceBits  = 10
	generatorBits = 14
)

const (
	f58Prefix      = "ƒ" // U+0192
	f58PrefixASCII = "f"
	f58Alphabet    = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

	// maxF58Digits is the number of digits that Flux reads. Eleven are enough for any id.
	maxF58Digits = 12
	// maxEmoji is the number of emoji in the largest id.
	maxEmoji = 7
)

// String returns the F58 spelling with its prefix U+0192, such as "ƒ3gcqYbSP". It ignores the locale and
// $FLUX_F58_FORCE_ASCII; see [ID.F58ASCII].
func (id ID) String() string { return id.F58() }

// F58 returns the F58 spelling with its prefix U+0192, such as "ƒ3gcqYbSP".
func (id ID) F58() string { return f58Prefix + id.base58() }

// F58ASCII returns the F58 spelling with the prefix "f", such as "f3gcqYbSP". It suits file names and terminals that
// have no UTF-8.
func (id ID) F58ASCII() string { return f58PrefixASCII + id.base58() }

func (id ID) base58() string {
	var buf [maxF58Digits]byte
	i := len(buf)
	for {
		i--
		buf[i] = f58Alphabet[id%58]
		id /= 58
		if id == 0 {
			return string(buf[i:])
		}
	}
}

// Dothex returns four groups of four hexadecimal digits, such as "0000.0563.5400.0000".
func (id ID) Dothex() string {
	return fmt.Sprintf("%04x.%04x.%04x.%04x", uint16(id>>48), uint16(id>>32), uint16(id>>16), uint16(id))
}

// Hex returns the hexadecimal number, such as "0x56354000000".
func (id ID) Hex() string { return "0x" + strconv.FormatUint(uint64(id), 16) }

// Dec returns the decimal number, such as "5924169187328".
func (id ID) Dec() string { return strconv.FormatUint(uint64(id), 10) }

// KVS returns the name of the job's directory in the KVS, such as "job.0000.0563.5400.0000".
func (id ID) KVS() string { return "job." + id.Dothex() }

// Words returns the spelling of six words, such as "alamo-bandit-panel--gregory-academy-academy".
func (id ID) Words() string {
	three := func(v uint32) string {
		w := words()
		return w[v%numWords] + "-" + w[v/numWords%numWords] + "-" + w[v/numWords/numWords]
	}
	return three(uint32(id)) + "--" + three(uint32(id>>32))
}

// Emoji returns the spelling of one to seven emoji.
func (id ID) Emoji() string {
	var digits [maxEmoji]rune
	i := len(digits)
	for {
		i--
		digits[i] = emoji()[id%numEmoji]
		id /= numEmoji
		if id == 0 {
			return string(digits[i:])
		}
	}
}

// Offset returns the time between the start of the instance and the submission of the job, in whole milliseconds.
func (id ID) Offset() time.Duration {
	return time.Duration(id>>(generatorBits+sequenceBits)) * time.Millisecond
}

// Generator returns the number of the generator that gave out the id: the rank of the broker that took the job.
func (id ID) Generator() int { return int(id >> sequenceBits & (1<<generatorBits - 1)) }

// Sequence returns the number of ids that the generator gave out before this one in the same millisecond.
func (id ID) Sequence() int { return int(id & (1<<sequenceBits - 1)) }

// Time returns the time of submission, given the start of the instance that gave out the id.
func (id ID) Time(start time.Time) time.Time { return start.Add(id.Offset()) }

// Compare returns -1 if id was given out before other, 0 if they are the same, and 1 otherwise.
func (id ID) Compare(other ID) int { return cmp.Compare(id, other) }

// MarshalText returns the F58 spelling.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.F58()), nil }

// AppendText appends the F58 spelling to b.
func (id ID) AppendText(b []byte) ([]byte, error) { return append(b, id.F58()...), nil }

// UnmarshalText reads any spelling, as [ParseID] does.
func (id *ID) UnmarshalText(text []byte) error { return id.Set(string(text)) }

// Set reads any spelling, as [ParseID] does. It makes *ID a [flag.Value].
func (id *ID) Set(s string) error {
	parsed, err := ParseID(s)
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// MarshalJSON returns the number.
func (id ID) MarshalJSON() ([]byte, error) { return []byte(id.Dec()), nil }

// UnmarshalJSON reads an integer, which is what Flux sends, or a string with any spelling, which is what people write
// in files. A negative number, a fraction and an exponent are errors. null changes nothing, as everywhere in
// encoding/json.
func (id *ID) UnmarshalJSON(data []byte) error {
	if bytes.Equal(data, []byte("null")) {
		return nil
	}
	if len(data) > 0 && data[0] == '"' {
		var s string
		if err := json.Unmarshal(data, &s); err != nil {
			return fmt.Errorf("job: invalid job id %s: %w", shorten(string(data)), err)
		}
		return id.Set(s)
	}
	n, err := parseIDNumber(string(data), 0, string(data), 10)
	if err != nil {
		return err
	}
	*id = n
	return nil
}

// ParseID reads every spelling that `flux job id` takes: F58 with either prefix, decimal, hexadecimal ("0x"), dotted
// hexadecimal, words, emoji, and the KVS directory ("job."). Leading white space is skipped, trailing white space only
// after decimal, hexadecimal and words, as Flux does.
//
// Unlike Flux it refuses a text whose value needs more than 64 bits in any spelling, where Flux drops the high bits,
// and signs, white space and "0x" inside dotted hexadecimal. The error is a [*ParseError].
func ParseID(s string) (ID, error) {
	text := trimSpaceLeft(s)
	if rest, ok := strings.CutPrefix(text, "job."); ok {
		text = trimSpaceLeft(rest)
	}
	switch {
	case text == "":
		return 0, idError(s, len(s), "nothing there; expected an id such as ƒ3gcqYbSP")
	case strings.Contains(text, "."):
		return parseDothex(s, text)
	case strings.Contains(text, "-"):
		return parseWords(s, text)
	case strings.HasPrefix(text, f58Prefix):
		return parseF58(s, text[len(f58Prefix):])
	case strings.HasPrefix(text, f58PrefixASCII):
		return parseF58(s, text[len(f58PrefixASCII):])
	case strings.HasPrefix(text, "\xf0\x9f"):
		return parseEmoji(s, text)
	case strings.HasPrefix(text, "0x"):
		return parseIDNumber(s, len(s)-len(text)+2, trimSpaceRight(text[2:]), 16)
	}
	return parseIDNumber(s, len(s)-len(text), trimSpaceRight(strings.TrimPrefix(text, "+")), 10)
}

// In the parsers below, whole is the input as the caller gave it, for errors, and text the part of it to read.

func parseIDNumber(whole string, offset int, text string, base int) (ID, error) {
	n, err := strconv.ParseUint(text, base, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, idRangeError(whole, offset)
	case err != nil && base == 16:
		return 0, idError(whole, offset, "expected hexadecimal digits after 0x")
	case err != nil:
		return 0, idError(whole, offset, "expected F58 (ƒ or f first), decimal, 0x, dotted hexadecimal, words or emoji")
	}
	return ID(n), nil
}

func parseDothex(whole, text string) (ID, error) {
	groups := strings.Split(text, ".")
	if len(groups) != 4 {
		return 0, idError(whole, len(whole)-len(text),
			fmt.Sprintf("dotted hexadecimal has four groups, got %d", len(groups)))
	}
	var id ID
	offset := len(whole) - len(text)
	for _, g := range groups {
		n, err := strconv.ParseUint(g, 16, 16)
		if err != nil || len(g) > 4 {
			return 0, idError(whole, offset, fmt.Sprintf("group %.60q is not one to four hexadecimal digits", g))
		}
		id = id<<16 | ID(n)
		offset += len(g) + 1
	}
	return id, nil
}

func parseF58(whole, digits string) (ID, error) {
	start := len(whole) - len(digits)
	switch {
	case digits == "":
		return 0, idError(whole, start, "expected base58 digits after the prefix")
	case len(digits) > maxF58Digits:
		return 0, idError(whole, start, fmt.Sprintf("%d bytes after the prefix; expected at most %d base58 digits",
			len(digits), maxF58Digits))
	}
	var id uint64
	for i := range len(digits) {
		d := strings.IndexByte(f58Alphabet, digits[i])
		if d < 0 {
			r, _ := utf8.DecodeRuneInString(digits[i:])
			return 0, idError(whole, start+i, fmt.Sprintf("%q is not a base58 digit", r))
		}
		var ok bool
		if id, ok = shiftIn(id, 58, uint64(d)); !ok {
			return 0, idRangeError(whole, start+i)
		}
	}
	return ID(id), nil
}

func parseEmoji(whole, text string) (ID, error) {
	start := len(whole) - len(text)
	var id uint64
	count := 0
	for i, r := range text {
		d, found := emojiValues()[r]
		count++
		switch {
		case !found:
			return 0, idError(whole, start+i, fmt.Sprintf("%q is not one of the %d emoji digits", r, numEmoji))
		case count > maxEmoji:
			return 0, idError(whole, start+i, fmt.Sprintf("expected at most %d emoji", maxEmoji))
		}
		var ok bool
		if id, ok = shiftIn(id, numEmoji, d); !ok {
			return 0, idRangeError(whole, start+i)
		}
	}
	return ID(id), nil
}

// parseWords reads six words, three for each half of the id, low half and low word first. Case does not matter, and
// any number of hyphens and white space may separate words, as in Flux.
func parseWords(whole, text string) (ID, error) {
	isSeparator := func(r rune) bool { return r == '-' || strings.ContainsRune(spaces, r) }
	start := len(whole) - len(text)
	fields := strings.FieldsFunc(text, isSeparator)
	if len(fields) != 6 {
		return 0, idError(whole, start, fmt.Sprintf("expected six words separated by hyphens, got %d", len(fields)))
	}
	var values [6]uint64
	for i, field := range fields {
		v, found := wordValues()[lowerASCII(field)]
		if !found {
			return 0, idError(whole, start+strings.Index(text, field), fmt.Sprintf("%.60q is not in the word list", field))
		}
		values[i] = uint64(v)
	}
	low := values[0] + numWords*(values[1]+numWords*values[2])
	high := values[3] + numWords*(values[4]+numWords*values[5])
	if low > math.MaxUint32 || high > math.MaxUint32 {
		return 0, idRangeError(whole, start)
	}
	return ID(high<<32 | low), nil
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

func idError(input string, offset int, reason string) error {
	return &ParseError{What: "job id", Input: input, Offset: offset, Reason: reason, Errno: flux.EINVAL}
}

func idRangeError(input string, offset int) error {
	return &ParseError{What: "job id", Input: input, Offset: offset, Reason: "the value needs more than 64 bits",
		Errno: flux.ERANGE}
}
