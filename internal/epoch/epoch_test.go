package epoch

import (
	"math"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for number, want := range map[string]time.Time{
		"0":                           time.Unix(0, 0),
		"0.0":                         time.Unix(0, 0),
		"-0.0":                        time.Unix(0, 0),
		"1.5":                         time.Unix(1, 5e8),
		"-1.5":                        time.Unix(-1, -5e8),
		"1e9":                         time.Unix(1e9, 0),
		"15e-1":                       time.Unix(1, 5e8),
		"1700000000.123456789":        time.Unix(1700000000, 123456789),
		"1700000000.1234567165374756": time.Unix(1700000000, 123456717),
		"0.9999999999":                time.Unix(1, 0),
		"253402300799":                time.Unix(253402300799, 0),
	} {
		got, err := Parse(number)
		if err != nil || !got.Equal(want) {
			t.Errorf("Parse(%s) = %v, %v; want %v", number, got, err, want)
		}
	}
	for _, number := range []string{"", "x", "NaN", "inf", "1e400", "1e300", "-1e15", "1.2.3",
		"253402300801", "0x10", "+1"} {
		if got, err := Parse(number); err == nil {
			t.Errorf("Parse(%q) = %v; want an error", number, got)
		}
	}
}

func TestFormat(t *testing.T) {
	for want, tm := range map[string]time.Time{
		"0.0":                  time.Unix(0, 0),
		"1.5":                  time.Unix(1, 5e8),
		"-1.5":                 time.Unix(-2, 5e8),
		"-0.25":                time.Unix(-1, 75e7),
		"-3.0":                 time.Unix(-3, 0),
		"1700000000.123456789": time.Unix(1700000000, 123456789),
	} {
		if got := Format(tm); got != want {
			t.Errorf("Format(%v) = %s; want %s", tm, got, want)
		}
	}
}

func FuzzFormatParse(f *testing.F) {
	for _, ns := range []int64{0, 1, -1, 15e8, -15e8, math.MaxInt64, math.MinInt64} {
		f.Add(ns)
	}
	f.Fuzz(func(t *testing.T, ns int64) {
		want := time.Unix(0, ns)
		got, err := Parse(Format(want))
		if err != nil || !got.Equal(want) {
			t.Fatalf("Parse(Format(%d ns)) = %d ns, %v", ns, got.UnixNano(), err)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("1.5")
	f.Fuzz(func(t *testing.T, number string) {
		tm, err := Parse(number)
		if err != nil {
			return
		}
		again, err := Parse(Format(tm))
		if err != nil || !again.Equal(tm) {
			t.Fatalf("%q is %v, formatted and parsed again %v, %v", number, tm, again, err)
		}
	})
}
