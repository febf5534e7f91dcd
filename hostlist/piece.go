package hostlist

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// piece is consecutive hosts in a form that does not depend on how a list writes them: "node10" is the same host in
// "node[8-12]" and in "node1[0-3]". The number is the digits at the end of the name, the last pieceDigits at most.
type piece struct {
	prefix string // the name before the number
	digits int    // how many digits the numbers have, zeros included
	lo, hi uint64
	shift  uint64 // what the numbers exceed those of the entry by, modulo 2^64
	entry  int    // the index of the entry that has the hosts
}

// pieceDigits is the most digits such that every number fits an uint64.
const pieceDigits = 19

// part is hosts of an entry, by their numbers there.
type part struct {
	entry  int
	lo, hi uint64
}

func (p *piece) sameKey(q *piece) bool { return p.prefix == q.prefix && p.digits == q.digits }

func (p *piece) part(lo, hi uint64) part { return part{p.entry, lo - p.shift, hi - p.shift} }

// pieces returns the hosts of the entries, sorted by name, then by entry.
func pieces(entries []entry) []piece {
	all := make([]piece, 0, len(entries))
	for i := range entries {
		e := &entries[i]
		if e.numbered && e.suffix == "" {
			all = appendRangePieces(all, e, i)
			continue
		}
		for k := range e.count() {
			p := namePiece(e.name(k))
			p.shift = p.lo - (e.lo + uint64(k))
			p.entry = i
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b piece) int {
		if c := strings.Compare(a.prefix, b.prefix); c != 0 {
			return c
		}
		return cmp.Or(cmp.Compare(a.digits, b.digits), cmp.Compare(a.lo, b.lo), cmp.Compare(a.entry, b.entry))
	})
	return all
}

// namePiece returns the piece of one host.
func namePiece(name string) piece {
	digits := min(trailingDigits(name), pieceDigits)
	p := piece{prefix: name[:len(name)-digits], digits: digits}
	if digits > 0 {
		p.lo, _ = strconv.ParseUint(name[len(name)-digits:], 10, 64) // fits, as pieceDigits is chosen so
	}
	p.hi = p.lo
	return p
}

// appendRangePieces appends the pieces of an entry with numbers at the end of its names.
func appendRangePieces(all []piece, e *entry, index int) []piece {
	for lo := e.lo; ; {
		// All hosts of a piece have the same prefix and length: the end is where the number gets a digit more, or where
		// a digit changes that is part of the prefix.
		length := max(e.width, digits(lo))
		hi := min(e.hi, greatest(length))
		if lo <= greatest(pieceDigits) {
			hi = min(hi, greatest(pieceDigits))
		}
		p := piece{prefix: e.prefix, digits: length, lo: lo, hi: hi, entry: index}
		if length > pieceDigits || trailingDigits(e.prefix) > 0 {
			p = namePiece(e.name(int(lo - e.lo)))
			p.shift = p.lo - lo
			p.hi = hi + p.shift
			p.entry = index
		}
		all = append(all, p)
		if hi == e.hi {
			return all
		}
		lo = hi + 1
	}
}

// rebuild returns the list of the hosts in the parts, which are parts of entries of l.
func (l List) rebuild(parts []part) List {
	slices.SortFunc(parts, compareParts)
	b := builder{entries: make([]entry, 0, min(len(parts), len(l.entries)))}
	for _, p := range parts {
		b.push(l.entries[p.entry].part(p.lo, p.hi))
	}
	return b.list()
}

// without returns the list of the hosts that are not in the parts, which are disjoint parts of entries of l.
func (l List) without(parts []part) List {
	slices.SortFunc(parts, compareParts)
	b := builder{entries: make([]entry, 0, len(l.entries))}
	for i, e := range l.entries {
		lo, left := e.lo, true // what is left of e begins at lo
		for ; len(parts) > 0 && parts[0].entry == i; parts = parts[1:] {
			if parts[0].lo > lo {
				b.push(e.part(lo, parts[0].lo-1))
			}
			left = parts[0].hi < e.hi
			lo = parts[0].hi + 1
		}
		if left {
			b.push(e.part(lo, e.hi))
		}
	}
	return b.list()
}

func compareParts(a, b part) int {
	return cmp.Or(cmp.Compare(a.entry, b.entry), cmp.Compare(a.lo, b.lo))
}
