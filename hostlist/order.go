package hostlist

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// Sort sorts l: by the part of the name before the number, then by the length of the number, then by the number.
// So "node2" is before "node10", and "node10" before "node010". A host without a number, and one with text after the
// brackets, is sorted by its whole name. Hosts that occur more than once stay, next to each other.
//
// The cost is O(n log n) in the ranges of l. A host that occurs again, or has text after the brackets, counts as a
// range.
func (l *List) Sort() { *l = merge(sortedRuns(l.entries), false) }

// sortedRuns returns the hosts of entries in entries that each have numbers of one length and no suffix, in order of
// the first host.
func sortedRuns(entries []entry) []*entry {
	runs := make([]entry, 0, len(entries))
	for i := range entries {
		e := &entries[i]
		switch {
		case !e.numbered:
			runs = append(runs, *e)
		case e.suffix != "":
			for i := range e.count() {
				runs = append(runs, entry{prefix: e.name(i)})
			}
		default:
			for lo := e.lo; ; {
				length := max(e.width, digits(lo))
				hi := min(e.hi, greatest(length))
				run := e.part(lo, hi)
				run.width = length
				runs = append(runs, run)
				if hi == e.hi {
					break
				}
				lo = hi + 1
			}
		}
	}
	sorted := make([]*entry, len(runs)) // pointers, as moving entries would be most of the cost
	for i := range runs {
		sorted[i] = &runs[i]
	}
	slices.SortFunc(sorted, compareRuns)
	return sorted
}

func compareRuns(a, b *entry) int {
	if c := strings.Compare(a.prefix, b.prefix); c != 0 {
		return c
	}
	switch { // A host without a number comes first.
	case !a.numbered && b.numbered:
		return -1
	case a.numbered && !b.numbered:
		return 1
	}
	return cmp.Or(cmp.Compare(a.width, b.width), cmp.Compare(a.lo, b.lo))
}

func (e *entry) sameKey(f *entry) bool {
	return e.prefix == f.prefix && e.numbered == f.numbered && e.width == f.width
}

// greatest returns the greatest number that has at most the given digits.
func greatest(digits int) uint64 {
	if digits >= maxNumber {
		return math.MaxUint64
	}
	return pow10(digits) - 1
}

// pow10 returns 10^n, for n up to 19.
func pow10(n int) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}

// merge returns the list of the hosts of sorted runs, in order. A host that is in several runs of the same key occurs
// as often, or once if unique is true.
func merge(runs []*entry, unique bool) List {
	b := builder{entries: make([]entry, 0, len(runs))}
	for len(runs) > 0 {
		n := 1
		for n < len(runs) && runs[0].sameKey(runs[n]) {
			n++
		}
		switch {
		case unique:
			mergeUnique(&b, runs[:n])
		case !runs[0].numbered:
			pushRepeated(&b, *runs[0], n)
		default:
			mergeAll(&b, runs[:n])
		}
		runs = runs[n:]
	}
	return b.list()
}

// mergeUnique pushes each host of runs of one key once.
func mergeUnique(b *builder, runs []*entry) {
	b.push(*runs[0])
	last := runs[0].hi // the greatest number so far
	for _, run := range runs[1:] {
		if run.hi > last {
			b.push(run.part(max(run.lo, last+1), run.hi))
			last = run.hi
		}
	}
}

// mergeAll pushes the hosts of runs of one key, each as often as it is in them.
func mergeAll(b *builder, runs []*entry) {
	ends := make([]uint64, len(runs))
	for i := range runs {
		ends[i] = runs[i].hi
	}
	slices.Sort(ends)
	// Between two neighbours of all begins and ends, each number occurs as often as the runs that are open there.
	open, next := 0, 0
	lo := uint64(0)
	for len(ends) > 0 {
		if open == 0 {
			lo = runs[next].lo
		}
		for next < len(runs) && runs[next].lo == lo {
			open++
			next++
		}
		hi := ends[0]
		if next < len(runs) && runs[next].lo <= hi {
			hi = runs[next].lo - 1
		}
		pushRepeated(b, runs[0].part(lo, hi), open)
		for len(ends) > 0 && ends[0] == hi {
			ends = ends[1:]
			open--
		}
		lo = hi + 1
	}
}

// pushRepeated pushes each host of e times times.
func pushRepeated(b *builder, e entry, times int) {
	if times == 1 {
		b.push(e)
		return
	}
	for n := e.lo; ; n++ {
		for range times {
			b.push(e.part(n, n))
		}
		if n == e.hi {
			return
		}
	}
}
