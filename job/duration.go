package job

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/flux-sdk/flux"
)

// Forever is the duration that Flux spells "infinity". It is the longest [time.Duration].
const Forever time.Duration = math.MaxInt64

// secondsPerUnit has the units of RFC 23. A number without unit is in seconds.
var secondsPerUnit = map[string]float64{"": 1, "ms": .001, "s": 1, "m": 60, "h": 3600, "d": 86400}

// ParseDuration reads Flux standard duration (RFC 23): a decimal number, which may have a fraction and an exponent,
// and one of the units ms, s, m, h and d. Without a unit the number is in seconds, whereas the --time-limit option of
// the flux commands takes a bare number as minutes. "inf" and "infinity", in any case and without a unit, give
// [Forever]. Leading white space is skipped.
//
// Where Flux is laxer, ParseDuration returns an error, because each of these would give a duration that was not meant:
// an empty number ("", "s", which Flux reads as 0, that is unlimited for a job), a hexadecimal number ("0xd"; the
// Python commands refuse it too), a number that is not zero but less than half a nanosecond, and one that is over the
// longest time.Duration (292 years). The error is a [*ParseError].
func ParseDuration(s string) (time.Duration, error) {
	text := trimSpaceLeft(s)
	start := len(s) - len(text)
	switch strings.ToLower(strings.TrimPrefix(text, "+")) {
	case "inf", "infinity":
		return Forever, nil
	}
	number := text[:decimalLen(text)]
	if number == "" {
		return 0, durationError(s, start, "expected a decimal number such as 1.5h", flux.EINVAL)
	}
	unit := text[len(number):]
	scale, ok := secondsPerUnit[unit]
	if !ok {
		return 0, durationError(s, start+len(number),
			fmt.Sprintf("unit %.60q is not one of ms, s, m, h, d", unit), flux.EINVAL)
	}
	value, err := strconv.ParseFloat(number, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, durationError(s, start, "expected a decimal number such as 1.5h", flux.EINVAL)
	}
	ns := math.Round(value * scale * 1e9)
	switch {
	case value < 0:
		return 0, durationError(s, start, "a duration is not negative", flux.EINVAL)
	case err != nil || ns >= math.MaxInt64: // as a float64 that is 2^63, the first value that does not fit
		return 0, durationError(s, start, "longer than the longest time.Duration, 292 years", flux.ERANGE)
	case ns == 0 && hasNonzeroDigit(number):
		return 0, durationError(s, start, "shorter than half a nanosecond", flux.ERANGE)
	}
	return time.Duration(ns), nil
}

// decimalLen returns the length of the longest decimal number that s begins with.
func decimalLen(s string) int {
	i := 0
	digits := func() int {
		begin := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i - begin
	}
	sign := func() {
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
	}
	sign()
	n := digits()
	if i < len(s) && s[i] == '.' {
		i++
		n += digits()
	}
	if n == 0 {
		return 0
	}
	end := i
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		sign()
		if digits() > 0 {
			end = i
		}
	}
	return end
}

// hasNonzeroDigit reports whether the mantissa of a decimal number has a digit other than 0.
func hasNonzeroDigit(number string) bool {
	if i := strings.IndexAny(number, "eE"); i >= 0 {
		number = number[:i]
	}
	return strings.ContainsAny(number, "123456789")
}

// FormatDuration returns d as Flux standard duration with six significant digits, in the largest unit that gives at
// least 1, or in milliseconds under 0.1 s: "1.5h", "31.6195ms". [Forever] is "infinity". A negative duration, which
// RFC 23 does not have, gets a minus sign.
//
// It is made for people to read: six digits do not hold every duration, so ParseDuration may return another one.
func FormatDuration(d time.Duration) string {
	switch {
	case d == Forever:
		return "infinity"
	case d < 0:
		// The conversion to float64 comes first because -d overflows for the smallest Duration.
		return "-" + formatSeconds(-(float64(d)/1e9), 6)
	}
	return formatSeconds(float64(d)/1e9, 6)
}

// formatSeconds formats a number of seconds with the given number of significant digits.
func formatSeconds(seconds float64, digits int) string {
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', digits, 64) }
	switch {
	case seconds < 0.1 && seconds != 0:
		return number(seconds*1000) + "ms"
	case seconds < 60:
		return number(seconds) + "s"
	case seconds < 3600:
		return number(seconds/60) + "m"
	case seconds < 86400:
		return number(seconds/3600) + "h"
	}
	return number(seconds/86400) + "d"
}

func durationError(input string, offset int, reason string, errno flux.Errno) error {
	return &ParseError{What: "duration", Input: input, Offset: offset, Reason: reason, Errno: errno}
}
