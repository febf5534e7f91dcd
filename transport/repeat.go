package transport

import (
	"bytes"
	"encoding/binary"

	"github.com/flux-sdk/flux/codec"
)

// Repeater is what a [Conn] has, besides, that knows a message which is like the
// one before it but for the payload, as the items of a stream are. All conns of
// this package that are made of a byte stream are Repeaters.
type Repeater interface {
	// RecvRepeat is Recv if the next message is in memory, small, and like m,
	// which Recv or RecvRepeat returned last, in all but the payload: that is
	// all it replaces. It reports false, and has done nothing, if that is not
	// so. It belongs to the goroutine that calls Recv.
	RecvRepeat(m *codec.Message) bool
}

func (c *streamConn) RecvRepeat(m *codec.Message) bool {
	if !c.r.repeat(m) {
		return false
	}
	c.received(m)
	return true
}

func (r *reader) repeat(m *codec.Message) bool {
	// Only a message whose frame is of the size that it makes has the payload
	// right before the header, and all else before the payload.
	if r.lastSize == 0 || m.Flags&codec.FlagPayload == 0 || codec.FrameSize(m) != codec.PrefixSize+r.lastSize {
		return false
	}
	body := r.peek()
	last := r.buf[r.lastAt : r.lastAt+r.lastSize]
	end := len(body) - 1 - codec.HeaderSize
	lastEnd := len(last) - 1 - codec.HeaderSize
	head := lastEnd - partSize(len(m.Payload))
	if end <= head || len(body) >= recycleMin || !bytes.Equal(body[end:], last[lastEnd:]) || !bytes.Equal(body[:head], last[:head]) {
		return false
	}
	payload, ok := solePart(body[head:end])
	if !ok {
		return false
	}
	m.Payload = r.alloc(len(payload))
	if copy(m.Payload, payload) == 0 {
		m.Payload = []byte{}
	}
	r.at += codec.PrefixSize
	r.lastAt, r.lastSize, r.mem = r.at, len(body), nil
	r.at += len(body)
	return true
}

// longPart is the size byte of a part that has its size in the next four.
const longPart = 255

// partSize is the size of a part of n bytes with its size.
func partSize(n int) int {
	if n < longPart {
		return 1 + n
	}
	return 5 + n
}

// solePart returns the bytes of a part that is all of b, with its size spelled
// as it is when it is encoded.
func solePart(b []byte) (part []byte, ok bool) {
	n := int(b[0])
	if n != longPart {
		return b[1:], n == len(b)-1
	}
	if len(b) < 5+longPart {
		return nil, false
	}
	return b[5:], uint64(binary.BigEndian.Uint32(b[1:])) == uint64(len(b)-5)
}
