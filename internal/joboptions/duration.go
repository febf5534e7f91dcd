package joboptions

import (
	"errors"
	"math"
	"regexp"
	"strconv"
	"time"
)

// duration is a number with an optional unit.
var durationText = regexp.MustCompile(`^([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(ms|s|m|h|d)?$`)

var errDuration = errors.New("invalid Flux standard duration")

// parseDuration reads a Flux standard duration (RFC 23): a number with the unit ms, s, m, h or d; seconds without one.
func parseDuration(text string) (time.Duration, error) {
	m := durationText.FindStringSubmatch(text)
	if m == nil {
		return 0, errDuration
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return 0, errDuration
	}
	unit := time.Second
	switch m[2] {
	case "ms":
		unit = time.Millisecond
	case "m":
		unit = time.Minute
	case "h":
		unit = time.Hour
	case "d":
		unit = 24 * time.Hour
	}
	d := n * float64(unit)
	if d < 0 || d >= math.MaxInt64 {
		return 0, errDuration
	}
	return time.Duration(math.Round(d)), nil
}
