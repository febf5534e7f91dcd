package hostlist

import (
	"math"
	"slices"
	"strconv"
)

// MaxRange is the most hosts that one range, such as "node[0-1048575]", may have. It is the limit of the C library.
const MaxRange = 1 << 20

// maxDigits is the most digits that a number may have, so that a short text does not name huge hosts.
const maxDigits = 255

// entry is one host, or consecutive hosts that differ in a number: "node[08-11]-ib".
type entry struct {
	prefix   string // before the number; the whole name if numbered is false
	suffix   string // after the brackets
	lo, hi   uint64 // the numbers, both included
	start    int    // the position of the first host in the list
	width    int    // the least digits of a number, filled up with zeros
	numbered bool
}

// splitName returns the entry of one host, whose number is the digits at the end of its name.
// A name with a number above 2^64-1 or of more than maxDigits digits has no number; ok is false then.
func splitName(name string) (e entry, ok bool) {
	digits := trailingDigits(name)
	if digits == 0 {
		return entry{prefix: name}, true
	}
	prefix, number := name[:len(name)-digits], name[len(name)-digits:]
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil || digits > maxDigits {
		return entry{prefix: name}, false
	}
	return entry{prefix: prefix, lo: n, hi: n, width: digits, numbered: true}, true
}

// trailingDigits returns how many digits s ends in.
func trailingDigits(s string) int {
	i := len(s)
	for i > 0 && s[i-1]-'0' <= 9 {
		i--
	}
	return len(s) - i
}

// tooLargeName reports whether a host of e is a name that splitName does not split. Digits next to the brackets belong
// to the number: "a[10-11]000000000000000000000". The last host has the greatest one.
func (e *entry) tooLargeName() bool {
	if max(e.width, digits(e.hi))+trailingDigits(e.prefix)+len(e.suffix) < maxNumber {
		return false // There are not enough digits, so the name is not needed.
	}
	_, ok := splitName(e.name(e.count() - 1))
	return !ok
}

// count returns how many hosts e has.
func (e *entry) count() int {
	if !e.numbered {
		return 1
	}
	return int(e.hi - e.lo + 1)
}

// name returns the host of e at the offset i.
func (e *entry) name(i int) string {
	if !e.numbered {
		return e.prefix
	}
	b := make([]byte, 0, len(e.prefix)+max(e.width, maxNumber)+len(e.suffix))
	b = append(b, e.prefix...)
	b = appendNumber(b, e.lo+uint64(i), e.width)
	return string(append(b, e.suffix...))
}

// maxNumber is the digits of the greatest uint64.
const maxNumber = 20

// part returns the hosts of e whose numbers are lo to hi.
func (e entry) part(lo, hi uint64) entry {
	e.lo, e.hi = lo, hi
	return e
}

// continues reports whether one entry can hold the hosts of e and then those of next.
func (e *entry) continues(next *entry) bool {
	return e.numbered && next.numbered && e.prefix == next.prefix && e.suffix == next.suffix &&
		e.hi != math.MaxUint64 && e.hi+1 == next.lo && next.hi-e.lo < MaxRange &&
		max(e.width, digits(next.lo)) == max(next.width, digits(next.lo))
}

// sameHosts reports whether the n hosts of a from the offset i on are those of b from the offset j on.
func sameHosts(a *entry, i int, b *entry, j, n int) bool {
	if a.numbered && b.numbered && a.prefix == b.prefix && a.suffix == b.suffix {
		first := a.lo + uint64(i)
		return first == b.lo+uint64(j) && max(a.width, digits(first)) == max(b.width, digits(first))
	}
	if n == 1 {
		return a.name(i) == b.name(j)
	}
	// The last digit before a suffix changes from host to host, so hosts that differ in the suffix are others. If one
	// prefix goes on with digits, as in "a1[0-5]" and "a[10-15]", the hosts are the same as long as both numbers have
	// as many digits as at first. After that the names have different lengths or values, and so has the last one.
	return a.suffix == b.suffix && a.name(i) == b.name(j) && a.name(i+n-1) == b.name(j+n-1)
}

// sameBrackets reports whether e and next are written in one pair of brackets.
func (e *entry) sameBrackets(next *entry) bool {
	return e.numbered && next.numbered && e.suffix == "" && next.suffix == "" && e.prefix == next.prefix
}

// digits returns how many digits n has.
func digits(n uint64) int {
	count := 1
	for n >= 10 {
		n /= 10
		count++
	}
	return count
}

// appendNumber appends n with at least width digits.
func appendNumber(b []byte, n uint64, width int) []byte {
	for range width - digits(n) {
		b = append(b, '0')
	}
	return strconv.AppendUint(b, n, 10)
}

// builder collects entries in the order of the list, and joins those that continue each other.
type builder struct {
	entries []entry
	count   int
}

func (b *builder) push(e entry) {
	n := e.count()
	if last := len(b.entries) - 1; last >= 0 && b.entries[last].continues(&e) {
		b.entries[last].hi = e.hi
	} else {
		if len(b.entries) == cap(b.entries) {
			b.entries = slices.Grow(b.entries, len(b.entries)+1)
		}
		e.start = b.count
		b.entries = append(b.entries, e)
	}
	b.count += n
}

func (b *builder) list() List {
	if len(b.entries) == 0 {
		return List{}
	}
	if len(b.entries) < cap(b.entries)/2 {
		b.entries = slices.Clone(b.entries) // so that a list of few ranges does not keep an array for many
	}
	return List{b.entries, b.count}
}
