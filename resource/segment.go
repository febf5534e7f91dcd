package resource

import (
	"iter"
	"slices"
	"sort"

	"github.com/flux-sdk/flux/idset"
)

// A segment is consecutive ranks whose nodes have the same resources.
type segment struct {
	lo, hi uint32
	nodes  int // number of nodes in the segments before this one
	res    children
}

func (s segment) len() int { return int(s.hi-s.lo) + 1 }

// segments is the nodes of an R: segments in order of rank, with no rank in two.
type segments []segment

// newSegments returns the segments with neighbors joined and nodes counted. It writes to list.
func newSegments(list []segment) segments {
	out := list[:0]
	nodes := 0
	for _, s := range list {
		if n := len(out); n > 0 && out[n-1].hi+1 == s.lo && out[n-1].res.equal(s.res) {
			out[n-1].hi = s.hi
		} else {
			s.nodes = nodes
			out = append(out, s)
		}
		nodes += s.len()
	}
	return slices.Clip(out)
}

// count returns the number of nodes.
func (list segments) count() int {
	if len(list) == 0 {
		return 0
	}
	last := list[len(list)-1]
	return last.nodes + last.len()
}

// find returns the segment with a rank, or nil.
func (list segments) find(rank uint32) *segment {
	i := sort.Search(len(list), func(i int) bool { return list[i].hi >= rank })
	if i == len(list) || list[i].lo > rank {
		return nil
	}
	return &list[i]
}

// position returns the number of nodes below a rank of the list.
func (list segments) position(rank uint32) int {
	s := list.find(rank)
	return s.nodes + int(rank-s.lo)
}

// at returns the rank of the node at a position.
func (list segments) at(position int) uint32 {
	i := sort.Search(len(list), func(i int) bool { return list[i].nodes > position }) - 1
	return list[i].lo + uint32(position-list[i].nodes)
}

func (list segments) ranks() idset.Set {
	return idset.CollectRanges(func(yield func(lo, hi uint32) bool) {
		for _, s := range list {
			if !yield(s.lo, s.hi) {
				return
			}
		}
	})
}

func (list segments) equal(other segments) bool {
	return slices.EqualFunc(list, other, func(a, b segment) bool {
		return a.lo == b.lo && a.hi == b.hi && a.res.equal(b.res)
	})
}

// A pair is consecutive ranks, with the segment that has them in each of two lists, or nil.
type pair struct {
	lo, hi uint32
	a, b   *segment
}

// pairs yields the ranks of a and b in order, cut wherever a segment of either begins or ends.
func pairs(a, b segments) iter.Seq[pair] {
	return func(yield func(pair) bool) {
		next := uint64(0) // all ranks below it are done; 64 bits because it may pass the last rank
		for {
			for len(a) > 0 && uint64(a[0].hi) < next {
				a = a[1:]
			}
			for len(b) > 0 && uint64(b[0].hi) < next {
				b = b[1:]
			}
			var p pair
			switch {
			case len(a) == 0 && len(b) == 0:
				return
			case len(b) == 0 || len(a) > 0 && max(uint64(a[0].lo), next) < max(uint64(b[0].lo), next):
				p = pair{lo: max(a[0].lo, uint32(next)), hi: a[0].hi, a: &a[0]}
				if len(b) > 0 && b[0].lo <= p.hi {
					p.hi = b[0].lo - 1
				}
			case len(a) == 0 || max(uint64(b[0].lo), next) < max(uint64(a[0].lo), next):
				p = pair{lo: max(b[0].lo, uint32(next)), hi: b[0].hi, b: &b[0]}
				if len(a) > 0 && a[0].lo <= p.hi {
					p.hi = a[0].lo - 1
				}
			default: // both have the next rank
				p = pair{lo: max(a[0].lo, uint32(next)), hi: min(a[0].hi, b[0].hi), a: &a[0], b: &b[0]}
			}
			if !yield(p) {
				return
			}
			next = uint64(p.hi) + 1
		}
	}
}
