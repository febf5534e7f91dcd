package joboptions

import (
	"fmt"
	"iter"
	"strconv"
	"strings"
)

// idMax is the largest member of a set of ids.
const idMax = 1<<31 - 1

// parseIDs reads an idset (RFC 22) and returns its members in order.
func parseIDs(text string) (iter.Seq[int], error) {
	type span struct{ from, to int }
	var spans []span
	bad := func(why string) (iter.Seq[int], error) { return nil, fmt.Errorf("invalid idset '%s': %s", text, why) }
	inner := text
	if after, ok := strings.CutPrefix(inner, "["); ok {
		if inner, ok = strings.CutSuffix(after, "]"); !ok {
			return bad("brackets do not match")
		}
	}
	number := func(s string) (int, bool) {
		n, err := strconv.ParseUint(s, 10, 31)
		return int(n), err == nil && (len(s) == 1 || s[0] != '0')
	}
	last := -1
	for part := range strings.SplitSeq(inner, ",") {
		if part == "" {
			continue
		}
		lo, hi, isRange := strings.Cut(part, "-")
		from, ok := number(lo)
		to := from
		if ok && isRange {
			to, ok = number(hi)
			ok = ok && to > from
		}
		if !ok || from <= last {
			return bad(fmt.Sprintf("'%s' is no number or range in order, up to %d", part, idMax))
		}
		spans, last = append(spans, span{from, to}), to
	}
	return func(yield func(int) bool) {
		for _, s := range spans {
			for id := s.from; id <= s.to; id++ {
				if !yield(id) {
					return
				}
			}
		}
	}, nil
}
