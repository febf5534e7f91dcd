package idset

import "slices"

// Add adds the ids to s. Ids that s has already change nothing.
//
// A call that changes s copies its ranges. To add many ids, pass them in one call.
func (s *Set) Add(ids ...uint32) {
	switch len(ids) {
	case 0:
	case 1:
		s.AddRange(ids[0], ids[0])
	default:
		*s = s.Union(New(ids...))
	}
}

// AddRange adds the ids from lo to hi, both included. It changes nothing if lo is greater than hi.
func (s *Set) AddRange(lo, hi uint32) {
	if lo > hi {
		return
	}
	// Spans i to j-1 touch the new range and become one with it.
	i := s.search(lo)
	if i > 0 && s.spans[i-1].hi+1 == lo {
		i--
	}
	j := i
	for j < len(s.spans) && (s.spans[j].lo <= hi || s.spans[j].lo == hi+1) {
		j++
	}
	if i < j {
		if s.spans[i].lo <= lo && hi <= s.spans[i].hi {
			return
		}
		lo = min(lo, s.spans[i].lo)
		hi = max(hi, s.spans[j-1].hi)
	}
	s.spans = slices.Concat(s.spans[:i], []span{{lo, hi}}, s.spans[j:])
}

// Remove removes the ids from s. Ids that s does not have change nothing.
//
// A call that changes s copies its ranges. To remove many ids, pass them in one call.
func (s *Set) Remove(ids ...uint32) {
	switch len(ids) {
	case 0:
	case 1:
		s.RemoveRange(ids[0], ids[0])
	default:
		*s = s.Difference(New(ids...))
	}
}

// RemoveRange removes the ids from lo to hi, both included. It changes nothing if lo is greater than hi.
func (s *Set) RemoveRange(lo, hi uint32) {
	if lo > hi {
		return
	}
	// Spans i to j-1 have ids to remove.
	i := s.search(lo)
	j := i
	for j < len(s.spans) && s.spans[j].lo <= hi {
		j++
	}
	if i == j {
		return
	}
	var rest []span
	if first := s.spans[i]; first.lo < lo {
		rest = append(rest, span{first.lo, lo - 1})
	}
	if last := s.spans[j-1]; last.hi > hi {
		rest = append(rest, span{hi + 1, last.hi})
	}
	*s = fromSpans(slices.Concat(s.spans[:i], rest, s.spans[j:]))
}
