package compare

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/bench/internal/measure"
)

func TestParseBuild(t *testing.T) {
	program := filepath.Join(t.TempDir(), "bench")
	if err := os.WriteFile(program, nil, 0o777); err != nil {
		t.Fatal(err)
	}
	b, err := parseBuild("old=" + program)
	if err != nil || *b != (build{"old", program}) {
		t.Errorf("got %+v, %v", b, err)
	}
	for _, s := range []string{"", "old", "=" + program, "a:b=" + program, "a b=" + program, "old=" + program + "x"} {
		if _, err := parseBuild(s); err == nil {
			t.Errorf("%q: no error", s)
		}
	}
	for _, argv := range [][]string{{"-pairs"}, {"-with", "old"}} {
		if _, err := parse(argv); err == nil {
			t.Errorf("%q: no error", argv)
		}
	}
	if o, err := parse([]string{"-pairs", "-with", "old=" + program}); err != nil || o.other.name != "old" {
		t.Errorf("got %+v, %v", o.other, err)
	}
}

// The other build takes the place of ours wherever that is, and nowhere else.
func TestWithBuild(t *testing.T) {
	r := &runner{programs: programs{sdk: "sdk", peers: "peers", c: "c", python: []string{"python"}}}
	cells := append(r.brokerCells(), r.embeddedCells()...)
	b := &build{"old", "other"}
	for _, pairs := range []bool{false, true} {
		for _, cl := range withBuild(cells, b, "sdk", pairs) {
			for i, run := range cl.runs {
				ours := slices.ContainsFunc(run.argv, func(s string) bool {
					return s == "sdk" || s == goService || s == gorService
				})
				name, isOther := strings.CutPrefix(run.impl, "old:")
				switch {
				case isOther && (ours || cl.runs[i-1].impl != name):
					t.Errorf("%s: %q is behind %q", cl.name, run.argv, cl.runs[i-1].impl)
				case !isOther && ours && (i+1 == len(cl.runs) || cl.runs[i+1].impl != b.impl(run.impl)):
					t.Errorf("%s: %q has no other", cl.name, run.argv)
				case !isOther && !ours && pairs:
					t.Errorf("%s: %q has nothing of ours", cl.name, run.argv)
				}
			}
		}
	}
	got, ok := b.of(run{impl: "c>go", argv: []string{"c", "stream", goService, "5"}}, "sdk")
	if !ok || got.impl != "old:c>go" || !slices.Equal(got.argv, []string{"c", "stream", "other" + goService, "5"}) {
		t.Errorf("got %+v, %v", got, ok)
	}
}

func TestWriteBuilds(t *testing.T) {
	var rs results
	for rep := range 6 {
		rs = append(rs,
			measure.Result{Impl: "call", Cell: "pipe 64", Rep: rep, Ops: 110, CPU: 20, P50: 1},
			measure.Result{Impl: "old:call", Cell: "pipe 64", Rep: rep, Ops: 100, CPU: 10, P50: 0.9 + 0.1*float64(rep%3)},
			measure.Result{Impl: "c", Cell: "pipe 64", Rep: rep, Ops: 100, CPU: 10})
	}
	var b strings.Builder
	if err := writeBuilds(&b, rs, "old"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| pipe 64 | call | rate | 1.100x | 1.100x to 1.100x | 6 | better |",
		"| pipe 64 | call | CPU | 2.000x | 2.000x to 2.000x | 6 | worse |",
		"| pipe 64 | call | p50 | 1.000x | 0.909x to 1.111x | 6 | no difference seen |",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no line %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "| c |") || strings.Contains(b.String(), "p99") {
		t.Errorf("a line too much in\n%s", b.String())
	}
	if got := rate.verdict([]float64{2, 2, 2}); got != "no difference seen" {
		t.Errorf("three repetitions are enough for %q", got)
	}
}
