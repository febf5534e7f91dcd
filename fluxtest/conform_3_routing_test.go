package fluxtest_test

import (
	"fmt"

	"github.com/flux-sdk/flux/codec"
)

func noService(topic string) answer {
	text := "No service matching " + topic + " is registered"
	return fails(38, text[:min(len(text), 63)])
}

func upstream(m *codec.Message, nodeid uint32) *codec.Message {
	return flagged(at(m, nodeid), codec.FlagUpstream)
}

// routingRows are those of 3.4: where a request goes.
func routingRows() []row {
	rows := []row{
		one("3.4", "any is the own rank", 3, askRank, rankIs(3)),
		one("3.4", "own rank", 3, func() *codec.Message { return at(askRank(), 3) }, rankIs(3)),
		one("3.4", "another rank, down", 0, func() *codec.Message { return at(askRank(), 2) }, rankIs(2)),
		one("3.4", "another rank, up", 2, func() *codec.Message { return at(askRank(), 0) }, rankIs(0)),
		one("3.4", "another rank, up and down", 2, func() *codec.Message { return at(askRank(), 1) }, rankIs(1)),
		one("3.4", "no such rank", 0, func() *codec.Message { return at(askRank(), 4) }, fails(113).from(5)),
		one("3.4", "no such rank, asked from another than 0", 3,
			func() *codec.Message { return at(askRank(), 77) }, fails(113)),
		one("3.4", "the API's constant for upstream is no rank", 0,
			func() *codec.Message { return at(askRank(), codec.NodeUpstream) }, fails(113).from(5)),
		one("3.4", "upstream goes to the parent", 3, func() *codec.Message { return upstream(askRank(), 3) },
			rankIs(0)),
		one("3.4", "upstream at rank 0", 0, func() *codec.Message { return upstream(askRank(), 0) },
			fails(113).from(5)),
		one("3.4", "upstream with another rank is any", 0,
			func() *codec.Message { return upstream(askRank(), 2) }, rankIs(0).from(5)),
		one("3.4", "upstream with any is any", 3,
			func() *codec.Message { return upstream(askRank(), codec.NodeAny) }, rankIs(3).from(5)),
		one("3.4", "upstream to a service that is nowhere", 3,
			func() *codec.Message { return upstream(rq("nosuch.x", nil), 3) }, noService("nosuch.x")),
		one("3.4", "any climbs and fails at rank 0", 3, func() *codec.Message { return rq("nosuch.x", nil) },
			noService("nosuch.x").from(1)),
		one("3.4", "own rank does not climb", 3, func() *codec.Message { return at(rq("nosuch.x", nil), 3) },
			noService("nosuch.x").from(5)),
		one("3.4", "another rank does not climb", 0, func() *codec.Message { return at(rq("nosuch.x", nil), 3) },
			noService("nosuch.x").from(1)),

		{sec: "3.4", name: "a service on rank 0 is reached from everywhere with any", run: func(c *convo) {
			svc := c.dial(0)
			name := svc.register()
			for rank := range uint32(4) {
				c.dial(rank).served(svc, rq(name+".x", nil))
			}
		}},
		{sec: "3.4", name: "a service on rank 0 is not reached with the own rank's number", run: func(c *convo) {
			name := c.dial(0).register()
			c.dial(3).ask(at(rq(name+".x", nil), 3), noService(name+".x"))
		}},
		{sec: "3.4", name: "a service on rank 3 is not reached with any from elsewhere", run: func(c *convo) {
			name := c.dial(3).register()
			c.dial(0).ask(rq(name+".x", nil), noService(name+".x"))
			c.dial(1).ask(rq(name+".x", nil), noService(name+".x").from(1))
		}},
		{sec: "3.4", name: "a service on rank 3 is reached with any from there", run: func(c *convo) {
			svc := c.dial(3)
			c.dial(3).served(svc, rq(svc.register()+".x", nil))
		}},
		{sec: "3.4", name: "a service on rank 3 is reached with 3 from everywhere", run: func(c *convo) {
			svc := c.dial(3)
			name := svc.register()
			for rank := range uint32(4) {
				c.dial(rank).served(svc, at(rq(name+".x", nil), 3))
			}
		}},
		{sec: "3.4", name: "the nearest of two wins", run: func(c *convo) {
			far, near, name := c.dial(0), c.dial(3), c.name()
			for _, svc := range []*talker{far, near} {
				svc.ask(rq("service.add", obj{"service": name}), ok())
			}
			c.dial(3).served(near, rq(name+".x", nil))
			c.dial(1).served(far, rq(name+".x", nil))
			c.dial(3).served(far, at(rq(name+".x", nil), 0))
			c.dial(3).served(far, upstream(rq(name+".x", nil), 3))
		}},

		{sec: "3.4", name: "chain: any stops at the first above that has it", run: func(c *convo) {
			svc := c.dialChain(1)
			name := svc.register()
			c.dialChain(3).served(svc, rq(name+".x", nil))
			c.dialChain(0).ask(rq(name+".x", nil), noService(name+".x"))
		}},
		{sec: "3.4", name: "chain: upstream is one step", run: func(c *convo) {
			c.dialChain(3).ask(upstream(askRank(), 3), rankIs(2))
		}},
		row{sec: "3.4", name: "chain: upstream climbs on to where the service is", run: func(c *convo) {
			svc := c.dialChain(0)
			c.dialChain(3).served(svc, upstream(rq(svc.register()+".x", nil), 3))
		}}.on(embeddedOne, "real brokers send it up and down for ever"),
	}
	for from := range uint32(4) {
		for to := range uint32(4) {
			rows = append(rows, row{sec: "3.4", name: fmt.Sprintf("chain: from %d to %d", from, to),
				run: func(c *convo) {
					c.dialChain(from).ask(at(askRank(), to), rankIs(to))
				}})
		}
	}
	return rows
}

// served checks that a request gets to a service and its response back.
func (p *talker) served(svc *talker, req *codec.Message) {
	p.c.Helper()
	p.send(req)
	got := svc.next()
	if got.Type != codec.TypeRequest || got.Topic != req.Topic || got.NodeID != req.NodeID ||
		got.Matchtag != req.Matchtag {
		p.c.Errorf("at the service: %s", describe(got))
	}
	text := p.c.name()
	resp := codec.NewResponse(got)
	resp.SetPayload([]byte(text + "\x00"))
	svc.send(resp)
	roles := uint32(roleOwner)
	if p.rank == svc.rank {
		roles |= roleLocal
	}
	p.check(req, p.next(), okText(text).from(roles))
}
