package hostlist

import (
	"container/heap"
	"slices"
)

// groups calls f for each run of pieces that differ in their numbers only.
func groups(all []piece, f func(group []piece)) {
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[0].sameKey(&all[n]) {
			n++
		}
		f(all[:n])
		all = all[n:]
	}
}

// firstOccurrences returns each host of the pieces once, as part of the first entry that has it.
func firstOccurrences(all []piece) []part {
	var parts []part
	groups(all, func(group []piece) {
		var open byEntry
		for at := uint64(0); len(group) > 0 || len(open) > 0; {
			if len(open) == 0 {
				at = group[0].lo
			}
			for len(group) > 0 && group[0].lo == at {
				heap.Push(&open, &group[0])
				group = group[1:]
			}
			first := open[0]
			if first.hi < at {
				heap.Pop(&open) // It ended while an earlier entry hid it.
				continue
			}
			end := first.hi
			if len(group) > 0 && group[0].lo <= end {
				end = group[0].lo - 1
			}
			parts = append(parts, first.part(at, end))
			at = end + 1
		}
	})
	return parts
}

// byEntry is a heap of pieces, whose first has the first entry.
type byEntry []*piece

func (h byEntry) Len() int           { return len(h) }
func (h byEntry) Less(i, j int) bool { return h[i].entry < h[j].entry }
func (h byEntry) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *byEntry) Push(p any)        { *h = append(*h, p.(*piece)) }
func (h *byEntry) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// keep drops hosts of l that are in remove, and returns how many it dropped. For each host, choose is called with the
// pieces of l that have it, in order, and with how often remove has it, and returns the pieces to keep.
func (l *List) keep(remove List, choose func(present []*piece, removed int) []*piece) int {
	// The entries of remove follow those of l, so that in each group those of l come first.
	all := pieces(slices.Concat(l.entries, remove.entries))
	var kept []part
	groups(all, func(group []piece) {
		var open []*piece
		for at := uint64(0); len(group) > 0 || len(open) > 0; {
			if len(open) == 0 {
				at = group[0].lo
			}
			for len(group) > 0 && group[0].lo == at {
				open = insert(open, &group[0])
				group = group[1:]
			}
			end := open[0].hi
			for _, p := range open {
				end = min(end, p.hi)
			}
			if len(group) > 0 && group[0].lo <= end {
				end = group[0].lo - 1
			}
			present, _ := slices.BinarySearchFunc(open, len(l.entries), compareEntry)
			for _, p := range choose(open[:present], len(open)-present) {
				kept = append(kept, p.part(at, end))
			}
			open = slices.DeleteFunc(open, func(p *piece) bool { return p.hi == end })
			at = end + 1
		}
	})
	before := l.count
	*l = l.rebuild(kept)
	return before - l.count
}

// insert inserts p into open, which is in order of the entries.
func insert(open []*piece, p *piece) []*piece {
	i, _ := slices.BinarySearchFunc(open, p.entry, compareEntry)
	return slices.Insert(open, i, p)
}

func compareEntry(p *piece, entry int) int { return p.entry - entry }
