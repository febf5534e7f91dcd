package hostlist

import "slices"

// Append appends the hosts in their order. Each is the name of a host, or a hostlist such as "node[0-3]".
// If one is not, Append appends nothing and returns a [*ParseError], whose offset is within that argument.
//
// A call copies the ranges of l. To append many hosts, pass them in one call.
func (l *List) Append(hosts ...string) error {
	b := builder{slices.Clone(l.entries), l.count}
	for _, text := range hosts {
		if err := parse(text, &b, strict); err != nil {
			return err
		}
	}
	*l = b.list()
	return nil
}

// AppendList appends the hosts of m in their order.
//
// A call copies the ranges of l.
func (l *List) AppendList(m List) {
	b := builder{slices.Grow(slices.Clone(l.entries), len(m.entries)), l.count}
	for _, e := range m.entries {
		b.push(e)
	}
	*l = b.list()
}

// Delete removes the first occurrence of each of the hosts from l, and returns how many it removed. Each argument is
// the name of a host, or a hostlist such as "node[0-3]". A host that is given twice loses two occurrences, as with
// hostlist_delete(3). Hosts that l does not have change nothing. If an argument is no hostlist, Delete removes nothing
// and returns a [*ParseError], whose offset is within that argument.
//
// The cost is O(n log n) in the ranges of both. A host with text after the brackets counts as a range.
func (l *List) Delete(hosts ...string) (int, error) { return l.remove(hosts, occurrences) }

// DeleteAll removes every occurrence of each of the hosts from l, as the option -x of flux-hostlist(1) does.
// It is like [List.Delete] otherwise.
func (l *List) DeleteAll(hosts ...string) (int, error) { return l.remove(hosts, allOccurrences) }

// remove removes what find finds: parts of the entries below limit, which are those of l, while those of hosts follow.
func (l *List) remove(hosts []string, find func(all []piece, limit int) []part) (int, error) {
	var remove List
	if err := remove.Append(hosts...); err != nil {
		return 0, err
	}
	before := l.count
	*l = l.without(find(pieces(slices.Concat(l.entries, remove.entries)), len(l.entries)))
	return before - l.count, nil
}
