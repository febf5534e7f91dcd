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
// The cost is O(n log n) in the ranges of l. A host that occurs again, or has text after the brackets, counts as a range.
func (l *List) Sort() {
	runs := sortedRuns(l.entries)
	var b builder
	for len(runs) > 0 {
		n := 1
		for n < len(runs) && runs[0].sameKey(&runs[n]) {
			n++
		}
		if runs[0].numbered {
			mergeRuns(&b, runs[:n])
		} else {
			for i := range runs[:n] {
				b.push(runs[i])
			}
		}
		runs = runs[n:]
	}
	*l = b.list()
}

// sortedRuns returns the hosts of entries in entries that each have numbers of one length and no suffix, in order of
// the first host.
func sortedRuns(entries []entry) []entry {
	var runs []entry
	for _, e := range entries {
		switch {
		case !e.numbered:
			runs = append(runs, e)
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
	slices.SortFunc(runs, func(a, b entry) int {
		return cmp.Or(strings.Compare(a.prefix, b.prefix), compareBool(a.numbered, b.numbered),
			cmp.Compare(a.width, b.width), cmp.Compare(a.lo, b.lo))
	})
	return runs
}

func (e *entry) sameKey(f *entry) bool {
	return e.prefix == f.prefix && e.numbered == f.numbered && e.width == f.width
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
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

// mergeRuns pushes the hosts of runs, which differ in their numbers only, in order of the number.
func mergeRuns(b *builder, runs []entry) {
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

// Uniq removes all but the first occurrence of each host. The order of the others does not change.
// [List.UniqSorted] is what hostlist_uniq(3) does.
//
// The cost is O(n log n) in the ranges of l. A host with text after the brackets counts as a range.
func (l *List) Uniq() {
	*l = l.rebuild(firstOccurrences(pieces(l.entries)))
}

// UniqSorted sorts l and removes all but one occurrence of each host, as hostlist_uniq(3) does.
func (l *List) UniqSorted() {
	l.Uniq()
	l.Sort()
}
