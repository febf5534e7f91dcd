// Package mtag is the life cycle of matchtags, as data: live, then possibly
// retired, then free (RFC 6).
//
// A tag is live while somebody waits for its replies, and retired when nobody
// does but a last reply may still come: until then it must not be given out
// again, or that reply would meet the wrong call. Tags are given out in rising
// order and start over after the last one, and one that is freed when its turn
// is near misses that turn. So half of all tags have their turn before a freed
// one has its again, and stray late replies meet nobody.
package mtag

import "math/bits"

// Max is the largest tag. C services unpack a tag into an int.
const Max = 1<<31 - 1

// State is where a tag is in its life.
type State uint8

// The states of a tag.
const (
	Free State = iota
	Live
	Retired
)

// pageSize is how many tags in a row share a page: that of a bit set.
const pageSize = 64

// page holds tags in a row, which is what is in use of a busy table.
type page[T any] struct {
	live, retired uint64 // a bit for each
	vals          [pageSize]T
}

// Table holds the tags in use on one connection, each with a value. The zero
// value is an empty table. It has no lock of its own.
type Table[T any] struct {
	pages   map[uint32]*page[T] // those with tags in use, by tag / pageSize
	near    *page[T]            // of the tag looked at last, nil for none
	nearNum uint32
	spare   *page[T]
	last    uint32 // the tag given out most recently
	max     uint32 // the largest to give out; 0 means Max
	used    int
	retired int
	resting map[uint32]struct{} // free, but to be passed over once
}

func (t *Table[T]) limit() uint32 {
	if t.max == 0 {
		return Max
	}
	return t.max
}

// find returns the page of a tag, nil if none of it is in use, and the tag's
// place in it.
func (t *Table[T]) find(tag uint32) (p *page[T], i uint32, bit uint64) {
	num := tag / pageSize
	i = tag % pageSize
	if t.near == nil || t.nearNum != num {
		p = t.pages[num]
		if p == nil {
			return nil, i, 1 << i
		}
		t.near, t.nearNum = p, num
	}
	return t.near, i, 1 << i
}

// Take makes the next free tag live with value v. It fails only when every tag
// is in use.
func (t *Table[T]) Take(v T) (tag uint32, ok bool) {
	limit := t.limit()
	if t.used >= int(limit) {
		return 0, false
	}
	for {
		if t.last++; t.last > limit {
			t.last = 1
		}
		p, i, bit := t.find(t.last)
		if p != nil && (p.live|p.retired)&bit != 0 {
			continue
		}
		if len(t.resting) > 0 {
			if _, rests := t.resting[t.last]; rests {
				delete(t.resting, t.last)
				continue
			}
		}
		if p == nil {
			p = t.addPage(t.last / pageSize)
		}
		p.live |= bit
		p.vals[i] = v
		t.used++
		return t.last, true
	}
}

func (t *Table[T]) addPage(num uint32) *page[T] {
	if t.pages == nil {
		t.pages = make(map[uint32]*page[T])
	}
	p := t.spare
	if t.spare = nil; p == nil {
		p = new(page[T])
	}
	t.pages[num] = p
	t.near, t.nearNum = p, num
	return p
}

// Get returns the value of a tag and its state.
func (t *Table[T]) Get(tag uint32) (v T, s State) {
	p, i, bit := t.find(tag)
	switch {
	case p == nil || (p.live|p.retired)&bit == 0:
		return v, Free
	case p.retired&bit != 0:
		return p.vals[i], Retired
	}
	return p.vals[i], Live
}

// Retire keeps a live tag in use with nobody waiting; v takes the place of its
// value. It reports whether the tag was live.
func (t *Table[T]) Retire(tag uint32, v T) bool {
	p, i, bit := t.find(tag)
	if p == nil || p.live&bit == 0 {
		return false
	}
	p.live &^= bit
	p.retired |= bit
	p.vals[i] = v
	t.retired++
	return true
}

// Free gives a tag back: its last reply has come, or it was never sent.
func (t *Table[T]) Free(tag uint32) {
	p, i, bit := t.find(tag)
	if p == nil || (p.live|p.retired)&bit == 0 {
		return
	}
	if p.retired&bit != 0 {
		t.retired--
	}
	t.used--
	var zero T
	p.vals[i] = zero
	p.live &^= bit
	p.retired &^= bit
	if p.live|p.retired == 0 && (t.last+1)/pageSize != tag/pageSize { // or the next tag would bring it back
		delete(t.pages, tag/pageSize)
		t.near, t.spare = nil, p
	}
	limit := t.limit()
	if turns := (tag + limit - t.last - 1) % limit; turns < limit/2 {
		if t.resting == nil {
			t.resting = make(map[uint32]struct{})
		}
		t.resting[tag] = struct{}{}
	}
}

// Live and Retired count the tags in that state.
func (t *Table[T]) Live() int    { return t.used - t.retired }
func (t *Table[T]) Retired() int { return t.retired }

// All calls f for every tag in use until it returns false. f may free or
// retire the tag it is given.
func (t *Table[T]) All(f func(tag uint32, v T, s State) bool) {
	for num, p := range t.pages {
		for used := p.live | p.retired; used != 0; used &= used - 1 {
			i := uint32(bits.TrailingZeros64(used))
			s := Live
			if p.retired&(1<<i) != 0 {
				s = Retired
			}
			if !f(num*pageSize+i, p.vals[i], s) {
				return
			}
		}
	}
}

// Drain empties the table, as the end of a connection does, and returns the
// values of the tags that were live.
func (t *Table[T]) Drain() []T {
	var live []T
	t.All(func(_ uint32, v T, s State) bool {
		if s == Live {
			live = append(live, v)
		}
		return true
	})
	t.pages, t.near, t.used, t.retired, t.resting = nil, nil, 0, 0, nil
	return live
}
