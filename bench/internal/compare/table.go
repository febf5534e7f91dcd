package compare

import (
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/flux-sdk/flux/bench/internal/measure"
)

type results []measure.Result

// of is the one result of a program in a repetition of a cell.
func (rs results) of(cell, impl string, rep int) (measure.Result, bool) {
	i := slices.IndexFunc(rs, func(r measure.Result) bool { return r.Cell == cell && r.Impl == impl && r.Rep == rep })
	if i < 0 {
		return measure.Result{}, false
	}
	return rs[i], true
}

func (rs results) reps() int {
	n := 0
	for _, r := range rs {
		n = max(n, r.Rep+1)
	}
	return n
}

// values are what a goal is about, one for each repetition: ratios, taken
// within the repetition, or plain numbers if there is no reference.
func (rs results) values(g goal) []float64 {
	var list []float64
	for rep := range rs.reps() {
		ours, ok := rs.of(g.cell, g.ours, rep)
		if !ok {
			continue
		}
		v := g.metric.of(ours)
		if g.ref != "" {
			ref, ok := rs.of(g.cell, g.ref, rep)
			if !ok || g.metric.of(ref) == 0 {
				continue
			}
			v /= g.metric.of(ref)
		}
		list = append(list, v)
	}
	slices.Sort(list)
	return list
}

// median is that of a sorted list.
func median(list []float64) float64 {
	n := len(list)
	if n == 0 {
		return math.NaN()
	}
	return (list[(n-1)/2] + list[n/2]) / 2
}

// writeTable writes a row for each goal that something was measured for.
func writeTable(w io.Writer, rs results) error {
	passed, rows := 0, 0
	fmt.Fprintln(w, "| row | against | what | median | range | of | must | aim | |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|")
	for _, g := range goals {
		list := rs.values(g)
		if len(list) == 0 {
			continue
		}
		v := median(list)
		verdict := "for information"
		if g.must != 0 {
			rows++
			verdict = "falls short"
			if g.metric.met(v, g.must) {
				passed++
				verdict = "pass"
				if g.aim != 0 && g.metric.met(v, g.aim) {
					verdict = "pass, aim reached"
				}
			}
			if rs.open(g) {
				verdict += ", too close to call"
			}
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s to %s | %d | %s | %s | %s |\n",
			g.title, names[g.ref], g.metric.name, g.show(v), g.show(list[0]), g.show(list[len(list)-1]), len(list),
			g.bar(g.must), g.bar(g.aim), verdict)
	}
	_, err := fmt.Fprintf(w, "\n%d of %d goals reached, in up to %d repetitions. Ratios are taken within a repetition.\n",
		passed, rows, rs.reps())
	return err
}

// show writes a value of the goal's kind.
func (g goal) show(v float64) string {
	switch {
	case g.ref != "":
		return fmt.Sprintf("%.2fx", v)
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.1f", v)
}

// bar writes what a value is to be held against.
func (g goal) bar(v float64) string {
	switch {
	case v == 0:
		return ""
	case g.metric.higher:
		return "≥ " + g.show(v)
	}
	return "≤ " + g.show(v)
}
