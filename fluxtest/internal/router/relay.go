package router

import (
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/framing"
)

// relay is how the last message of a connection was passed on: those behind it that
// differ from it in payload and matchtag alone go the same way without being
// decoded, because no router looks at these. It is owned by the reading goroutine.
type relay struct {
	typ   codec.Type
	topic string
	to    *Conn
	route framing.Route
}

// relays reports whether nobody has to be shown each message.
func (b *Broker) relays() bool { return b.cfg.Received == nil && !b.cfg.Scripts.Any() }

// passOn handles m, whose routes and payload are borrowed, as receive does, and
// then passes on those behind it that are like it. It returns how many there were.
func (c *Conn) passOn(m *codec.Message, b *Batch) int {
	ry, came := &c.relay, *m
	b.passed = nil
	c.receive(m, b)
	if b.passed != m || b.to.r != c.r || b.to.faults.Load() != nil || !c.conn.Buffered() {
		return 0
	}
	if ry.topic != came.Topic || ry.typ != came.Type {
		ry.topic, ry.typ, ry.to = came.Topic, came.Type, nil
		return 0 // the first of its kind may be the only one
	}
	n := 0
	if ry.to == b.to {
		n = c.relayBuffered(b)
	}
	if n == 0 && ry.route.Set(&came, m) {
		ry.to = b.to
		n = c.relayBuffered(b)
	}
	return n
}

// relayBuffered passes on what fits the route.
func (c *Conn) relayBuffered(b *Batch) int {
	to := c.relay.to
	n := c.conn.Relay(to.conn, &c.relay.route, FlushEvery)
	if n == 0 {
		return 0
	}
	c.recvd.Add(int64(n))
	to.queued.Add(int64(n))
	if c.relay.typ == codec.TypeRequest {
		c.r.Counters.RxRequest.Add(int64(n))
	} else {
		c.r.Counters.RxResponse.Add(int64(n))
	}
	b.mark(to)
	return n
}

// owned returns m with routes and a payload of its own, for whoever keeps a
// message whose memory is borrowed.
func owned(m *codec.Message) *codec.Message {
	c := *m
	n := len(m.Routes)
	b := append(append(make([]byte, 0, n+len(m.Payload)), m.Routes...), m.Payload...)
	if m.Routes != nil {
		c.Routes = b[:n:n]
	}
	if m.Payload != nil {
		c.Payload = b[n:]
	}
	return &c
}

// header is owned without the payload.
func header(m *codec.Message) *codec.Message {
	c := *m
	c.Payload = nil
	return owned(&c)
}
