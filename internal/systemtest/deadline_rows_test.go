package systemtest

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// The dimensions of a case. A row has the number of a value for each of them.
const (
	dimWay = iota
	dimSize
	dimTraffic
	dimTransport
	dimHooks
	dimEnding
	dimSilence
)

// The sizes are those where something changes in how messages are read and written.
var (
	deadlineSizes    = []int{0, 1, 4<<10 - 1, 4 << 10, 4<<10 + 1, 16<<10 - 1, 16 << 10, 16<<10 + 1, 64 << 10, 1 << 20}
	deadlineSilences = []string{silenceNever, silenceStalled, silenceSlow}
)

// deadlineDims are the numbers of values of the dimensions.
func deadlineDims() []int {
	return []int{
		len(deadlineWays), len(deadlineSizes), len(deadlineTraffics), len(deadlineTransports),
		2, 2, len(deadlineSilences),
	}
}

// serialRows are calls that get no answer and come after others of each size on a
// socket to another process, where callers read their own responses.
func serialRows() (rows [][]int) {
	traffic := slices.IndexFunc(deadlineTraffics, func(tr deadlineTraffic) bool { return tr.name == "nearly-alone" })
	process := slices.IndexFunc(deadlineTransports, func(tr deadlineTransport) bool { return tr.name == "process" })
	never := slices.Index(deadlineSilences, silenceNever)
	for way, w := range deadlineWays {
		if !w.readsAlone {
			continue
		}
		for size := range deadlineSizes {
			for hooks := range 2 {
				rows = append(rows, []int{way, size, traffic, process, hooks, (way + size + hooks) % 2, never})
			}
		}
	}
	return rows
}

func randomRows(rng *rand.Rand, dims []int, n int) [][]int {
	rows := make([][]int, n)
	for i := range rows {
		rows[i] = randomRow(rng, dims)
	}
	return rows
}

func randomRow(rng *rand.Rand, dims []int) []int {
	row := make([]int, len(dims))
	for d, n := range dims {
		row[d] = rng.IntN(n)
	}
	return row
}

// pair is one value of each of two dimensions, d1 < d2.
type pair struct{ d1, v1, d2, v2 int }

func pairsOf(row []int) (list []pair) {
	for d2, v2 := range row {
		for d1, v1 := range row[:d2] {
			list = append(list, pair{d1, v1, d2, v2})
		}
	}
	return list
}

// pairRows are rows in which every pair of values of two dimensions comes together.
func pairRows(rng *rand.Rand, dims []int) (rows [][]int) {
	var order []pair // so that a seed always makes the same rows
	open := make(map[pair]bool)
	for d2, n2 := range dims {
		for d1, n1 := range dims[:d2] {
			for v1 := range n1 {
				for v2 := range n2 {
					p := pair{d1, v1, d2, v2}
					order = append(order, p)
					open[p] = true
				}
			}
		}
	}
	for _, p := range order {
		if !open[p] {
			continue
		}
		var best []int
		most := 0
		for range 50 { // of this many random rows with p the one with the most new pairs
			row := randomRow(rng, dims)
			row[p.d1], row[p.d2] = p.v1, p.v2
			n := 0
			for _, q := range pairsOf(row) {
				if open[q] {
					n++
				}
			}
			if n > most {
				best, most = row, n
			}
		}
		for _, q := range pairsOf(best) {
			delete(open, q)
		}
		rows = append(rows, best)
	}
	return rows
}

func TestPairRows(t *testing.T) {
	dims := []int{5, 3, 4, 2, 2}
	rows := pairRows(rand.New(rand.NewPCG(1, 2)), dims)
	seen := make(map[pair]bool)
	for _, row := range rows {
		for _, p := range pairsOf(row) {
			seen[p] = true
		}
	}
	want := 0
	for i, a := range dims {
		for _, b := range dims[:i] {
			want += a * b
		}
	}
	if len(seen) != want || len(rows) > 5*4*2 {
		t.Errorf("%d rows cover %d pairs, want %d pairs in at most %d rows", len(rows), len(seen), want, 5*4*2)
	}
}
