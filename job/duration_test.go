package job

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/flux-sdk/flux"
)

const (
	reasonNoNumber = "no number: a duration of 0 means unlimited for a job, so it is not guessed"
	reasonHex      = "hexadecimal: the Python commands refuse it, and 0xd looks like a number of days"
	reasonTooLong  = "over 292 years, the longest time.Duration"
	reasonTooShort = "less than a nanosecond would become 0, which means unlimited for a job"
)

var durationDifferences = map[string]string{
	`parse ""`:                        reasonNoNumber,
	`parse "s"`:                       reasonNoNumber,
	`parse "0x10"`:                    reasonHex,
	`parse "0x10s"`:                   reasonHex,
	`parse "0x1p3"`:                   reasonHex,
	`parse "0xd"`:                     reasonHex,
	`parse "1e400"`:                   reasonTooLong,
	`parse "1e308d"`:                  reasonTooLong,
	`parse "1.7976931348623157e308m"`: reasonTooLong,
	`parse "99999999999999999999"`:    reasonTooLong,
	`parse "1e-320"`:                  reasonTooShort,
	`parse "4.9e-324s"`:               reasonTooShort,
}

func TestDurationVectors(t *testing.T) {
	want := map[string]int{"parse": 173, "format": 93, "format_ex": 21}
	forEachVector(t, "fsd.jsonl", want, durationDifferences, func(t *testing.T, v vector) bool {
		switch v.Op {
		case "parse":
			in := v.text(t)
			got, err := ParseDuration(in)
			if err != nil {
				checkParseError(t, err, in)
				return true
			}
			if v.Error != nil {
				return false
			}
			want := seconds(t, v.Out)
			if math.IsInf(want, 1) {
				if got != Forever {
					t.Errorf("ParseDuration(%q) = %v; want Forever", in, got)
				}
			} else if diff := float64(got) - want*1e9; math.Abs(diff) > 0.5+want*1e9*1e-15 {
				t.Errorf("ParseDuration(%q) = %v; want %v s", in, got, want)
			}
		case "format":
			in := seconds(t, v.In)
			if math.IsNaN(in) || in < 0 {
				return true // a time.Duration is not NaN, and a negative one has its own test
			}
			if got, want := formatVector(in, 6), text(t, v.Out); got != want {
				t.Errorf("%v s is %q; want %q", in, got, want)
			}
		case "format_ex":
			var in [2]float64
			decodeJSON(t, v.In, &in)
			if got, want := formatVector(in[0], int(in[1])), text(t, v.Out); got != want {
				t.Errorf("%v s with %v digits is %q; want %q", in[0], in[1], got, want)
			}
		default:
			t.Errorf("unknown operation %s", v.Op)
		}
		return false
	})
}

// formatVector formats seconds through FormatDuration where a time.Duration holds them exactly enough for six digits.
func formatVector(seconds float64, digits int) string {
	switch {
	case math.IsInf(seconds, 1):
		return FormatDuration(Forever)
	case seconds == 0 && math.Signbit(seconds):
		return "-0s" // what C prints for a negative zero, which a time.Duration does not have
	case digits == 6 && seconds < 9e9:
		return FormatDuration(time.Duration(math.Round(seconds * 1e9)))
	}
	return formatSeconds(seconds, digits)
}

// seconds reads a number of a vector, where "inf" and "nan" are strings.
func seconds(t *testing.T, raw []byte) float64 {
	t.Helper()
	if raw[0] != '"' {
		f, err := strconv.ParseFloat(string(raw), 64)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	f, err := strconv.ParseFloat(text(t, raw), 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func text(t *testing.T, raw []byte) string {
	t.Helper()
	var s string
	decodeJSON(t, raw, &s)
	return s
}

func TestParseDurationExact(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"0.1":         100 * time.Millisecond,
		"1e-9":        1,
		"0.000001ms":  1,
		"30m":         30 * time.Minute,
		"1.5d":        36 * time.Hour,
		"9223372036":  9223372036 * time.Second,
		"+Inf":        Forever,
		"-0":          0,
		"0e999999999": 0,
	} {
		if got, err := ParseDuration(in); err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	for in, errno := range map[string]flux.Errno{
		"9223372036.9": flux.ERANGE, "1e-10": flux.ERANGE, "1e": flux.EINVAL, "1e+s": flux.EINVAL, "-inf": flux.EINVAL,
		"1.5.s": flux.EINVAL, "\x00": flux.EINVAL, "1e99999999999d": flux.ERANGE, "1e-99999999999d": flux.ERANGE,
	} {
		if got, err := ParseDuration(in); !errors.Is(err, errno) {
			t.Errorf("ParseDuration(%q) = %v, %v; want %v", in, got, err, errno)
		}
	}
}

func TestFormatNegativeDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{-90 * time.Minute: "-1.5h", -1: "-1e-06ms", math.MinInt64: "-106752d"} {
		if got := FormatDuration(d); got != want {
			t.Errorf("FormatDuration(%d) = %q; want %q", int64(d), got, want)
		}
	}
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"", "1.5h", "inf", "1e3ms", ".5", "5.", "0x10", " 1d", "-1", "nan", "1e400", "1e-400"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		if err != nil {
			checkParseError(t, err, s)
			return
		}
		if d < 0 {
			t.Fatalf("ParseDuration(%q) = %d", s, int64(d))
		}
		if d == Forever {
			return // it has its own spelling, and rounding takes its neighbours over the limit
		}
		// Seconds with nine digits are exact up to the 53 bits of a float64.
		exact := fmt.Sprintf("%d.%09d", d/time.Second, d%time.Second)
		again, err := ParseDuration(exact)
		if err != nil && d < 9e18 || err == nil && math.Abs(float64(again-d)) > float64(d)*2e-16+1 {
			t.Fatalf("%q is %d ns, and %s %d ns, %v", s, int64(d), exact, int64(again), err)
		}
		short, err := ParseDuration(FormatDuration(d))
		if err != nil && d < 9e18 || err == nil && math.Abs(float64(short-d)) > float64(d)*1e-5 {
			t.Fatalf("%q is %d ns, formatted %s, which is %d ns, %v", s, int64(d), FormatDuration(d), int64(short), err)
		}
	})
}

func BenchmarkParseDuration(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseDuration("1234.567m"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFormatDuration(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		FormatDuration(74074 * time.Second)
	}
}
