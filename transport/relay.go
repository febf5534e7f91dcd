package transport

import (
	"bytes"

	"github.com/flux-sdk/flux/codec"
)

// Relayer is what a [Conn] has, besides, for a broker that passes on one message
// after the other in the same way. All conns of this package that are made of a
// byte stream are Relayers.
type Relayer interface {
	// Relay passes on to another Conn of this package, without decoding them, as many of the
	// next messages as are in memory already and fit p, but max at most, and
	// returns how many. They are queued as [Queuer] has it, without a flush. It
	// belongs to the goroutine that calls Recv.
	Relay(to Conn, p *Pattern, max int) int
}

// Pattern is how one message was passed on: those that differ from it in nothing
// but the payload and the matchtag become what differs from what it became in
// nothing but these. A zero Pattern fits no message.
type Pattern struct{ in, out fixed }

// Set makes p the pattern of a message that came as in and left as out, with the
// same payload and matchtag. It reports false, and makes p fit nothing, if there
// is more to it than that. Nothing of both is kept.
func (p *Pattern) Set(in, out *codec.Message) bool {
	if in.Type != out.Type || in.Matchtag != out.Matchtag || in.Type == codec.TypeControl ||
		in.Flags&codec.FlagPayload == 0 || !bytes.Equal(in.Payload, out.Payload) || p.in.set(in) != nil || p.out.set(out) != nil {
		p.in.head = nil
		return false
	}
	return true
}

// payload returns the payload of a body, if the body fits.
func (p *Pattern) payload(body []byte) ([]byte, bool) {
	if len(p.in.head) == 0 {
		return nil, false
	}
	head, end := p.in.head[codec.PrefixSize:], len(body)-1-codec.HeaderSize
	if end <= len(head) || !bytes.Equal(body[end:end+tailSize], p.in.tail) || !bytes.Equal(body[:len(head)], head) {
		return nil, false
	}
	return codec.SolePart(body[len(head):end])
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
		payload, ok := p.payload(body)
		if !ok || !w.q.addFixed(&p.out, payload, body[len(body)-4:], w.max) {
			break
		}
		c.r.at += codec.PrefixSize + len(body)
		n++
	}
	w.backlog.Add(int64(w.q.size - before))
	return n
}
