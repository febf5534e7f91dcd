package hostlist

import (
	"cmp"
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
			if len(group) > 0 {
				end = min(end, group[0].lo-1)
			}
			parts = append(parts, first.part(at, end))
			at = end + 1
		}
	})
	return parts
}

// occurrences returns the hosts that are in entries below limit, and in entries from limit on, as parts of the former.
// A host that is in n of the latter is returned for the first n of the former.
func occurrences(all []piece, limit int) []part {
	var parts []part
	groups(all, func(group []piece) {
		var present byEntry
		var wanted byEnd
		for at := group[0].lo; ; {
			for len(group) > 0 && group[0].lo == at {
				if group[0].entry < limit {
					heap.Push(&present, &group[0])
				} else {
					heap.Push(&wanted, &group[0])
				}
				group = group[1:]
			}
			for len(wanted) > 0 && wanted[0].hi < at {
				heap.Pop(&wanted)
			}
			if len(wanted) == 0 {
				if len(group) == 0 {
					return
				}
				at = group[0].lo
				continue
			}
			end := wanted[0].hi
			if len(group) > 0 {
				end = min(end, group[0].lo-1)
			}
			var first []*piece
			for len(first) < len(wanted) && len(present) > 0 {
				if p := heap.Pop(&present).(*piece); p.hi >= at {
					first = append(first, p)
					end = min(end, p.hi)
				}
			}
			for _, p := range first {
				parts = append(parts, p.part(at, end))
				heap.Push(&present, p)
			}
			at = end + 1
		}
	})
	return parts
}

// allOccurrences is like occurrences, but returns every host of entries below limit that is in one from limit on.
func allOccurrences(all []piece, limit int) []part {
	var parts []part
	groups(all, func(group []piece) {
		var wanted []piece // disjoint and in order
		for _, p := range group {
			switch last := len(wanted) - 1; {
			case p.entry < limit:
			case last >= 0 && p.lo <= wanted[last].hi:
				wanted[last].hi = max(wanted[last].hi, p.hi)
			default:
				wanted = append(wanted, p)
			}
		}
		for _, p := range group {
			if p.entry >= limit {
				continue
			}
			i, _ := slices.BinarySearchFunc(wanted, p.lo, func(w piece, lo uint64) int { return cmp.Compare(w.hi, lo) })
			for ; i < len(wanted) && wanted[i].lo <= p.hi; i++ {
				parts = append(parts, p.part(max(p.lo, wanted[i].lo), min(p.hi, wanted[i].hi)))
			}
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
func (h *byEntry) Pop() any          { return pop((*[]*piece)(h)) }

// byEnd is a heap of pieces, whose first has the smallest end.
type byEnd []*piece

func (h byEnd) Len() int           { return len(h) }
func (h byEnd) Less(i, j int) bool { return h[i].hi < h[j].hi }
func (h byEnd) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *byEnd) Push(p any)        { *h = append(*h, p.(*piece)) }
func (h *byEnd) Pop() any          { return pop((*[]*piece)(h)) }

func pop(h *[]*piece) *piece {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
