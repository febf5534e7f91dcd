package outbox

import "slices"

// item is an element of a list.
type item[T any] struct {
	v    T
	size int  // bytes
	mark bool // not to be dropped without a trace
}

// keepRoom is how many items an empty list keeps room for, so that one that
// fills and empties again and again allocates nothing. With 0 it does each time.
const keepRoom = 1024

// list is a queue of items. The zero value is empty.
type list[T any] struct {
	items []item[T]
	first int // of items
	bytes int
}

func (l *list[T]) len() int { return len(l.items) - l.first }

func (l *list[T]) push(v item[T]) {
	if len(l.items) == cap(l.items) && l.first > len(l.items)/2 {
		// Half of it is unused: moving the rest costs less than growing.
		n := copy(l.items, l.items[l.first:])
		clear(l.items[n:])
		l.items, l.first = l.items[:n], 0
	}
	l.items = append(l.items, v)
	l.bytes += v.size
}

// pushFront puts back what was popped last.
func (l *list[T]) pushFront(v item[T]) {
	if l.first == 0 { // it was the only one, and others have come since
		l.items = slices.Insert(l.items, 0, item[T]{})
		l.first = 1
	}
	l.first--
	l.items[l.first] = v
	l.bytes += v.size
}

// front is the oldest item of a list that is not empty.
func (l *list[T]) front() *item[T] { return &l.items[l.first] }

// pop removes the oldest item of a list that is not empty.
func (l *list[T]) pop() item[T] {
	v := l.items[l.first]
	l.items[l.first] = item[T]{}
	l.first++
	l.bytes -= v.size
	if l.first == len(l.items) {
		l.items, l.first = l.items[:0], 0
		if cap(l.items) > keepRoom {
			l.items = nil
		}
	}
	return v
}

// hole is a place where items are missing.
type hole[T any] struct {
	n    int
	mark *T // one of those missing, and to be put there, whatever n is
}

func (h *hole[T]) any() bool { return h.n > 0 || h.mark != nil }

func (h *hole[T]) add(v item[T]) {
	if v.mark {
		h.mark = &v.v
	} else {
		h.n++
	}
}

func (h *hole[T]) merge(other hole[T]) {
	h.n += other.n
	if h.mark == nil {
		h.mark = other.mark
	}
}

// sizes are those of the items in the channel, the oldest first.
type sizes struct {
	ring  [chanRoom]int
	first int
	n     int
	bytes int
}

// keep forgets all but the newest n.
func (s *sizes) keep(n int) {
	for ; s.n > n; s.n-- {
		s.bytes -= s.ring[s.first]
		s.first = (s.first + 1) % len(s.ring)
	}
}

// sent notes that an item was put into the channel, which holds inChan now.
func (s *sizes) sent(size, inChan int) {
	s.keep(max(inChan-1, 0))
	s.ring[(s.first+s.n)%len(s.ring)] = size
	s.n++
	s.bytes += size
}
