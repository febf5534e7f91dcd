package job

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flux-sdk/flux"
)

const (
	reasonWraps  = "the value needs more than 64 bits, and Flux drops the high ones"
	reasonDothex = "signs, white space and 0x inside dotted hexadecimal are mistakes"
)

var idDifferences = map[string]string{
	`parse "fjpXCZedGfVR"`: reasonWraps,
	`parse "fzzzzzzzzzzz"`: reasonWraps,
	`parse "fz4VJaeiHaNE"`: reasonWraps,
	`parse "0.0.0.-1"`:     reasonDothex,
	`parse "0.0.0. 1"`:     reasonDothex,
	`parse "0.0. 0.1"`:     reasonDothex,
	`parse "0x.0.0.1"`:     reasonDothex,
	`parse "10.0x2.3.4"`:   reasonDothex,
}

func TestIDVectors(t *testing.T) {
	want := map[string]int{"encode": 169, "encode_type": 7, "parse": 525, "fields": 33}
	forEachVector(t, "fluid.jsonl", want, idDifferences, func(t *testing.T, v vector) bool {
		switch v.Op {
		case "encode":
			id := decimalID(t, v.text(t))
			var want map[string]string
			decodeJSON(t, v.Out, &want)
			for spelling, text := range want {
				if got := spell(id, spelling); got != text {
					t.Errorf("%d as %s is %q; want %q", uint64(id), spelling, got, text)
				}
				if got, err := ParseID(text); err != nil || got != id {
					t.Errorf("ParseID(%q) = %d, %v; want %d", text, uint64(got), err, uint64(id))
				}
			}
		case "encode_type":
			var in [2]string
			decodeJSON(t, v.In, &in)
			if v.Error != nil {
				return true // there is no method for an unknown spelling
			}
			var want string
			decodeJSON(t, v.Out, &want)
			if got := spell(decimalID(t, in[0]), strings.ToLower(in[1])); got != want {
				t.Errorf("%s is %q; want %q", v.In, got, want)
			}
		case "parse":
			in := v.text(t)
			got, err := ParseID(in)
			if err != nil {
				checkParseError(t, err, in)
				if v.Error != nil && errors.Is(err, flux.ERANGE) != (v.Error.Errno == "ERANGE") {
					t.Errorf("ParseID(%q): %v; want %s", in, err, v.Error.Errno)
				}
				return true
			}
			if v.Error != nil {
				return false
			}
			var want string
			decodeJSON(t, v.Out, &want)
			if got.Dec() != want {
				t.Errorf("ParseID(%q) = %d; want %s", in, uint64(got), want)
			}
		case "fields":
			id := decimalID(t, v.text(t))
			var want struct {
				Timestamp int64 `json:"timestamp_ms"`
				Generator int   `json:"generator"`
				Sequence  int   `json:"sequence"`
			}
			decodeJSON(t, v.Out, &want)
			if id.Offset().Milliseconds() != want.Timestamp || id.Generator() != want.Generator ||
				id.Sequence() != want.Sequence {
				t.Errorf("%d is %v, %d, %d; want %+v", uint64(id), id.Offset(), id.Generator(), id.Sequence(), want)
			}
		default:
			t.Errorf("unknown operation %s", v.Op)
		}
		return false
	})
}

func decimalID(t *testing.T, s string) ID {
	t.Helper()
	var id ID
	if err := json.Unmarshal([]byte(s), &id); err != nil {
		t.Fatal(err)
	}
	return id
}

// spell returns an id in a spelling by the name that `flux job id --to` has for it.
func spell(id ID, spelling string) string {
	switch spelling {
	case "dec":
		return id.Dec()
	case "hex":
		return id.Hex()
	case "kvs":
		return id.KVS()
	case "dothex":
		return id.Dothex()
	case "words":
		return id.Words()
	case "f58":
		return id.F58()
	case "f58plain":
		return id.F58ASCII()
	case "emoji":
		return id.Emoji()
	}
	return "no such spelling: " + spelling
}

// checkParseError checks that err is a *ParseError for the input, with an offset inside it.
func checkParseError(t *testing.T, err error, input string) {
	t.Helper()
	parse, ok := errors.AsType[*ParseError](err)
	if !ok {
		t.Fatalf("%q: the error is a %T: %v", input, err, err)
	}
	if parse.Input != input || parse.Offset < 0 || parse.Offset > len(input) || parse.Reason == "" {
		t.Fatalf("%q: the error has input %q, offset %d, reason %q", input, parse.Input, parse.Offset, parse.Reason)
	}
	if !errors.Is(err, flux.EINVAL) && !errors.Is(err, flux.ERANGE) {
		t.Fatalf("%q: %v is neither EINVAL nor ERANGE", input, err)
	}
}

func TestIDErrorSaysWhere(t *testing.T) {
	for in, want := range map[string]string{
		"f3gcqYbS0":  `job: invalid job id "f3gcqYbS0": '0' is not a base58 digit (offset 8)`,
		" job.1.2.3": `job: invalid job id " job.1.2.3": dotted hexadecimal has four groups, got 3 (offset 5)`,
		"1.2.xyz.4": `job: invalid job id "1.2.xyz.4": ` +
			`group "xyz" is not one to four hexadecimal digits (offset 4)`,
		"0x10000000000000000": `job: invalid job id "0x10000000000000000": the value needs more than 64 bits (offset 2)`,
		"0x":                  `job: invalid job id "0x": expected hexadecimal digits after 0x (offset 2)`,
		" 0x0x":               `job: invalid job id " 0x0x": expected hexadecimal digits after 0x (offset 3)`,
		"hello": `job: invalid job id "hello": expected F58 (ƒ or f first), decimal, 0x, dotted hexadecimal, words or ` +
			`emoji (offset 0)`,
		"academy-acrobatt-academy--academy-academy-academy": `job: invalid job id ` +
			`"academy-acrobatt-academy--academy-academy-academy": "acrobatt" is not in the word list (offset 8)`,
		"amen-amen-amen--amen-amen-amen": `job: invalid job id "amen-amen-amen--amen-amen-amen": ` +
			`the value needs more than 64 bits (offset 0)`,
		strings.Repeat("x", 1000): `job: invalid job id "` + strings.Repeat("x", 80) + `"...: expected F58 (ƒ or f ` +
			`first), decimal, 0x, dotted hexadecimal, words or emoji (offset 0)`,
	} {
		if _, err := ParseID(in); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestIDJSON(t *testing.T) {
	for in, want := range map[string]ID{
		"0":                         0,
		"5924169187328":             5924169187328,
		"18446744073709551615":      math.MaxUint64,
		`"ƒ3gcqYbSP"`:               5924169187328,
		`"f3gcqYbSP"`:               5924169187328,
		`"job.0000.0563.5400.0000"`: 5924169187328,
	} {
		var got ID
		if err := json.Unmarshal([]byte(in), &got); err != nil || got != want {
			t.Errorf("%s is %d, %v; want %d", in, uint64(got), err, uint64(want))
		}
	}
	for _, in := range []string{"-1", "1.0", "1e3", "18446744073709551616", `""`, `"x"`, "true", "[]", "{}"} {
		id := ID(7)
		if err := json.Unmarshal([]byte(in), &id); err == nil || id != 7 {
			t.Errorf("%s is %d, %v; want an error and no change", in, uint64(id), err)
		}
	}
	unchanged := ID(7)
	const want = `job: invalid job id "-1": expected an integer from 0 to 18446744073709551615 or a string (offset 0)`
	var negative ID
	if err := json.Unmarshal([]byte("-1"), &negative); err == nil || err.Error() != want {
		t.Errorf("-1: %v; want %s", err, want)
	}
	if err := json.Unmarshal([]byte("null"), &unchanged); err != nil || unchanged != 7 {
		t.Errorf("null gives %d, %v", uint64(unchanged), err)
	}
	out, err := json.Marshal(map[ID]any{5924169187328: ID(math.MaxUint64)})
	if err != nil || string(out) != `{"ƒ3gcqYbSP":18446744073709551615}` {
		t.Errorf("got %s, %v", out, err)
	}
	var back map[ID]ID
	if err := json.Unmarshal(out, &back); err != nil || back[5924169187328] != math.MaxUint64 {
		t.Errorf("got %v, %v", back, err)
	}
}

func TestIDFlag(t *testing.T) {
	flags := flag.NewFlagSet("x", flag.ContinueOnError)
	flags.SetOutput(&strings.Builder{})
	var id ID
	flags.Var(&id, "job", "the job")
	if err := flags.Parse([]string{"-job", "f3gcqYbSP"}); err != nil || id != 5924169187328 {
		t.Errorf("got %d, %v", uint64(id), err)
	}
	if err := flags.Parse([]string{"-job", "?"}); err == nil || id != 5924169187328 {
		t.Errorf("got %d, %v; want an error and no change", uint64(id), err)
	}
	if got := fmt.Sprintf("%v %s %d", id, id, uint64(id)); got != "ƒ3gcqYbSP ƒ3gcqYbSP 5924169187328" {
		t.Errorf("got %s", got)
	}
}

func TestIDOrderIsTime(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	early, late := ID(1500<<24|5<<10|3), ID(1501<<24)
	if got := early.Time(start); !got.Equal(start.Add(1500 * time.Millisecond)) {
		t.Errorf("Time is %v", got)
	}
	ids := []ID{late, early, late}
	slices.SortFunc(ids, ID.Compare)
	if !slices.Equal(ids, []ID{early, late, late}) {
		t.Errorf("got %v", ids)
	}
	if got := ID(math.MaxUint64).Offset(); got != (1<<40-1)*time.Millisecond {
		t.Errorf("the last offset is %v", got)
	}
}

// allSpellings has the names of spell.
var allSpellings = []string{"dec", "hex", "kvs", "dothex", "words", "f58", "f58plain", "emoji"}

func FuzzIDRoundTrip(f *testing.F) {
	for range 20 {
		f.Add(rand.Uint64())
	}
	f.Add(uint64(0))
	f.Add(uint64(math.MaxUint64))
	f.Fuzz(func(t *testing.T, n uint64) {
		for _, spelling := range allSpellings {
			text := spell(ID(n), spelling)
			if got, err := ParseID(text); err != nil || got != ID(n) {
				t.Fatalf("%d as %s is %q, which is %d, %v", n, spelling, text, uint64(got), err)
			}
		}
		var id ID
		text, _ := ID(n).AppendText(nil)
		if err := id.UnmarshalText(text); err != nil || id != ID(n) {
			t.Fatalf("%q is %d, %v", text, uint64(id), err)
		}
	})
}

func FuzzParseID(f *testing.F) {
	for _, s := range []string{"f1", "ƒ3gcqYbSP", "0x1f", " 12\n", "job.0.0.0.1", "😊😋", "1.2.3.4", "x",
		"academy-academy-academy--academy-academy-academy", "fzzzzzzzzzzzz", "\xf0\x9f", "ƒ\xff", "+1", "0x 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseID(s)
		if err != nil {
			checkParseError(t, err, s)
			return
		}
		for _, spelling := range allSpellings {
			if again, err := ParseID(spell(id, spelling)); err != nil || again != id {
				t.Fatalf("%q is %d, and its %s %d, %v", s, uint64(id), spelling, uint64(again), err)
			}
		}
	})
}

func BenchmarkParseID(b *testing.B) {
	for _, spelling := range allSpellings {
		text := spell(0xab54a98ceb1f0ad2, spelling)
		b.Run(spelling, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseID(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkFormatID(b *testing.B) {
	for _, spelling := range allSpellings {
		b.Run(spelling, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				spell(0xab54a98ceb1f0ad2, spelling)
			}
		})
	}
}
