package hostlist

import (
	"strconv"
	"strings"
)

// Index returns the position of the first occurrence of host in l, or -1 if l does not have it.
// The cost grows with the ranges of l.
func (l List) Index(host string) int {
	q := query{host: host, begin: len(host) - trailingDigits(host), at: -1}
	for k := range l.entries {
		if offset, ok := q.offset(&l.entries[k]); ok {
			return l.entries[k].start + offset
		}
	}
	return -1
}

// Find returns the position of the first occurrence of host in l. It returns false if l does not have it.
func (l List) Find(host string) (int, bool) {
	i := l.Index(host)
	return max(i, 0), i >= 0
}

// Contains reports whether l has host.
func (l List) Contains(host string) bool { return l.Index(host) >= 0 }

// query is a host to look for in many entries.
type query struct {
	host   string
	begin  int    // where the digits at the end of host begin
	at     int    // where number was last read, as neighbours often have prefixes of one length
	number uint64 // the number that begins at the byte at of host
	valid  bool   // whether number fits an uint64
}

// offset returns the position of the host in e, or false if e does not have it.
func (q *query) offset(e *entry) (int, bool) {
	switch {
	case !e.numbered:
		return 0, q.host == e.prefix
	case e.suffix != "":
		return e.offsetWithSuffix(q.host)
	}
	at := len(e.prefix)
	if at < q.begin || at >= len(q.host) || q.host[:at] != e.prefix {
		return 0, false
	}
	if at != q.at {
		n, err := strconv.ParseUint(q.host[at:], 10, 64)
		q.at, q.number, q.valid = at, n, err == nil
	}
	return int(q.number - e.lo), q.valid && e.has(q.number, len(q.host)-at)
}

// offsetWithSuffix is offset for an entry with a suffix.
func (e *entry) offsetWithSuffix(host string) (int, bool) {
	number, hasPrefix := strings.CutPrefix(host, e.prefix)
	number, hasSuffix := strings.CutSuffix(number, e.suffix)
	if !hasPrefix || !hasSuffix || trailingDigits(number) != len(number) {
		return 0, false
	}
	n, err := strconv.ParseUint(number, 10, 64)
	return int(n - e.lo), err == nil && e.has(n, len(number))
}

// has reports whether e has the number n, and writes it with length digits.
func (e *entry) has(n uint64, length int) bool {
	return e.lo <= n && n <= e.hi && length == max(e.width, digits(n))
}
