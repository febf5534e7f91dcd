package idset

import "slices"

// Union returns the ids that are in s, in t or in both.
func (s Set) Union(t Set) Set {
	if t.IsEmpty() {
		return s
	}
	if s.IsEmpty() {
		return t
	}
	a, b := s.spans, t.spans
	out := make([]span, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if a[0].lo <= b[0].lo {
			out, a = push(out, a[0]), a[1:]
		} else {
			out, b = push(out, b[0]), b[1:]
		}
	}
	for _, rest := range [...][]span{a, b} {
		for _, r := range rest {
			out = push(out, r)
		}
	}
	return fromSpans(out)
}

// Intersect returns the ids that are in both s and t.
func (s Set) Intersect(t Set) Set {
	var out []span
	overlaps(s.spans, t.spans, func(r span) bool {
		out = append(out, r)
		return true
	})
	return fromSpans(out)
}

// Difference returns the ids of s that are not in t.
func (s Set) Difference(t Set) Set {
	var out []span
	b := t.spans
	for _, r := range s.spans {
		for len(b) > 0 && b[0].hi < r.lo {
			b = b[1:]
		}
		// What is left of r begins at lo. A span of t that reaches past r is looked at again for the next r.
		lo, left := r.lo, true
		for _, cut := range b {
			if cut.lo > r.hi {
				break
			}
			if cut.lo > lo {
				out = append(out, span{lo, cut.lo - 1})
			}
			if cut.hi >= r.hi {
				left = false
				break
			}
			lo = cut.hi + 1
			b = b[1:]
		}
		if left {
			out = append(out, span{lo, r.hi})
		}
	}
	return fromSpans(out)
}

// Intersects reports whether an id is in both s and t.
func (s Set) Intersects(t Set) bool {
	found := false
	overlaps(s.spans, t.spans, func(span) bool {
		found = true
		return false
	})
	return found
}

// IsSubset reports whether every id of s is in t.
func (s Set) IsSubset(t Set) bool {
	b := t.spans
	for _, r := range s.spans {
		for len(b) > 0 && b[0].hi < r.lo {
			b = b[1:]
		}
		if len(b) == 0 || b[0].lo > r.lo || b[0].hi < r.hi {
			return false
		}
	}
	return true
}

// Equal reports whether s and t have the same ids.
func (s Set) Equal(t Set) bool { return slices.Equal(s.spans, t.spans) }

// overlaps calls found for each range that is in both a and b, in ascending order, until found returns false.
func overlaps(a, b []span, found func(span) bool) {
	for len(a) > 0 && len(b) > 0 {
		lo, hi := max(a[0].lo, b[0].lo), min(a[0].hi, b[0].hi)
		if lo <= hi && !found(span{lo, hi}) {
			return
		}
		if a[0].hi < b[0].hi {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
}
