package fluxtest_test

import (
	"github.com/flux-sdk/flux/codec"
)

// lossRows are what the loss of ranks 2 and 3 of the chain does. They are the
// last of the table.
func lossRows() []row {
	return []row{
		{sec: "6.1", name: "a rank is lost with requests pending both ways", run: func(c *convo) {
			top, mid, low := c.dialChain(0), c.dialChain(1), c.dialChain(3)
			svc0, svc1, svc3 := top.register(), mid.register(), low.register()
			streaming := flagged(tagged(rq(svc0+".watch", obj{}), 9), codec.FlagStreaming)
			watch := flagged(rq("groups.get", obj{"name": "broker.online"}), codec.FlagStreaming)
			top.ask(watch, okText(`{"members":"0-3"}`))

			down, near := at(tagged(rq(svc3+".x", obj{}), 6), 3), tagged(rq(svc1+".x", nil), 8)
			near.NodeID = 1
			top.send(down)
			low.next()
			low.send(streaming)
			first := top.next()
			top.send(near)
			nearest := mid.next()
			// What is answered already is not answered again.
			top.served(low, at(tagged(rq(svc3+".y", nil), 10), 3))

			if err := c.b.chain().LoseRank(2); err != nil {
				c.Fatal(err)
			}
			low.check(streaming, low.next(), fails(113, "overlay disconnect").from(5))
			low.ended()
			members := ""
			for lost := false; !lost || members != `{"members":"0-1"}`; {
				m := top.next()
				switch m.Matchtag {
				case 6:
					top.check(down, m, fails(113).from(5))
					lost = true
				case tag:
					members, _ = codec.TextPayload(m.Payload)
				default:
					c.Fatalf("%s", describe(m))
				}
			}
			// No notice tells the service of the clients that are cut off, and
			// a late answer to them is dropped.
			top.send(codec.NewResponse(first))
			top.quiet()
			mid.send(codec.NewResponse(nearest))
			top.check(near, top.next(), ok().from(roleOwner))
		}},
		{sec: "6.1", name: "requests to lost ranks", run: func(c *convo) {
			c.dialChain(0).ask(at(askRank(), 2), fails(113).from(roleOwner))
			c.dialChain(0).ask(at(askRank(), 3), fails(113).from(roleOwner))
			c.dialChain(1).ask(at(askRank(), 3), fails(113).from(5))
			c.dialChain(1).ask(at(askRank(), 0), rankIs(0))
		}},
		{sec: "9", name: "overlay.health: lost children have an error", run: func(c *convo) {
			c.dialChain(1).ask(rq("overlay.health", nil),
				okLike(`^\{"rank":1,"status":"degraded",.*\{"rank":2,"status":"lost","duration":[0-9.e-]+,"error":"[^"]+"`))
			c.dialChain(0).ask(rq("overlay.health", nil),
				okLike(`^\{"rank":0,"status":"degraded",.*\{"rank":1,"status":"degraded","duration":[0-9.e-]+\}`))
		}},
		{sec: "9", name: "overlay.stats-get: a child is not connected", run: func(c *convo) {
			c.dialChain(1).ask(rq("overlay.stats-get", nil),
				okLike(`"child-count":1,"child-connected":0,"parent-count":1,`))
		}},
	}
}
