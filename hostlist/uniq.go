package hostlist

// Uniq removes all but the first occurrence of each host. The order of the others does not change.
// [List.UniqSorted] is what hostlist_uniq(3) does.
//
// The cost is O(n log n) in the ranges of l. A host with text after the brackets counts as a range.
func (l *List) Uniq() { *l = l.rebuild(firstOccurrences(pieces(l.entries))) }

// UniqSorted sorts l and removes all but one occurrence of each host, as hostlist_uniq(3) does.
//
// The cost is that of [List.Uniq].
func (l *List) UniqSorted() {
	runs := sortedRuns(l.entries)
	for i := range runs {
		if trailingDigits(runs[i].prefix) > 0 {
			// The same host may be in runs with other keys, as node10 is in node[8-12] and node1[0-3].
			l.Uniq()
			l.Sort()
			return
		}
	}
	*l = merge(runs, true)
}
