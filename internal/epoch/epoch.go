// Package epoch converts between [time.Time] and what Flux writes for times: seconds since 1970 as a JSON number.
package epoch

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// maxSeconds is the last second of the year 9999, the last that RFC 3339 can write.
const maxSeconds = 253402300799

// Parse reads a JSON number of seconds since 1970. It is exact to the nanosecond for numbers without an exponent.
func Parse(number string) (time.Time, error) {
	f, err := strconv.ParseFloat(number, 64)
	if strings.HasPrefix(number, "+") {
		err = strconv.ErrSyntax // not in JSON
	}
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return time.Time{}, fmt.Errorf("expected a number of seconds, got %.40q", number)
	}
	if err != nil || math.Abs(f) > maxSeconds {
		return time.Time{}, fmt.Errorf("%.40s seconds since 1970 is not within the years up to 9999", number)
	}
	if strings.ContainsAny(number, "eExXpP_") {
		whole, fraction := math.Modf(f)
		return time.Unix(int64(whole), int64(math.Round(fraction*1e9))), nil
	}
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(number, "-"), ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("expected a number of seconds, got %.40q", number)
	}
	ns, roundUp := fraction, false
	if len(ns) > 9 {
		ns, roundUp = fraction[:9], fraction[9] >= '5'
	}
	nanoseconds, err := strconv.ParseInt((ns + "000000000")[:9], 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("expected a number of seconds, got %.40q", number)
	}
	if roundUp {
		nanoseconds++
	}
	if strings.HasPrefix(number, "-") {
		seconds, nanoseconds = -seconds, -nanoseconds
	}
	return time.Unix(seconds, nanoseconds), nil
}

// Format returns t as a JSON number of seconds since 1970, always with a fraction, as Flux writes it: "1.5", "0.0".
func Format(t time.Time) string {
	seconds, nanoseconds, sign := t.Unix(), int64(t.Nanosecond()), ""
	if seconds < 0 {
		// Unix rounds down, but the digits of a negative number count away from zero.
		seconds, nanoseconds, sign = -seconds, -nanoseconds, "-"
		if nanoseconds < 0 {
			seconds, nanoseconds = seconds-1, nanoseconds+1e9
		}
	}
	fraction := strings.TrimRight(fmt.Sprintf("%09d", nanoseconds), "0")
	if fraction == "" {
		fraction = "0"
	}
	return sign + strconv.FormatInt(seconds, 10) + "." + fraction
}
