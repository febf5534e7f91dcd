package hostlist

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/flux-sdk/flux/internal/formattest"
)

const vectors = "testdata/hostlist.jsonl"

// vector is one line of testdata/hostlist.jsonl: what flux-core 0.88 made of an input.
type vector struct {
	Op    string
	In    json.RawMessage
	Out   json.RawMessage
	Error *struct{ Errno string }
	After *string
}

func TestVectors(t *testing.T) {
	count, differ := 0, map[string]bool{}
	for v := range formattest.Vectors[vector](t, vectors) {
		count++
		name := v.Op + " " + string(v.In)
		problem := check(t, v, Parse)
		if _, listed := differences[name]; listed {
			if differ[name] = problem != ""; !differ[name] {
				t.Errorf("%s: listed as a difference, but there is none", name)
			}
		} else if problem != "" {
			t.Errorf("%s: %s", name, problem)
		}
	}
	if count != 1497 || len(differ) != len(differences) {
		t.Errorf("%d vectors, %d listed differences found of %d", count, len(differ), len(differences))
	}
	t.Logf("hostlist.jsonl: %d vectors, %d of them differ on purpose", count, len(differ))
}

// TestVectorsLenient holds ParseLenient to the C library where Parse is strict.
func TestVectorsLenient(t *testing.T) {
	count, differ := 0, 0
	for v := range formattest.Vectors[vector](t, vectors) {
		if v.Op != "decode" {
			continue
		}
		count++
		name := v.Op + " " + string(v.In)
		problem := check(t, v, ParseLenient)
		if _, listed := lenientDifferences[name]; listed {
			if differ++; problem == "" {
				t.Errorf("%s: listed as a difference, but there is none", name)
			}
		} else if problem != "" {
			t.Errorf("%s: %s", name, problem)
		}
	}
	if count != 672 || differ != len(lenientDifferences) {
		t.Errorf("%d vectors, %d listed differences found of %d", count, differ, len(lenientDifferences))
	}
}

// check returns what the package does otherwise than v says, or "". It reads hostlists with parse.
func check(t *testing.T, v vector, parse func(string) (List, error)) string {
	decode := func(data json.RawMessage, to any) {
		t.Helper()
		if err := json.Unmarshal(data, to); err != nil {
			t.Fatalf("%s: %v", v.In, err)
		}
	}
	switch v.Op {
	case "decode":
		var text string
		decode(v.In, &text)
		l, err := parse(text)
		if v.Error != nil {
			return wantParseError(err)
		}
		if err != nil {
			return err.Error()
		}
		var want struct {
			Count  int
			Encode string
			Expand []string
		}
		decode(v.Out, &want)
		if l.Len() != want.Count || l.String() != want.Encode {
			return fmt.Sprintf("%d hosts %q, want %d %q", l.Len(), l, want.Count, want.Encode)
		}
		if want.Expand != nil && !slices.Equal(l.Hosts(), want.Expand) {
			return fmt.Sprintf("hosts %q", l.Hosts())
		}
	case "encode":
		var hosts []string
		var want string
		decode(v.In, &hosts)
		decode(v.Out, &want)
		if got := New(hosts...).String(); got != want {
			return got + ", want " + want
		}
		var one List
		for _, host := range hosts {
			if err := one.Append(host); err != nil {
				return err.Error()
			}
		}
		if got := one.String(); got != want {
			return "one by one: " + got + ", want " + want
		}
	case "nth":
		l, arg := listAndArg(t, v.In, parse)
		var n int
		decode(arg, &n)
		return checkNth(l, n, v, decode)
	case "find":
		l, arg := listAndArg(t, v.In, parse)
		var host string
		decode(arg, &host)
		i, ok := l.Find(host)
		if v.Error != nil { // ENOENT, or EINVAL for what is not the name of a host.
			if ok || l.Index(host) != -1 || l.Contains(host) {
				return fmt.Sprintf("found at %d", i)
			}
			return ""
		}
		var want int
		if decode(v.Out, &want); !ok || i != want || l.Index(host) != want || l.At(i) != host {
			return fmt.Sprintf("at %d, %v, want %d", i, ok, want)
		}
	case "sort", "uniq":
		var text string
		var want struct {
			Count  int
			Encode string
		}
		decode(v.In, &text)
		decode(v.Out, &want)
		l, err := parse(text)
		if err != nil {
			return err.Error()
		}
		if v.Op == "sort" {
			l.Sort()
		} else {
			l.UniqSorted()
		}
		if l.Len() != want.Count || l.String() != want.Encode {
			return fmt.Sprintf("%d hosts %q, want %d %q", l.Len(), l, want.Count, want.Encode)
		}
	case "delete":
		l, arg := listAndArg(t, v.In, parse)
		var hosts string
		var want struct {
			Deleted, Count int
			Encode         string
		}
		decode(arg, &hosts)
		decode(v.Out, &want)
		n, err := l.Delete(hosts)
		if err != nil || n != want.Deleted || l.Len() != want.Count || l.String() != want.Encode {
			return fmt.Sprintf("%d deleted, %d left %q, %v, want %+v", n, l.Len(), l, err, want)
		}
	case "append", "append_str":
		return checkAppend(t, v, parse, decode)
	default:
		t.Fatalf("unknown op %q", v.Op)
	}
	return ""
}

func checkNth(l List, n int, v vector, decode func(json.RawMessage, any)) (problem string) {
	if v.Error != nil {
		defer func() {
			if recover() != nil {
				problem = ""
			}
		}()
		return "no panic, but " + l.At(n)
	}
	var want string
	if decode(v.Out, &want); l.At(n) != want {
		return l.At(n) + ", want " + want
	}
	return ""
}

func checkAppend(t *testing.T, v vector, parse func(string) (List, error), decode func(json.RawMessage, any)) string {
	l, arg := listAndArg(t, v.In, parse)
	var text string
	decode(arg, &text)
	before := l.String()
	if v.Error != nil {
		if problem := wantParseError(l.Append(text)); problem != "" {
			return problem
		}
		if l.String() != before || *v.After != before {
			return fmt.Sprintf("%q after the error, want %q", l, *v.After)
		}
		return ""
	}
	var want struct {
		Appended int
		Encode   string
	}
	decode(v.Out, &want)
	count := l.Len()
	joined := l
	err := l.Append(text)
	if err != nil || l.Len()-count != want.Appended || l.String() != want.Encode {
		return fmt.Sprintf("%q, %v, want %+v", l, err, want)
	}
	more, err := parse(text)
	if err != nil {
		return err.Error()
	}
	if joined.AppendList(more); joined.String() != want.Encode {
		return fmt.Sprintf("AppendList: %q, want %+v", joined, want)
	}
	return ""
}

func wantParseError(err error) string {
	var parse *ParseError
	if !errors.As(err, &parse) {
		return fmt.Sprintf("error %v, want a ParseError", err)
	}
	return ""
}

func listAndArg(t *testing.T, in json.RawMessage, parse func(string) (List, error)) (List, json.RawMessage) {
	t.Helper()
	var parts []json.RawMessage
	if err := json.Unmarshal(in, &parts); err != nil {
		t.Fatal(err)
	}
	var text string
	if err := json.Unmarshal(parts[0], &text); err != nil {
		t.Fatal(err)
	}
	l, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return l, parts[1]
}
