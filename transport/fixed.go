package transport

import (
	"encoding/binary"

	"github.com/flux-sdk/flux/codec"
)

// tailSize is the header part up to the last word of the header, the matchtag.
const tailSize = 1 + codec.HeaderSize - 4

// fixed is what frames that differ in payload and matchtag alone have in common:
// what is before the payload part, the prefix included, and what is behind it.
type fixed struct{ head, tail []byte }

// set makes f that of the frame of m, which has a payload.
func (f *fixed) set(m *codec.Message) error {
	var room [512]byte
	b, cut, err := codec.AppendSplit(room[:0], m, 0)
	if err != nil {
		return err
	}
	size := codec.PartSize(len(m.Payload)) - len(m.Payload)
	f.head = append(f.head[:0], b[:cut-size]...)
	f.tail = append(f.tail[:0], b[cut:cut+tailSize]...)
	return nil
}

// addFixed adds the frame with what f has, a payload and a matchtag. It reports
// false if that is too large.
func (q *frames) addFixed(f *fixed, payload, matchtag []byte, maxSize int) bool {
	n := len(f.head) + codec.PartSize(len(payload)) + len(f.tail) + len(matchtag)
	if body := n - codec.PrefixSize; body > codec.DefaultMaxSize || maxSize > 0 && body > maxSize {
		return false
	}
	q.room(n)
	start := len(q.last)
	b := codec.AppendPartSize(append(q.last, f.head...), len(payload))
	b = append(append(append(b, payload...), f.tail...), matchtag...)
	binary.BigEndian.PutUint32(b[start+4:], uint32(n-codec.PrefixSize))
	q.size += n
	q.last = b
	return true
}
