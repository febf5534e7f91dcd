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

type entry[T any] struct {
	v       T
	retired bool
}

// Table holds the tags in use on one connection, each with a value. The zero
// value is an empty table. It has no lock of its own.
type Table[T any] struct {
	m       map[uint32]entry[T]
	last    uint32 // the tag given out most recently
	max     uint32 // the largest to give out; 0 means Max
	retired int
	resting map[uint32]struct{} // free, but to be passed over once
}

func (t *Table[T]) limit() uint32 {
	if t.max == 0 {
		return Max
	}
	return t.max
}

// Take makes the next free tag live with value v. It fails only when every tag
// is in use.
func (t *Table[T]) Take(v T) (tag uint32, ok bool) {
	limit := t.limit()
	if uint32(len(t.m)) >= limit {
		return 0, false
	}
	if t.m == nil {
		t.m = make(map[uint32]entry[T])
	}
	for {
		if t.last++; t.last > limit {
			t.last = 1
		}
		if _, used := t.m[t.last]; used {
			continue
		}
		if _, rests := t.resting[t.last]; rests {
			delete(t.resting, t.last)
			continue
		}
		t.m[t.last] = entry[T]{v: v}
		return t.last, true
	}
}

// Get returns the value of a tag and its state.
func (t *Table[T]) Get(tag uint32) (v T, s State) {
	e, ok := t.m[tag]
	switch {
	case !ok:
		return v, Free
	case e.retired:
		return e.v, Retired
	}
	return e.v, Live
}

// Retire keeps a live tag in use with nobody waiting; v takes the place of its
// value. It reports whether the tag was live.
func (t *Table[T]) Retire(tag uint32, v T) bool {
	e, ok := t.m[tag]
	if !ok || e.retired {
		return false
	}
	t.m[tag] = entry[T]{v: v, retired: true}
	t.retired++
	return true
}

// Free gives a tag back: its last reply has come, or it was never sent.
func (t *Table[T]) Free(tag uint32) {
	e, ok := t.m[tag]
	if !ok {
		return
	}
	if e.retired {
		t.retired--
	}
	delete(t.m, tag)
	limit := t.limit()
	if turns := (tag + limit - t.last - 1) % limit; turns < limit/2 {
		if t.resting == nil {
			t.resting = make(map[uint32]struct{})
		}
		t.resting[tag] = struct{}{}
	}
}

// Live and Retired count the tags in that state.
func (t *Table[T]) Live() int    { return len(t.m) - t.retired }
func (t *Table[T]) Retired() int { return t.retired }

// All calls f for every tag in use until it returns false. f may free or
// retire the tag it is given.
func (t *Table[T]) All(f func(tag uint32, v T, s State) bool) {
	for tag, e := range t.m {
		s := Live
		if e.retired {
			s = Retired
		}
		if !f(tag, e.v, s) {
			return
		}
	}
}

// Drain empties the table, as the end of a connection does, and returns the
// values of the tags that were live.
func (t *Table[T]) Drain() []T {
	var live []T
	for _, e := range t.m {
		if !e.retired {
			live = append(live, e.v)
		}
	}
	t.m, t.retired, t.resting = nil, 0, nil
	return live
}
