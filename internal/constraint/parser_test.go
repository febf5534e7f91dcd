package constraint

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/internal/formattest"
	"github.com/flux-sdk/flux/internal/jsontree"
	"github.com/google/go-cmp/cmp"
)

// dialects are the parsers of the vectors.
var dialects = map[string]*Parser{
	"requires": {
		Default:  "properties",
		Operator: map[string]string{"host": "hostlist", "hosts": "hostlist", "rank": "ranks"},
		Split:    map[string]string{"properties": ","},
		Combine:  []string{"properties"},
	},
	"custom": {
		Default:  "default",
		Operator: map[string]string{"foo": "long_foo"},
		Split:    map[string]string{"s": ","},
		Combine:  []string{"c"},
	},
	"nodefault": {},
}

// differs has the vectors whose text differs on purpose.
var differs = map[string]string{
	// Flux's parser prints the name of a variable here instead of its value.
	")":  "Mismatched parentheses starting at position 0",
	"a)": "Mismatched parentheses starting at position 1",
}

func TestVectors(t *testing.T) {
	type vector struct {
		Parser, In string
		Out        json.RawMessage
		Error      *struct{ Text string }
	}
	count, different := 0, 0
	for v := range formattest.Vectors[vector](t, "testdata/constraint.jsonl") {
		count++
		got, err := dialects[v.Parser].Parse(v.In)
		if v.Error != nil {
			want := v.Error.Text
			if text, ok := differs[v.In]; ok {
				want = text
				different++
			}
			if err == nil || err.Error() != want {
				t.Errorf("%s %q: error %v, want %s", v.Parser, v.In, err, want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s %q: %v", v.Parser, v.In, err)
			continue
		}
		var gotTree, wantTree any
		if err := json.Unmarshal([]byte(jsontree.Text(got.Tree())), &gotTree); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(v.Out, &wantTree); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wantTree, gotTree); diff != "" {
			t.Errorf("%s %q: (-want +got)\n%s", v.Parser, v.In, diff)
		}
	}
	if count != 340 {
		t.Errorf("%d vectors, want 340", count)
	}
	t.Logf("constraint.jsonl: %d vectors, %d of them with another text on purpose", count, different)
}

func TestParseDeep(t *testing.T) {
	for _, part := range []string{"(", "not ", "a -", "a not ", "-a "} {
		expr := strings.Repeat(part, 1_000_000) + "a"
		_, err := dialects["requires"].Parse(expr)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || syntax.Expr != expr {
			t.Errorf("%q repeated: error %v", part, err)
		}
	}
	// Many terms side by side do not nest.
	if n, err := dialects["requires"].Parse(strings.Repeat("a ", 100_000)); err != nil || len(n.Args) != 100_000 {
		t.Errorf("100,000 terms: %v", err)
	}
}

func TestParseNotUTF8(t *testing.T) {
	for _, expr := range []string{"a\xff", "a\x00b"} {
		if _, err := dialects["requires"].Parse(expr); err == nil {
			t.Errorf("%q is accepted", expr)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"a b|c -d", "not (a b) or host:'x y'", "rank:0-3 & -b", "a:\"b\":c", "((a", "x:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		for name, p := range dialects {
			n, err := p.Parse(expr)
			if err != nil {
				var syntax *SyntaxError
				if !errors.As(err, &syntax) || syntax.Offset < 0 || syntax.Offset > len(expr) {
					t.Fatalf("%s %q: error %#v", name, expr, err)
				}
				continue
			}
			text := jsontree.Text(n.Tree())
			if _, err := jsontree.ParseObject([]byte(text)); err != nil {
				t.Fatalf("%s %q: %s does not parse: %v", name, expr, text, err)
			}
		}
	})
}
