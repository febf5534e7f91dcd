package compare

import (
	"context"
	"fmt"
	"os"
	"time"
)

// closeCall is how likely the interval of a row may be not to have the median.
const closeCall = 0.1

// interval returns the values of a sorted list between which the median of any
// number of repetitions is, but for a chance of closeCall (the sign test's
// interval). Of fewer than five values it is all of them.
func interval(list []float64) (low, high float64) {
	n, out := len(list), 0 // out are left out at each end
	p := 1.0
	for range n {
		p /= 2 // that all of n values are on one side of the median
	}
	for tail := p; out < (n-1)/2; out++ {
		p *= float64(n-out) / float64(out+1)
		if tail += p; 2*tail > closeCall {
			break
		}
	}
	return list[out], list[n-1-out]
}

// open reports whether more repetitions might change the verdict on a goal.
func (rs results) open(g goal) bool {
	list := rs.values(g)
	if len(list) == 0 || g.must == 0 {
		return false
	}
	low, high := interval(list)
	return g.metric.met(low, g.must) != g.metric.met(high, g.must)
}

// needs are the programs of each cell that rows depend on which are open.
func (rs results) needs() map[string]map[string]bool {
	needs := make(map[string]map[string]bool)
	for _, g := range goals {
		if !rs.open(g) {
			continue
		}
		if needs[g.cell] == nil {
			needs[g.cell] = make(map[string]bool)
		}
		needs[g.cell][g.ours], needs[g.cell][g.ref] = true, true
	}
	return needs
}

// decide repeats what rows depend on that are too close to call, until none is
// or the time that it has is over.
func (r *runner) decide(ctx context.Context, cells []cell) error {
	start := time.Now()
	for rep := r.results.reps(); time.Since(start) < r.settle; rep++ {
		needs := r.results.needs()
		if len(needs) == 0 {
			break
		}
		if err := r.repeat(ctx, cells, rep, func(cl cell, run run) bool { return needs[cl.name][run.impl] }); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "compare: repetition %d, of %d cells that are too close to call, done after %v\n",
			rep+1, len(needs), time.Since(start).Round(time.Second))
	}
	return nil
}
