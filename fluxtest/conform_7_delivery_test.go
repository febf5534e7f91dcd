package fluxtest_test

import (
	"fmt"
	"slices"
	"sync"

	"github.com/flux-sdk/flux/codec"
)

// event checks the header of an event.
func (p *talker) event(topic string, seq, userid, roles uint32, flags codec.Flags, hopCounts ...int) *codec.Message {
	p.c.Helper()
	m := p.next()
	flags |= codec.FlagTopic | codec.FlagRoute
	if m.HasPayload() {
		flags |= codec.FlagPayload
	}
	if m.Type != codec.TypeEvent || m.Topic != topic || m.Sequence != seq || m.UserID != userid ||
		m.Rolemask != roles ||
		m.Flags != flags || m.Matchtag != 0 || !slices.Contains(hopCounts, m.Routes.Len()) {
		p.c.Errorf("got  %s seq=%d\nwant event %s seq=%d userid=%d rolemask=%d flags=%s hops=%d",
			describe(m), m.Sequence, topic, seq, userid, roles, flags, hopCounts)
	}
	return m
}

// deliveryRows are those of 7.4 to 7.6.
func deliveryRows() []row {
	const private = codec.FlagPrivate
	var rows []row
	for _, from := range []uint32{0, 3} {
		for _, to := range []uint32{0, 1, 3} {
			roles := uint32(roleOwner)
			if from == 0 && to == 0 {
				roles |= roleLocal
			}
			rows = append(rows,
				row{sec: "7.4", name: fmt.Sprintf("the header of an event published at rank %d, at rank %d", from,
					to), run: func(c *convo) {
					p, q, topic := c.dial(from), c.dial(to), c.name()
					q.subscribe(topic)
					q.event(topic, p.publish(topic, 0, "AQI="), owner, roles, 0, 1)
				}},
				row{sec: "7.4", name: fmt.Sprintf("a private event, published at rank %d, at rank %d", from, to),
					run: func(c *convo) {
						p, q, topic := c.dial(from), c.dial(to), c.name()
						q.subscribe(topic)
						if m := q.event(topic, p.publish(topic, private), owner, roles, private, 1); m.HasPayload() {
							c.Errorf("payload %q", m.Payload)
						}
					}},
				row{sec: "7.5", name: fmt.Sprintf("an event sent directly at rank %d, at rank %d", from, to),
					run: func(c *convo) {
						p, q, topic := c.dial(from), c.dial(to), c.name()
						q.subscribe(topic)
						before := p.publish(c.name(), 0)
						m := codec.NewEvent(topic)
						m.Sequence = 1 << 30
						m.SetPayload([]byte{1, 0, 2})
						p.send(m)
						hops := 1
						if from == 0 && to == 0 {
							hops = 2
						}
						got := q.next()
						if got.Sequence <= before || got.Sequence == 1<<30 {
							c.Errorf("sequence %d after %d", got.Sequence, before)
						}
						q.kept = append(q.kept, got)
						if got = q.event(topic, got.Sequence, owner, roles, 0,
							hops); string(got.Payload) != "\x01\x00\x02" {
							c.Errorf("payload %q", got.Payload)
						}
						p.quiet(0)
					}})
		}
	}
	direct := func(name string, m func(topic string) *codec.Message, check func(q *talker, m *codec.Message)) row {
		return row{sec: "7.5", name: name, run: func(c *convo) {
			p, q, topic := c.dial(0), c.dial(0), c.name()
			q.subscribe(topic)
			p.send(m(topic))
			check(q, q.next())
		}}
	}
	return append(rows,
		direct("a private one", func(topic string) *codec.Message { return flagged(codec.NewEvent(topic), private) },
			func(q *talker, m *codec.Message) {
				q.c.want("flags", m.Flags, private|codec.FlagTopic|codec.FlagRoute)
			}),
		direct("one with a flag of the application",
			func(topic string) *codec.Message { return flagged(codec.NewEvent(topic), codec.FlagUser1) },
			func(q *talker, m *codec.Message) {
				q.c.want("flags", m.Flags, codec.FlagUser1|codec.FlagTopic|codec.FlagRoute)
			}),
		direct("one without the route flag", func(topic string) *codec.Message {
			m := codec.NewEvent(topic)
			m.Flags &^= codec.FlagRoute
			return m
		}, func(q *talker, m *codec.Message) {
			q.c.want("flags", m.Flags, codec.FlagTopic|codec.FlagRoute)
		}),
		direct("one with credentials stated by the owner",
			func(topic string) *codec.Message { return by(codec.NewEvent(topic), 77, 2) },
			func(q *talker, m *codec.Message) {
				q.c.want("credentials", []uint32{m.UserID, m.Rolemask}, []uint32{77, 2})
			}),
		direct("one with an empty payload part", func(topic string) *codec.Message {
			m := codec.NewEvent(topic)
			m.SetPayload([]byte{})
			return m
		}, func(q *talker, m *codec.Message) {
			q.c.want("payload", fmt.Sprint(m.HasPayload(), len(m.Payload)), "true 0")
		}),
		row{sec: "7.4", name: "an event bears the credentials of its publisher", run: func(c *convo) {
			p, topic := c.dial(0), c.name()
			p.subscribe(topic)
			p.send(by(at(rq("event.publish", obj{"topic": topic, "flags": 32}), 0), 77, 2))
			m := p.next()
			c.want("credentials", []uint32{m.UserID, m.Rolemask}, []uint32{77, 2})
		}},
		row{sec: "7.4", name: "a publisher sees its own event before the response, at rank 0",
			run: func(c *convo) { ownFirst(c, 0) }},
		row{sec: "7.4", name: "a publisher sees its own event before the response, at rank 3",
			run: func(c *convo) { ownFirst(c, 3) }},
		row{sec: "7.4", name: "all connections see events in the order of their numbers", run: func(c *convo) {
			const n = 50
			topic := c.name()
			var readers []*talker
			for _, rank := range []uint32{0, 1, 3} {
				q := c.dial(rank)
				q.subscribe(topic)
				readers = append(readers, q)
			}
			var wg sync.WaitGroup
			for _, rank := range []uint32{0, 2, 3} {
				p := c.dial(rank)
				wg.Go(func() {
					for i := range n {
						m := codec.NewEvent(topic)
						if i%2 == 0 {
							m = at(flagged(rq("event.publish", obj{"topic": topic, "flags": 0}),
								codec.FlagNoResponse), 0)
						}
						p.conn.Send(c.Context(), m)
					}
				})
			}
			wg.Wait()
			var seqs [3][]uint32
			for i, q := range readers {
				last := uint32(0)
				for range 3 * n {
					m := q.next()
					if m.Sequence <= last {
						c.Errorf("%d after %d at reader %d", m.Sequence, last, i)
					}
					last = m.Sequence
					seqs[i] = append(seqs[i], last)
				}
			}
			if !slices.Equal(seqs[0], seqs[1]) || !slices.Equal(seqs[0], seqs[2]) {
				c.Errorf("the readers saw different events: %d", seqs)
			}
		}},
		row{sec: "7.4", name: "who subscribes later has missed it", run: func(c *convo) {
			p, topic := c.dial(0), c.name()
			p.publish(topic, 0)
			p.subscribe(topic)
			p.quiet()
		}},
		row{sec: "7.6", name: "heartbeat.pulse comes by itself, without a payload, from the owner",
			run: func(c *convo) {
				p := c.dial(3)
				p.subscribe("heartbeat.pulse")
				m := p.next()
				if m.Type != codec.TypeEvent || m.Topic != "heartbeat.pulse" || m.HasPayload() || m.UserID != owner ||
					m.Rolemask != roleOwner {
					c.Errorf("%s", describe(m))
				}
			}},
	)
}

func ownFirst(c *convo, rank uint32) {
	p, topic := c.dial(rank), c.name()
	p.subscribe(topic)
	for range 50 {
		p.send(at(rq("event.publish", obj{"topic": topic, "flags": 0}), 0))
		if ev, resp := p.next(), p.next(); ev.Type != codec.TypeEvent || resp.Type != codec.TypeResponse {
			c.Fatalf("%s before %s", describe(ev), describe(resp))
		}
	}
}
