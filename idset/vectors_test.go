package idset

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/flux-sdk/flux/internal/formattest"
)

// vector is one line of testdata/idset.jsonl: what flux-core 0.88 made of an input.
type vector struct {
	Op    string
	In    json.RawMessage
	Out   json.RawMessage
	Error *struct{ Errno, Text string }
}

// differences are the vectors that this package answers otherwise on purpose, with the reason.
var differences = map[string]string{
	`decode "4294967296"`:                "the C library wraps modulo 2^32; a number that is no uint32 is an error",
	`decode "4294967295"`:                "the tree of the C library ends at 2147483647; every uint32 is an id",
	`decode "4294967294"`:                "the tree of the C library ends at 2147483647; every uint32 is an id",
	`decode "2147483648"`:                "the tree of the C library ends at 2147483647; every uint32 is an id",
	`decode_info "4294967294"`:           "the C library takes this id for its mark of an empty set",
	`decode_info "18446744073709551615"`: "the C library wraps it to 4294967295 and says that it exceeds its maximum",
	`decode_info "4294967293"`:           "the tree of the C library ends at 2147483647; every uint32 is an id",
	`decode_info "2147483648"`:           "the tree of the C library ends at 2147483647; every uint32 is an id",
}

func TestVectors(t *testing.T) {
	count, differ := 0, map[string]bool{}
	for v := range formattest.Vectors[vector](t, "testdata/idset.jsonl") {
		count++
		name := v.Op + " " + string(v.In)
		problem := check(t, v)
		if _, listed := differences[name]; listed {
			if differ[name] = problem != ""; !differ[name] {
				t.Errorf("%s: listed as a difference, but there is none", name)
			}
		} else if problem != "" {
			t.Errorf("%s: %s", name, problem)
		}
	}
	if count != 1434 || len(differ) != len(differences) {
		t.Errorf("%d vectors, %d listed differences found of %d", count, len(differ), len(differences))
	}
	t.Logf("idset.jsonl: %d vectors, %d of them differ on purpose", count, len(differ))
}

// encodings are the texts of a set under the four flag combinations of idset_encode.
type encodings struct {
	Plain, Brackets *string // only for small sets
	Range           string
	RangeBrackets   string `json:"range_brackets"`
}

func (e encodings) check(s Set) string {
	if got := s.String(); got != e.Range {
		return "String: " + got + ", want " + e.Range
	}
	if got := s.Brackets(); got != e.RangeBrackets {
		return "Brackets: " + got + ", want " + e.RangeBrackets
	}
	if e.Plain != nil {
		if got := s.Plain(); got != *e.Plain {
			return "Plain: " + got + ", want " + *e.Plain
		}
		brackets := *e.Plain
		if s.Len() > 1 {
			brackets = "[" + brackets + "]"
		}
		if brackets != *e.Brackets {
			return "Plain in brackets: " + brackets + ", want " + *e.Brackets
		}
	}
	return ""
}

// check returns what the package does otherwise than v says, or "".
func check(t *testing.T, v vector) string {
	decode := func(data json.RawMessage, to any) {
		t.Helper()
		if err := json.Unmarshal(data, to); err != nil {
			t.Fatalf("%s: %v", v.In, err)
		}
	}
	switch v.Op {
	case "decode", "decode_info":
		var text string
		decode(v.In, &text)
		s, err := Parse(text)
		if v.Error != nil {
			return checkError(err, v.Error.Text)
		}
		if err != nil {
			return err.Error()
		}
		if v.Op == "decode_info" {
			var want struct {
				Count int
				Max   *uint32
			}
			decode(v.Out, &want)
			if last, ok := s.Max(); s.Len() != want.Count || ok != (want.Max != nil) || ok && last != *want.Max {
				return "count or max: " + s.String()
			}
			return ""
		}
		return checkDecoded(s, v.Out, decode)
	case "encode":
		var ids []uint32
		var want encodings
		decode(v.In, &ids)
		decode(v.Out, &want)
		return want.check(New(ids...))
	case "union", "difference", "intersect":
		a, b := operands(t, v.In)
		operation := map[string]func(Set, Set) Set{
			"union": Set.Union, "difference": Set.Difference, "intersect": Set.Intersect,
		}
		var want string
		decode(v.Out, &want)
		if got := operation[v.Op](a, b).String(); got != want {
			return got + ", want " + want
		}
	case "has_intersection", "equal":
		a, b := operands(t, v.In)
		var want bool
		decode(v.Out, &want)
		question := map[string]func(Set, Set) bool{"has_intersection": Set.Intersects, "equal": Set.Equal}
		if question[v.Op](a, b) != want {
			return "wrong answer"
		}
	case "navigate":
		s, id := setAndIDs(t, v.In)
		var want struct {
			Test       bool
			Next, Prev *uint32
		}
		decode(v.Out, &want)
		next, hasNext := s.Next(id[0])
		prev, hasPrev := s.Prev(id[0])
		if s.Contains(id[0]) != want.Test || hasNext != (want.Next != nil) || hasPrev != (want.Prev != nil) ||
			hasNext && next != *want.Next || hasPrev && prev != *want.Prev {
			return "wrong answer"
		}
	case "range_set", "range_clear":
		s, ids := setAndIDs(t, v.In)
		if v.Op == "range_set" {
			s.AddRange(ids[0], ids[1])
		} else {
			s.RemoveRange(ids[0], ids[1])
		}
		var want string
		decode(v.Out, &want)
		if s.String() != want {
			return s.String() + ", want " + want
		}
	default:
		t.Fatalf("unknown op %q", v.Op)
	}
	return ""
}

func checkDecoded(s Set, out json.RawMessage, decode func(json.RawMessage, any)) string {
	var want struct {
		Count       int
		IDs         *[]uint32
		First, Last *uint32
	}
	var texts encodings
	decode(out, &want)
	decode(out, &texts)
	first, ok := s.Min()
	last, _ := s.Max()
	if s.Len() != want.Count || ok != (want.First != nil) || ok && (first != *want.First || last != *want.Last) {
		return "count, first or last: " + s.String()
	}
	if want.IDs != nil && !slices.Equal(slices.Collect(s.All()), *want.IDs) {
		return "ids: " + s.Plain()
	}
	return texts.check(s)
}

// checkError checks that err is a ParseError with the text of the C library.
func checkError(err error, text string) string {
	var parse *ParseError
	if !errors.As(err, &parse) {
		return "no ParseError, want: " + text
	}
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	if i := strings.IndexFunc(text, unprintable); i >= 0 {
		text = text[:i] // We escape what follows.
	}
	if !strings.Contains(err.Error(), text) {
		return "error " + err.Error() + ", want " + text
	}
	return ""
}

func operands(t *testing.T, in json.RawMessage) (a, b Set) {
	t.Helper()
	var sets []Set
	if err := json.Unmarshal(in, &sets); err != nil {
		t.Fatal(err)
	}
	return sets[0], sets[1]
}

func setAndIDs(t *testing.T, in json.RawMessage) (Set, []uint32) {
	t.Helper()
	var parts []json.RawMessage
	var s Set
	if err := json.Unmarshal(in, &parts); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(parts[0], &s); err != nil {
		t.Fatal(err)
	}
	ids := make([]uint32, len(parts)-1)
	for i := range ids {
		if err := json.Unmarshal(parts[i+1], &ids[i]); err != nil {
			t.Fatal(err)
		}
	}
	return s, ids
}
