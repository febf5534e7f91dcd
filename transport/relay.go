package transport

import (
	"bytes"
	"encoding/binary"

	"github.com/flux-sdk/flux/codec"
)

// Relayer is what a [Conn] has, besides, for a broker that passes on one message
// after the other in the same way. All conns of this package that are made of a
// byte stream are Relayers.
type Relayer interface {
	// Relay passes on to another Relayer, without decoding them, as many of the
	// next messages as are in memory already and fit p, but max at most, and
	// returns how many. They are queued as [Queuer] has it, without a flush. It
	// belongs to the goroutine that calls Recv.
	Relay(to Conn, p *Pattern, max int) int
}

// tailSize is the header part up to the last word of the header, the matchtag.
const tailSize = 1 + codec.HeaderSize - 4

// Pattern is how one message was passed on: those that differ from it in nothing
// but the payload and the matchtag become what differs from what it became in
// nothing but these. A zero Pattern fits no message.
type Pattern struct{ in, out fixed }

// fixed is what frames of a pattern have before the payload part, the prefix
// included, and behind it.
type fixed struct{ head, tail []byte }

// Set makes p the pattern of a message that came as in and left as out, with the
// same payload and matchtag. It reports false, and makes p fit nothing, if there
// is more to it than that. Nothing of both is kept.
func (p *Pattern) Set(in, out *codec.Message) bool {
	if in.Type != out.Type || in.Matchtag != out.Matchtag || in.Type == codec.TypeControl ||
		in.Flags&codec.FlagPayload == 0 || !bytes.Equal(in.Payload, out.Payload) || p.in.set(in) != nil || p.out.set(out) != nil {
		p.Clear()
		return false
	}
	return true
}

// Clear makes p fit no message.
func (p *Pattern) Clear() { p.in.head, p.in.tail = p.in.head[:0], p.in.tail[:0] }

func (f *fixed) set(m *codec.Message) error {
	var room [512]byte
	b, cut, err := codec.AppendSplit(room[:0], m, 0)
	if err != nil {
		return err
	}
	size := partSize(len(m.Payload)) - len(m.Payload)
	f.head = append(f.head[:0], b[:cut-size]...)
	f.tail = append(f.tail[:0], b[cut:cut+tailSize]...)
	return nil
}

// payload returns the payload part of a body, with its size, if the body fits.
func (p *Pattern) payload(body []byte) (part []byte, ok bool) {
	if len(p.in.head) == 0 {
		return nil, false
	}
	head, end := p.in.head[codec.PrefixSize:], len(body)-1-codec.HeaderSize
	if end <= len(head) || !bytes.Equal(body[end:end+tailSize], p.in.tail) || !bytes.Equal(body[:len(head)], head) {
		return nil, false
	}
	part = body[len(head):end]
	_, ok = solePart(part)
	return part, ok
}

func (c *streamConn) Relay(to Conn, p *Pattern, max int) (n int) {
	d, ok := to.(*streamConn)
	if !ok || c.r.rest.can || d.r.rest.can { // which take note of each message
		return 0
	}
	w := &d.w
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.q.size
	for w.err == nil && n < max {
		body := c.r.peek()
		part, ok := p.payload(body)
		if !ok || !w.q.relay(p, part, body[len(body)-4:], w.max) {
			break
		}
		c.r.at += codec.PrefixSize + len(body)
		n++
	}
	w.backlog.Add(int64(w.q.size - before))
	return n
}

// peek is the body of the next message, nil if it is not in the buffer.
func (r *reader) peek() []byte {
	if r.err != nil || r.end-r.at < codec.PrefixSize {
		return nil
	}
	n, err := codec.ParsePrefix(r.buf[r.at:r.end], r.max)
	at := r.at + codec.PrefixSize
	if err != nil || r.end-at < n {
		return nil
	}
	return r.buf[at : at+n]
}

// relay is add for what fits p, of which it has the payload part and the
// matchtag. It reports false if that is too large.
func (q *frames) relay(p *Pattern, part, matchtag []byte, maxSize int) bool {
	n := len(p.out.head) + len(part) + tailSize + len(matchtag)
	if maxSize > 0 && n-codec.PrefixSize > maxSize {
		return false
	}
	q.room(n)
	start := len(q.last)
	b := append(append(q.last, p.out.head...), part...)
	b = append(append(b, p.out.tail...), matchtag...)
	binary.BigEndian.PutUint32(b[start+4:], uint32(n-codec.PrefixSize))
	q.size += n
	q.last = b
	return true
}
