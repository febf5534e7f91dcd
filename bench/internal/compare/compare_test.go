package compare

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/bench/internal/measure"
)

// canned are two repetitions in which ours is twice as fast as C, and then as
// fast.
func canned() results {
	var rs results
	for rep := range 2 {
		for _, cell := range []string{"pipe 1", "pipe 16", "pipe 64", "embed 1", "embed 64"} {
			for i, impl := range []string{"c", "call", "nats"} {
				rs = append(rs, measure.Result{Impl: impl, Cell: cell, Rep: rep,
					Ops: 1000 * float64(1+i%2*(1-rep)), CPU: 10, P50: 5, Allocs: 2})
			}
		}
	}
	return rs
}

func TestTable(t *testing.T) {
	var b strings.Builder
	if err := writeTable(&b, canned()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| pipelined, depth 16 | C libflux | rate | 1.50x | 1.00x to 2.00x | 2 | ≥ 1.00x | ≥ 1.10x | pass, aim reached |",
		"| pipelined, depth 16 | C libflux | CPU | 1.00x | 1.00x to 1.00x | 2 | ≤ 1.10x | ≤ 0.90x | pass |",
		"| raw Call |  | allocations | 2.0 | 2.0 to 2.0 | 2 | ≤ 3.0 | ≤ 1.0 | pass |",
		"| embedded, depth 64 | nats | rate | 1.50x | 1.00x to 2.00x | 2 | ≥ 3.00x | ≥ 5.00x | falls short |",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no line %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "stream consumer") {
		t.Error("a row for something that was not measured")
	}
}

func TestPlotIsXML(t *testing.T) {
	svg := plot(canned())
	if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
		t.Error("a number that is none")
	}
	d := xml.NewDecoder(strings.NewReader(svg))
	lines := 0
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := tok.(xml.StartElement); ok && e.Name.Local == "polyline" {
			lines++
		}
	}
	if lines != 8 {
		t.Errorf("%d lines, want 2 series in each of 4 charts", lines)
	}
}

// Every goal is about something that a cell measures.
func TestGoalsHaveCells(t *testing.T) {
	r := &runner{programs: programs{sdk: "sdk", peers: "peers", c: "c", python: []string{"python"}}}
	have := make(map[[2]string]bool)
	for _, cl := range append(r.brokerCells(), r.embeddedCells()...) {
		for _, run := range cl.runs {
			have[[2]string{cl.name, run.impl}] = true
		}
	}
	for _, g := range goals {
		if !have[[2]string{g.cell, g.ours}] || g.ref != "" && !have[[2]string{g.cell, g.ref}] {
			t.Errorf("%s (%s): nothing measures cell %q by %q and %q", g.title, g.metric.name, g.cell, g.ours, g.ref)
		}
	}
}

func TestWithoutPrograms(t *testing.T) {
	r := &runner{programs: programs{sdk: "sdk"}}
	for _, cl := range append(r.brokerCells(), r.embeddedCells()...) {
		for _, run := range cl.runs {
			if run.argv[0] != "sdk" {
				t.Errorf("%s runs %q, which could not be had", cl.name, run.argv)
			}
		}
	}
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		list []float64
		want float64
	}{{[]float64{3}, 3}, {[]float64{1, 2}, 1.5}, {[]float64{1, 2, 9}, 2}} {
		if got := median(tt.list); got != tt.want {
			t.Errorf("median(%v) = %v, want %v", tt.list, got, tt.want)
		}
	}
}

func TestFluxVersion(t *testing.T) {
	if got := fluxVersion("commands:    \t\t0.88.0\nlibflux-core:\t0.88.0\n"); got != "flux-core 0.88.0" {
		t.Errorf("got %q", got)
	}
}
