package idset

import (
	"cmp"
	"iter"
	"math"
	"slices"
)

// Set is a set of ids. The zero Set is empty.
//
// Use [Set.Equal] to compare sets.
type Set struct {
	// spans are in ascending order, and at least one absent id lies between two of them.
	// Copies of a Set share the array, so it is never written to once it is in a Set. The empty set has a nil slice.
	spans []span
}

// span is the ids from lo to hi, both included.
type span struct{ lo, hi uint32 }

// New returns the set of the ids, which may be in any order and may repeat.
func New(ids ...uint32) Set {
	spans := make([]span, len(ids))
	for i, id := range ids {
		spans[i] = span{id, id}
	}
	return normalize(spans)
}

// Range returns the set of the ids from lo to hi, both included. It is empty if lo is greater than hi.
func Range(lo, hi uint32) Set {
	if lo > hi {
		return Set{}
	}
	return Set{[]span{{lo, hi}}}
}

// Collect returns the set of the ids of seq, which may be in any order and may repeat.
func Collect(seq iter.Seq[uint32]) Set {
	var spans []span
	for id := range seq {
		spans = push(spans, span{id, id})
	}
	return normalize(spans)
}

// Len returns the number of ids in s. Where int has 32 bits it is at most [math.MaxInt].
func (s Set) Len() int {
	var n uint64
	for _, r := range s.spans {
		n += uint64(r.hi-r.lo) + 1
	}
	return int(min(n, math.MaxInt))
}

// IsEmpty reports whether s has no ids.
func (s Set) IsEmpty() bool { return len(s.spans) == 0 }

// Contains reports whether id is in s. The cost grows with the logarithm of the ranges.
func (s Set) Contains(id uint32) bool {
	i := s.search(id)
	return i < len(s.spans) && s.spans[i].lo <= id
}

// Min returns the smallest id of s. It returns false if s is empty.
func (s Set) Min() (uint32, bool) {
	if s.IsEmpty() {
		return 0, false
	}
	return s.spans[0].lo, true
}

// Max returns the greatest id of s. It returns false if s is empty.
func (s Set) Max() (uint32, bool) {
	if s.IsEmpty() {
		return 0, false
	}
	return s.spans[len(s.spans)-1].hi, true
}

// Next returns the smallest id of s that is greater than id. It returns false if there is none.
func (s Set) Next(id uint32) (uint32, bool) {
	if id == math.MaxUint32 {
		return 0, false
	}
	i := s.search(id + 1)
	if i == len(s.spans) {
		return 0, false
	}
	return max(id+1, s.spans[i].lo), true
}

// Prev returns the greatest id of s that is less than id. It returns false if there is none.
func (s Set) Prev(id uint32) (uint32, bool) {
	if id == 0 {
		return 0, false
	}
	i := s.search(id - 1)
	if i < len(s.spans) && s.spans[i].lo < id {
		return id - 1, true
	}
	if i == 0 {
		return 0, false
	}
	return s.spans[i-1].hi, true
}

// All returns an iterator over the ids in ascending order.
func (s Set) All() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for _, r := range s.spans {
			// The end is tested before the step, since r.hi may be the greatest uint32.
			for id := r.lo; ; id++ {
				if !yield(id) {
					return
				}
				if id == r.hi {
					break
				}
			}
		}
	}
}

// Backward returns an iterator over the ids in descending order.
func (s Set) Backward() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for _, r := range slices.Backward(s.spans) {
			for id := r.hi; ; id-- {
				if !yield(id) {
					return
				}
				if id == r.lo {
					break
				}
			}
		}
	}
}

// Ranges returns an iterator over the ranges of s in ascending order, as first and last id, both included.
// The ranges are as long as possible: {0, 1, 2, 7} has the ranges 0 to 2 and 7 to 7.
func (s Set) Ranges() iter.Seq2[uint32, uint32] {
	return func(yield func(lo, hi uint32) bool) {
		for _, r := range s.spans {
			if !yield(r.lo, r.hi) {
				return
			}
		}
	}
}

// search returns the index of the first span that ends at id or above it.
func (s Set) search(id uint32) int {
	i, _ := slices.BinarySearchFunc(s.spans, id, func(r span, id uint32) int { return cmp.Compare(r.hi, id) })
	return i
}

// push appends r, or extends the last span if r begins within it or right after it.
// It keeps spans normal if r does not begin below the last span.
func push(spans []span, r span) []span {
	if n := len(spans); n > 0 {
		last := &spans[n-1]
		if r.lo >= last.lo && (r.lo <= last.hi || r.lo == last.hi+1) {
			last.hi = max(last.hi, r.hi)
			return spans
		}
	}
	return append(spans, r)
}

// normalize returns the set of the spans, which may be in any order and may overlap. It writes to spans.
func normalize(spans []span) Set {
	byLo := func(a, b span) int { return cmp.Compare(a.lo, b.lo) }
	if !slices.IsSortedFunc(spans, byLo) {
		slices.SortFunc(spans, byLo)
	}
	out := spans[:0]
	for _, r := range spans {
		out = push(out, r)
	}
	return fromSpans(out)
}

// fromSpans returns the Set of normal spans, which the caller must not write to any more.
func fromSpans(spans []span) Set {
	if len(spans) == 0 {
		return Set{}
	}
	return Set{slices.Clip(spans)}
}
