package fluxtest

import (
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/transport"
)

// relay is how the last message of a connection was passed on: those that follow
// it may go the same way without being decoded. It belongs to the reader.
type relay struct {
	typ     codec.Type
	topic   string
	to      *Conn
	pattern transport.Pattern
}

// relays reports whether nobody has to be shown each message.
func (b *Broker) relays() bool { return b.record.max <= 0 && b.scripts.table.Load() == nil }

// passOn handles m as receive does and then passes on what is in memory behind
// it and differs from it in nothing but payload and matchtag, which no router
// looks at. It returns how many messages that were.
func (c *Conn) passOn(m *codec.Message, bt *batch) int {
	ry, came := &c.relay, *m
	bt.passed = nil
	c.receive(m, bt)
	if bt.passed != m || bt.to.r != c.r || bt.to.faults.Load() != nil || !c.more.Buffered() {
		return 0
	}
	if ry.topic != came.Topic || ry.typ != came.Type {
		ry.topic, ry.typ, ry.to = came.Topic, came.Type, nil
		return 0 // the first of its kind may be the only one
	}
	n := 0
	if ry.to == bt.to {
		n = c.relayed(bt)
	}
	if n == 0 && ry.pattern.Set(&came, m) {
		ry.to = bt.to
		n = c.relayed(bt)
	}
	return n
}

// relayed passes on what fits the pattern.
func (c *Conn) relayed(bt *batch) int {
	to := c.relay.to
	n := c.tc.(transport.Relayer).Relay(to.tc, &c.relay.pattern, flushEvery)
	if n == 0 {
		return 0
	}
	c.tx.Add(int64(n))
	to.queued.Add(int64(n))
	if c.relay.typ == codec.TypeRequest {
		c.r.counters.rxRequest.Add(int64(n))
	} else {
		c.r.counters.rxResponse.Add(int64(n))
	}
	bt.mark(to)
	return n
}
