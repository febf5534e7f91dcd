package fluxpython

import (
	"testing"
	"time"
)

// rounds is how often an operation is timed. The fastest round has the least of what else the machine does.
const rounds = 5

// Fastest returns the time of one call of f, in nanoseconds, from the fastest of some rounds.
// The function fastest of a script does the same with a Python function.
func Fastest(f func()) float64 {
	begin := time.Now()
	f()
	// A round takes some milliseconds, so that reading the clock does not count.
	calls := 1 + int(3*time.Millisecond/(time.Since(begin)+1))
	best := 0.0
	for round := range rounds {
		begin := time.Now()
		for range calls {
			f()
		}
		took := float64(time.Since(begin)) / float64(calls)
		if round == 0 || took < best {
			best = took
		}
	}
	return best
}

// Compare runs a benchmark of f and reports the times of the fastest calls, of f and of a Python function that took
// theirs nanoseconds, and their ratio.
func Compare(b *testing.B, name string, f func(), theirs float64) {
	b.Run(name, func(b *testing.B) {
		ours := Fastest(f)
		for b.Loop() {
			f()
		}
		b.ReportMetric(ours, "fastest-ns/op")
		b.ReportMetric(theirs, "flux-fastest-ns/op")
		b.ReportMetric(theirs/ours, "x-faster")
	})
}

const fastest = `
import time
def fastest(f):
    begin = time.perf_counter()
    f()
    calls = 1 + int(0.003 / (time.perf_counter() - begin + 1e-9))
    best = None
    for _ in range(5):
        begin = time.perf_counter()
        for _ in range(calls):
            f()
        took = (time.perf_counter() - begin) / calls
        best = took if best is None or took < best else best
    return best * 1e9
`
