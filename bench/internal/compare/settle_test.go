package compare

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flux-sdk/flux/bench/internal/measure"
)

// The figures are those of a table of the binomial distribution.
func TestInterval(t *testing.T) {
	for _, tt := range []struct{ n, out int }{
		{1, 0}, {2, 0}, {5, 0}, {7, 0}, {8, 1}, {11, 2}, {20, 5}, {34, 11}, {100, 41},
	} {
		list := make([]float64, tt.n)
		for i := range list {
			list[i] = float64(i)
		}
		if low, high := interval(list); low != float64(tt.out) || high != float64(tt.n-1-tt.out) {
			t.Errorf("of %d values those from %v to %v, want from %d to %d", tt.n, low, high, tt.out, tt.n-1-tt.out)
		}
	}
}

// pipe16 are repetitions of a cell in which ours has these rates, and C 100.
func pipe16(rates ...float64) (rs results) {
	for rep, v := range rates {
		rs = append(rs, measure.Result{Impl: "c", Cell: "pipe 16", Rep: rep, Ops: 100, CPU: 10},
			measure.Result{Impl: "call", Cell: "pipe 16", Rep: rep, Ops: v, CPU: 10})
	}
	return rs
}

func TestNeeds(t *testing.T) {
	for _, tt := range []struct {
		rates []float64
		want  string
	}{
		{nil, ""},
		{[]float64{101, 120, 130}, ""},
		{[]float64{99, 80, 70}, ""},
		{[]float64{99, 120, 130}, "pipe 16: c call"},
		{[]float64{99, 120, 130, 140, 150}, "pipe 16: c call"},
		{[]float64{99, 120, 130, 140, 150, 110, 120, 130}, ""},
		{[]float64{101, 80, 80, 80, 80, 80, 80, 80}, ""},
	} {
		got := ""
		for cell, impls := range pipe16(tt.rates...).needs() {
			got = cell + ": " + strings.Join(slices.Sorted(maps.Keys(impls)), " ")
		}
		if got != tt.want {
			t.Errorf("rates of %v to 100: needs %q, want %q", tt.rates, got, tt.want)
		}
	}
}

// What is too close to call is measured until it is not, and nothing else is.
func TestDecide(t *testing.T) {
	dir := t.TempDir()
	program := func(name, ops string) []string {
		path := filepath.Join(dir, name)
		script := "#!/bin/sh\necho '{\"ops\": " + ops + ", \"cpu_us\": 10}'\n"
		if err := os.WriteFile(path, []byte(script), 0o777); err != nil {
			t.Fatal(err)
		}
		return []string{path}
	}
	cl, other := cell{name: "pipe 16"}, cell{name: "pipe 64"}
	for _, c := range []*cell{&cl, &other} {
		c.add("c", program("c", "100"))
		c.add("call", program("call", "120"))
		c.add("python", program("python", "10"))
	}
	r := &runner{options: options{settle: time.Minute}, env: os.Environ(), results: pipe16(99, 99, 120)}
	if err := r.decide(context.Background(), []cell{other, cl}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"call", "c", "c", "call"} { // they take turns
		if got := r.results[len(r.results)-4+i].Impl; got != want {
			t.Errorf("run %d of the last four is of %q, want %q", i, got, want)
		}
	}
	// Two of eleven may be on the other side.
	if got := r.results.reps(); got != 11 || len(r.results) != 2*got {
		t.Errorf("%d results of %d repetitions, want 22 of 11", len(r.results), got)
	}
	r.settle, r.results = 0, pipe16(99, 120)
	if err := r.decide(context.Background(), []cell{cl}); err != nil || len(r.results) != 4 {
		t.Errorf("with no time: %d results, %v", len(r.results), err)
	}
	var b strings.Builder
	if err := writeTable(&b, r.results); err != nil || !strings.Contains(b.String(), "pass, too close to call |") {
		t.Errorf("%v, no row that is too close to call in\n%s", err, b.String())
	}
}
