package compare

import (
	"slices"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/bench/internal/measure"
)

// Every row of a sweep has ours at each GOMAXPROCS and what to hold it against.
func TestSweepCells(t *testing.T) {
	r := &runner{programs: programs{sdk: "sdk", peers: "peers", c: "c", python: []string{"python"}}}
	cells := sweepCells(append(r.brokerCells(), r.embeddedCells()...))
	if len(cells) != len(sweepRows) {
		t.Fatalf("%d cells for %d rows", len(cells), len(sweepRows))
	}
	for i, row := range sweepRows {
		for _, procs := range sweepProcs {
			for _, impl := range []string{at("call", procs), row.refAt(procs)} {
				k := slices.IndexFunc(cells[i].runs, func(r run) bool { return r.impl == impl })
				if k < 0 {
					t.Errorf("%s: no run of %q", row.title, impl)
				} else if env := strings.Join(cells[i].runs[k].env, " "); (impl == "c") != (env == "") {
					t.Errorf("%s: %q runs with %q", row.title, impl, env)
				}
			}
		}
	}
	if n := len(sweepCells(r.embeddedCells())); n != 1 {
		t.Errorf("without Flux there are %d cells, want one", n)
	}
}

func TestWriteSweep(t *testing.T) {
	rs := results{{Impl: "c", Cell: "pipe 8", Ops: 100, CPU: 10}}
	for i, procs := range sweepProcs[:3] {
		rs = append(rs, measure.Result{Impl: at("call", procs), Cell: "pipe 8", Ops: 100 + 10*float64(i), CPU: 20})
	}
	var b strings.Builder
	if err := writeSweep(&b, rs); err != nil {
		t.Fatal(err)
	}
	const want = "| pipelined, depth 8 | C libflux | rate |" +
		" 1.00x (1.00 to 1.00) | 1.10x (1.10 to 1.10) | 1.20x (1.20 to 1.20) | |"
	if !strings.Contains(b.String(), want) {
		t.Errorf("no line %q in\n%s", want, b.String())
	}
	if strings.Contains(b.String(), "stream") {
		t.Error("a row for something that was not measured")
	}
}
