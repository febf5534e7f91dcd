package compare

import (
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// build is another build of this program, to be measured beside it.
type build struct{ name, program string }

// parseBuild reads NAME=PROGRAM.
func parseBuild(s string) (*build, error) {
	name, program, ok := strings.Cut(s, "=")
	if !ok || name == "" || strings.ContainsAny(name, ": |") {
		return nil, fmt.Errorf("%q: want NAME=PROGRAM, and no space, colon or bar in the name", s)
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	return &build{name, path}, nil
}

// impl labels what the build measures as ours measures it under the given label.
func (b *build) impl(ours string) string { return b.name + ":" + ours }

// service is the build's own service of the kind that ours has.
func (b *build) service(ours string) string { return "other" + ours }

// of is a run with this build in the place of ours, as a client and as the service.
// It reports false if ours has no part in the run.
func (b *build) of(r run, sdk string) (run, bool) {
	other := run{impl: b.impl(r.impl), argv: slices.Clone(r.argv), env: r.env}
	for i, arg := range other.argv {
		switch arg {
		case sdk:
			other.argv[i] = b.program
		case goService, gorService:
			other.argv[i] = b.service(arg)
		}
	}
	return other, !slices.Equal(other.argv, r.argv)
}

// withBuild puts each run of another build behind ours. With pairs there is nothing
// else.
func withBuild(cells []cell, b *build, sdk string, pairs bool) []cell {
	var list []cell
	for _, cl := range cells {
		next := cell{name: cl.name}
		for _, r := range cl.runs {
			other, has := b.of(r, sdk)
			if has || !pairs {
				next.runs = append(next.runs, r)
			}
			if has {
				next.runs = append(next.runs, other)
			}
		}
		list = append(list, next)
	}
	return list
}

// buildMetrics are what two builds are compared by.
var buildMetrics = []metric{rate, cpu, serviceCPU, p50, p99, p999, bytesPer, allocs}

// writeBuilds writes how this build compares with another, in all that both have
// measured.
func writeBuilds(w io.Writer, rs results, name string) error {
	b := &build{name: name}
	fmt.Fprintf(w, "\nThis build as a multiple of %s. Ratios are taken within a repetition; there is a verdict\n"+
		"where the median differs from 1 but for a chance of %.0f %%.\n\n", name, 100*closeCall)
	fmt.Fprintln(w, "| cell | program | what | median | range | of | |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|")
	type measured struct{ cell, impl string }
	var seen []measured
	for _, r := range rs {
		if m := (measured{r.Cell, r.Impl}); !slices.Contains(seen, m) {
			seen = append(seen, m)
		}
	}
	for _, m := range seen {
		if !slices.Contains(seen, measured{m.cell, b.impl(m.impl)}) {
			continue
		}
		for _, metric := range buildMetrics {
			list := rs.values(goal{cell: m.cell, ours: m.impl, ref: b.impl(m.impl), metric: metric})
			if len(list) == 0 {
				continue
			}
			fmt.Fprintf(w, "| %s | %s | %s | %.3fx | %.3fx to %.3fx | %d | %s |\n",
				m.cell, m.impl, metric.name, median(list), list[0], list[len(list)-1], len(list), metric.verdict(list))
		}
	}
	_, err := fmt.Fprintln(w)
	return err
}

// verdict says whether ratios to something else are more than chance. Fewer than
// five say nothing.
func (m metric) verdict(list []float64) string {
	low, high := interval(list)
	switch {
	case len(list) < 5 || low <= 1 && high >= 1:
		return "no difference seen"
	case m.higher == (low > 1):
		return "better"
	}
	return "worse"
}
