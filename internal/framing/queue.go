package framing

import (
	"slices"

	"github.com/flux-sdk/flux/codec"
)

// frames is a queue of encoded frames. A long one grows by further buffers and
// not by copying what it has.
type frames struct {
	full  [][]byte // the oldest first
	last  []byte   // is filled
	size  int      // bytes in all of them
	spare [][]byte
	kept  int // capacity of the spare ones
}

// add encodes m at the end of the queue.
func (q *frames) add(m *codec.Message, maxSize int) error {
	q.room(len(m.Payload) + len(m.Routes) + 1<<10)
	buf, err := codec.AppendMax(q.last, m, maxSize)
	q.size += len(buf) - len(q.last)
	q.last = buf
	return err
}

// room begins another buffer if n bytes would make the last one grow.
func (q *frames) room(n int) {
	if have := len(q.last); have > 0 && have+n > chunkSize {
		q.extend()
	}
}

// extend begins another buffer.
//
//go:noinline
func (q *frames) extend() {
	q.full = append(q.full, q.last)
	if q.last = q.reuse(); q.last == nil {
		q.last = make([]byte, 0, chunkSize)
	}
}

// take removes the oldest buffer; nil says that the queue is empty.
func (q *frames) take() (b []byte) {
	switch {
	case len(q.full) > 0:
		b = q.full[0]
		q.full = slices.Delete(q.full, 0, 1)
	case len(q.last) > 0:
		b, q.last = q.last, q.reuse()
	}
	q.size -= len(b)
	return b
}

func (q *frames) reuse() []byte {
	n := len(q.spare)
	if n == 0 {
		return nil
	}
	b := q.spare[n-1]
	q.spare = slices.Delete(q.spare, n-1, n)
	q.kept -= cap(b)
	return b
}

// recycle takes a buffer back whose bytes are not needed any more.
func (q *frames) recycle(b []byte) {
	if q.kept+cap(b) <= keepBytes {
		q.spare = append(q.spare, b[:0])
		q.kept += cap(b)
	}
}
