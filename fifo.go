package flux

import "sync"

// chunkLen is how many items a chunk has room for: it is of the size, 512 bytes,
// that the garbage collector scans at least cost.
const chunkLen = 15

// fifo is a queue of items that takes memory for what is in it, and moves none
// of it. The zero value is empty.
type fifo[T any] struct {
	first, last *chunk[T] // nil while it is empty
	at          int       // of the oldest, in first
	n           int       // items
}

type chunk[T any] struct {
	items [chunkLen]boxed[T]
	used  int
	next  *chunk[T]
}

// Unused chunks, which have no items.
var responseChunks, eventChunks sync.Pool

func chunksOf[T any]() *sync.Pool {
	var v T
	if _, ok := any(v).(Event); ok {
		return &eventChunks
	}
	return &responseChunks
}

func (q *fifo[T]) push(v boxed[T]) {
	if q.last == nil || q.last.used == chunkLen {
		c, ok := chunksOf[T]().Get().(*chunk[T])
		if !ok {
			c = new(chunk[T])
		}
		if q.last == nil {
			q.first = c
		} else {
			q.last.next = c
		}
		q.last = c
	}
	q.last.items[q.last.used] = v
	q.last.used++
	q.n++
}

// front is the oldest item of a fifo that is not empty.
func (q *fifo[T]) front() *boxed[T] { return &q.first.items[q.at] }

// pop removes the oldest item.
func (q *fifo[T]) pop() boxed[T] {
	c := q.first
	v := c.items[q.at]
	c.items[q.at] = boxed[T]{}
	q.at++
	q.n--
	if q.at == c.used {
		if q.first, q.at = c.next, 0; q.first == nil {
			q.last = nil
		}
		c.used, c.next = 0, nil
		chunksOf[T]().Put(c)
	}
	return v
}
