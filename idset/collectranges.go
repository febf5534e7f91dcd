package idset

import "iter"

// CollectRanges returns the set of the ids from lo to hi, both included, of each pair of seq. The ranges may be in any
// order and may overlap; a pair with lo greater than hi adds nothing. It is the inverse of [Set.Ranges].
func CollectRanges(seq iter.Seq2[uint32, uint32]) Set {
	var spans []span
	for lo, hi := range seq {
		if lo <= hi {
			spans = push(spans, span{lo, hi})
		}
	}
	return normalize(spans)
}
