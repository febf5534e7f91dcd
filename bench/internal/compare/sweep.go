package compare

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
)

// sweepProcs are the values of GOMAXPROCS of a sweep.
var sweepProcs = []int{1, 2, 4, 8}

// sweepRow is what a sweep shows of one cell: ours against a reference, by two
// metrics. A reference written in Go runs with the same GOMAXPROCS.
type sweepRow struct {
	title, cell, ref string
	metrics          [2]metric
}

var sweepRows = []sweepRow{
	{"serial call", "serial", "c", [2]metric{p50, cpu}},
	{"pipelined, depth 8", "pipe 8", "c", [2]metric{rate, cpu}},
	{"pipelined, depth 64", "pipe 64", "c", [2]metric{rate, cpu}},
	{"stream consumer", "stream", "c", [2]metric{rate, cpu}},
	{"embedded, depth 64", "embed 64", "nats", [2]metric{rate, cpu}},
}

// Sweep is the sweep command: how this module compares with GOMAXPROCS of 1 to 8.
func Sweep(ctx context.Context, argv []string) error {
	var o options
	parse, _ := o.parser("sweep")
	if err := parse(argv); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	return o.main(ctx, "sweep", argv, func(r *runner, cells []cell) error {
		before := machine()
		if err := r.rounds(ctx, sweepCells(cells)); err != nil {
			return err
		}
		return r.report(before, func(w io.Writer) error { return writeSweep(w, r.results) })
	})
}

// at labels what a program measures with a GOMAXPROCS.
func at(impl string, procs int) string { return fmt.Sprintf("%s@%d", impl, procs) }

// refAt is the label of the reference of a row.
func (row *sweepRow) refAt(procs int) string {
	if row.ref == "c" {
		return row.ref
	}
	return at(row.ref, procs)
}

// sweepCells are the cells of a sweep, out of all cells.
func sweepCells(cells []cell) (list []cell) {
	for _, row := range sweepRows {
		i := slices.IndexFunc(cells, func(cl cell) bool { return cl.name == row.cell })
		if i < 0 {
			continue // it needs an instance of Flux
		}
		next := cell{name: row.cell}
		for _, r := range cells[i].runs {
			switch r.impl {
			case "c":
				if row.ref == "c" {
					next.runs = append(next.runs, r)
				}
			case "call", row.ref:
				for _, procs := range sweepProcs {
					env := append(slices.Clone(r.env), fmt.Sprint("GOMAXPROCS=", procs))
					next.runs = append(next.runs, run{at(r.impl, procs), r.argv, env})
				}
			}
		}
		list = append(list, next)
	}
	return list
}

// writeSweep writes a row for each row of a sweep that something was measured for.
func writeSweep(w io.Writer, rs results) error {
	fmt.Fprint(w, "Medians of the ratios to the reference, taken within a repetition, by GOMAXPROCS.\n\n",
		"| row | against | what |")
	for _, procs := range sweepProcs {
		fmt.Fprintf(w, " %d |", procs)
	}
	fmt.Fprintf(w, "\n|---|---|---%s|\n", strings.Repeat("|---", len(sweepProcs)))
	for _, row := range sweepRows {
		for _, metric := range row.metrics {
			shown := 0
			var line strings.Builder
			fmt.Fprintf(&line, "| %s | %s | %s |", row.title, names[row.ref], metric.name)
			for _, procs := range sweepProcs {
				list := rs.values(goal{cell: row.cell, ours: at("call", procs), ref: row.refAt(procs), metric: metric})
				if len(list) == 0 {
					line.WriteString(" |")
					continue
				}
				shown++
				fmt.Fprintf(&line, " %.2fx (%.2f to %.2f) |", median(list), list[0], list[len(list)-1])
			}
			if shown > 0 {
				fmt.Fprintln(w, line.String())
			}
		}
	}
	_, err := fmt.Fprintf(w, "\nIn up to %d repetitions; in brackets the range.\n", rs.reps())
	return err
}
