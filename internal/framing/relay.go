package framing

import (
	"bytes"
	"encoding/binary"

	"github.com/flux-sdk/flux/codec"
)

// A broker that runs in this process passes on millions of messages that differ in
// the payload and the matchtag alone. To decode, route and encode each of them
// costs a third of the rate of its streams, so those that are like the one before
// are passed on as bytes.

// tailSize is the header part up to the last word of the header, the matchtag.
const tailSize = 1 + codec.HeaderSize - 4

// frame is what frames that differ in payload and matchtag alone have in common:
// what is before the payload part, the prefix included, and what is behind it.
type frame struct{ head, tail []byte }

// set makes f that of the frame of m, which has a payload.
func (f *frame) set(m *codec.Message) error {
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

// addLike adds the frame with what f has, a payload and a matchtag. It reports
// false if that is too large.
func (q *frames) addLike(f *frame, payload, matchtag []byte, maxSize int) bool {
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

// Route is how one message was passed on: those that differ from it in nothing but
// the payload and the matchtag become what differs from what it became in nothing
// but these. A zero Route fits no message.
type Route struct{ in, out frame }

// Set makes p the route of a message that came as in and left as out, with the
// same payload and matchtag. It reports false, and makes p fit nothing, if there
// is more to it than that. Nothing of both is kept.
func (p *Route) Set(in, out *codec.Message) bool {
	if in.Type != out.Type || in.Matchtag != out.Matchtag || in.Type == codec.TypeControl ||
		in.Flags&codec.FlagPayload == 0 || !bytes.Equal(in.Payload, out.Payload) || p.in.set(in) != nil || p.out.set(out) != nil {
		p.in.head = nil
		return false
	}
	return true
}

// payload returns the payload of a body, if the body fits.
func (p *Route) payload(body []byte) ([]byte, bool) {
	if len(p.in.head) == 0 {
		return nil, false
	}
	head, end := p.in.head[codec.PrefixSize:], len(body)-1-codec.HeaderSize
	if end <= len(head) || !bytes.Equal(body[end:end+tailSize], p.in.tail) || !bytes.Equal(body[:len(head)], head) {
		return nil, false
	}
	return codec.SolePart(body[len(head):end])
}

// Relay passes on to another Conn, without decoding them, as many of the next
// messages as are in memory already and fit p, but limit at most, and returns how
// many. They are queued, and not written. It belongs to the goroutine that calls
// Recv. Conns whose reads may pause take note of each message: they relay none.
func (c *Conn) Relay(to *Conn, p *Route, limit int) (n int) {
	if c.r.throttle.on || to.r.throttle.on {
		return 0
	}
	w := &to.w
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.q.size
	for w.err == nil && n < limit {
		body := c.r.peek()
		payload, ok := p.payload(body)
		if !ok || !w.q.addLike(&p.out, payload, body[len(body)-4:], w.max) {
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
	if r.err != nil || r.big.size > 0 || r.end-r.at < codec.PrefixSize {
		return nil
	}
	n, err := codec.ParsePrefix(r.buf[r.at:r.end], r.max)
	at := r.at + codec.PrefixSize
	if err != nil || r.end-at < n {
		return nil
	}
	return r.buf[at : at+n]
}

// RecvBorrowed is Recv for one who passes messages on and keeps none: the Routes
// and the Payload of a small m are the Conn's own, valid until the next Recv, and
// must not be changed.
func (c *Conn) RecvBorrowed(m *codec.Message) error {
	c.r.borrows = true
	err := c.Recv(m)
	c.r.borrows = false
	return err
}
