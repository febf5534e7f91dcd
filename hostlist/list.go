package hostlist

import (
	"fmt"
	"iter"
	"sort"

	"github.com/flux-sdk/flux/idset"
)

// List is an ordered list of hosts, which may contain a host more than once. The zero List is empty.
//
// Use [List.Equal] to compare lists.
type List struct {
	// Copies of a List share the array, so it is never written to once it is in a List. An empty List has none.
	entries []entry
	count   int
}

// New returns the list of the hosts in their order. Each is the name of a host, or a hostlist such as "node[0-3]".
// It panics if one is not, as it is meant for names in the program; use [Parse] or [List.Append] for other text.
func New(hosts ...string) List {
	var l List
	if err := l.Append(hosts...); err != nil {
		panic(err)
	}
	return l
}

// Len returns the number of hosts in l, those that occur again included.
func (l List) Len() int { return l.count }

// IsEmpty reports whether l has no hosts.
func (l List) IsEmpty() bool { return l.count == 0 }

// At returns the host at position i, counted from 0. It panics if i is not within 0 to Len()-1, as indexing a slice
// does. The cost grows with the logarithm of the ranges.
func (l List) At(i int) string {
	if i < 0 || i >= l.count {
		panic(fmt.Sprintf("hostlist: position %d of a list of %d hosts", i, l.count))
	}
	e := &l.entries[l.entryAt(i)]
	return e.name(i - e.start)
}

// entryAt returns the index of the entry that has position i.
func (l List) entryAt(i int) int {
	return sort.Search(len(l.entries), func(k int) bool { return l.entries[k].start > i }) - 1
}

// All returns an iterator over the positions and hosts of l in order.
func (l List) All() iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		for k := range l.entries {
			e := &l.entries[k]
			for i := range e.count() {
				if !yield(e.start+i, e.name(i)) {
					return
				}
			}
		}
	}
}

// Hosts returns the names of all hosts in order. Its size grows with the members of l.
func (l List) Hosts() []string {
	hosts := make([]string, 0, l.count)
	for _, host := range l.All() {
		hosts = append(hosts, host)
	}
	return hosts
}

// Equal reports whether l and m have the same hosts in the same order, however they were written.
func (l List) Equal(m List) bool {
	if l.count != m.count {
		return false
	}
	for i, j, at := 0, 0, 0; at < l.count; {
		a, b := &l.entries[i], &m.entries[j]
		endA, endB := a.start+a.count(), b.start+b.count()
		end := min(endA, endB)
		if !sameHosts(a, at-a.start, b, at-b.start, end-at) {
			return false
		}
		if at = end; at == endA {
			i++
		}
		if at == endB {
			j++
		}
	}
	return true
}

// Select returns the hosts of l at the positions ids, in ascending order of the positions. With a list of the hosts of
// all ranks, it turns ranks into hosts. It panics if ids has a position that is not below Len, as indexing a slice
// does. Compare ids.Max with Len first if the ids come from elsewhere.
func (l List) Select(ids idset.Set) List {
	if last, ok := ids.Max(); ok && uint64(last) >= uint64(l.count) {
		panic(fmt.Sprintf("hostlist: position %d of a list of %d hosts", last, l.count))
	}
	var b builder
	for lo, hi := range ids.Ranges() {
		l.copyTo(&b, int(lo), int(hi)+1)
	}
	return b.list()
}

// Slice returns the hosts of l from position i up to but without position j. It panics if these are not positions with
// 0 <= i <= j <= Len(), as slicing a slice does.
func (l List) Slice(i, j int) List {
	if i < 0 || j < i || j > l.count {
		panic(fmt.Sprintf("hostlist: positions %d to %d of a list of %d hosts", i, j, l.count))
	}
	var b builder
	l.copyTo(&b, i, j)
	return b.list()
}

// copyTo pushes the hosts from position i up to but without position j.
func (l List) copyTo(b *builder, i, j int) {
	if i == j {
		return
	}
	for _, e := range l.entries[l.entryAt(i):] {
		if e.start >= j {
			return
		}
		end := e.start + e.count()
		if e.numbered {
			from, to := max(i, e.start)-e.start, min(j, end)-e.start
			e = e.part(e.lo+uint64(from), e.lo+uint64(to)-1)
		}
		b.push(e)
	}
}
