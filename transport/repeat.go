package transport

import (
	"bytes"

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
	head := lastEnd - codec.PartSize(len(m.Payload))
	if end <= head || len(body) >= blockSize || !bytes.Equal(body[end:], last[lastEnd:]) || !bytes.Equal(body[:head], last[:head]) {
		return false
	}
	payload, ok := codec.SolePart(body[head:end])
	if !ok {
		return false
	}
	m.Payload = r.alloc(len(payload))
	if copy(m.Payload, payload) == 0 {
		m.Payload = []byte{}
	}
	r.at += codec.PrefixSize
	r.lastAt, r.lastSize = r.at, len(body)
	r.at += len(body)
	return true
}
