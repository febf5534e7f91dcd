package fluxtest_test

import (
	"regexp"
	"slices"

	"github.com/flux-sdk/flux/codec"
)

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// routesAt is the route stack that a service sees of a request of p.
func (p *talker) routesAt(svc *talker, req *codec.Message) []string {
	p.c.Helper()
	p.send(req)
	return hops(svc.next())
}

// connected lists the UUIDs of the clients of a rank.
func (c *convo) connected(p *talker) (uuids []string) {
	c.Helper()
	for _, cl := range p.stats().Server.Clients {
		uuids = append(uuids, cl.UUID)
	}
	return uuids
}

// attr asks for an attribute.
func (p *talker) attr(name string) string {
	p.c.Helper()
	var v struct{ Value string }
	p.into(at(rq("attr.get", obj{"name": name}), p.rank), &v)
	return v.Value
}

// routeRows are those of 4: what hops there are.
func routeRows() []row {
	count := func(name string, chain bool, from, at, nodeid uint32, want int) row {
		return row{sec: "4", name: name, run: func(c *convo) {
			dial := c.dial
			if chain {
				dial = c.dialChain
			}
			p, svc := dial(from), dial(at)
			req := rq(svc.register()+".x", nil)
			req.NodeID = nodeid
			if got := p.routesAt(svc, req); len(got) != want {
				c.Errorf("routes %q, want %d hops", got, want)
			}
		}}
	}
	return []row{
		count("a service on the same rank sees 3 hops", false, 0, 0, codec.NodeAny, 3),
		count("one on the parent 4", false, 3, 0, codec.NodeAny, 4),
		count("one on a child 4", false, 0, 3, 3, 4),
		count("one on a sibling 5", false, 1, 3, 3, 5),
		count("chain: 1 step", true, 3, 2, codec.NodeAny, 4),
		count("chain: 2 steps", true, 3, 1, codec.NodeAny, 5),
		count("chain: 3 steps up", true, 3, 0, codec.NodeAny, 6),
		count("chain: 3 steps down", true, 0, 3, 3, 6),
		{sec: "4", name: "hops are UUIDs in lower case", run: func(c *convo) {
			p, svc := c.dial(1), c.dial(3)
			for _, hop := range p.routesAt(svc, at(rq(svc.register()+".x", nil), 3)) {
				if !uuidForm.MatchString(hop) {
					c.Errorf("hop %q", hop)
				}
			}
		}},
		{sec: "4", name: "the hops are broker, connector and requester", run: func(c *convo) {
			p, svc := c.dial(0), c.dial(0)
			req := rq(svc.register()+".x", nil)
			first := p.routesAt(svc, req)
			if again := p.routesAt(svc, req); !slices.Equal(again, first) {
				c.Errorf("%q, before %q", again, first)
			}
			own := svc.routesAt(svc, req)
			if own[0] != first[0] || own[1] != first[1] || own[2] == first[2] {
				c.Errorf("two clients are %q and %q", own, first)
			}
			if uuids := c.connected(p); !slices.Contains(uuids, first[2]) || !slices.Contains(uuids, own[2]) {
				c.Errorf("%q are connected, %q and %q sent", uuids, first[2], own[2])
			}
			c.want("the broker's hop", first[0], p.attr("broker.uuid"))
		}},
		{sec: "4", name: "the hops between ranks are own broker, other broker, connector, requester",
			run: func(c *convo) {
				p, svc := c.dial(0), c.dial(3)
				req := at(rq(svc.register()+".x", nil), 3)
				got, local := p.routesAt(svc, req), svc.routesAt(svc, req)
				c.want("first hop", got[0], local[0])
				c.want("second hop", got[1], p.attr("broker.uuid"))
				if got[2] == local[1] {
					c.Errorf("ranks 0 and 3 have one connector: %q, %q", got, local)
				}
			}},
		{sec: "4", name: "a client's own hops stay below its UUID", run: func(c *convo) {
			p, svc := c.dial(0), c.dial(0)
			req := rq(svc.register()+".x", nil)
			plain := p.routesAt(svc, req)
			req.Routes = codec.MakeRoutes("x", "yy")
			p.send(req)
			m := svc.next()
			c.want("routes", hops(m), append(plain, "x", "yy"))
			svc.send(codec.NewResponse(m))
			p.check(req, p.next(), ok())
		}},
		one("4", "a client's own hops come back from the broker", 0, func() *codec.Message {
			m := askRank()
			m.Routes = codec.MakeRoutes("x", "yy")
			return m
		}, okText(rank0)),
		one("4", "a client's own hops come back from another rank", 0, func() *codec.Message {
			m := at(askRank(), 3)
			m.Routes = codec.MakeRoutes("x", "yy")
			return m
		}, rankIs(3)),
		one("4", "ping shows the hops of the same rank", 0, func() *codec.Message { return rq("broker.ping", obj{}) },
			okLike(`"route": "[0-9a-f]{8}!([0-9a-f]{8})![0-9a-f]{8}", `)),
		one("4", "ping shows the hops to a child", 0,
			func() *codec.Message { return at(rq("broker.ping", obj{}), 3) },
			okLike(`"route": "([0-9a-f]{8}!){3}[0-9a-f]{8}", `)),
		one("4", "ping shows the hops to a module", 0,
			func() *codec.Message { return at(rq("overlay.ping", obj{}), 3) },
			okLike(`"route": "([0-9a-f]{8}!){4}[0-9a-f]{8}", `)),
	}
}

// replyRows are those of 4 about responses and how they get lost.
func replyRows() []row {
	// served sends what make makes of a request, and a good response after it.
	served := func(name string, lost bool, make func(req *codec.Message) *codec.Message) row {
		return row{sec: "4", name: name, run: func(c *convo) {
			p, svc := c.dial(0), c.dial(0)
			p.send(rq(svc.register()+".x", nil))
			req := svc.next()
			resp := make(req)
			last := tagged(codec.NewResponse(req), 999)
			svc.send(resp, last)
			if !lost {
				m := p.next()
				c.want("response", []any{m.Topic, m.Matchtag, m.Errnum, string(m.Payload)},
					[]any{resp.Topic, resp.Matchtag, resp.Errnum, string(resp.Payload)})
			}
			c.want("the next response", p.next().Matchtag, 999)
			svc.quiet()
		}}
	}
	return []row{
		served("the topic of a response is not checked", false, func(req *codec.Message) *codec.Message {
			m := codec.NewResponse(req)
			m.Topic = "other.topic"
			return m
		}),
		served("the matchtag of a response is not checked", false, func(req *codec.Message) *codec.Message {
			return tagged(codec.NewResponse(req), 12345)
		}),
		served("the errnum of a response is any", false, func(req *codec.Message) *codec.Message {
			m := codec.NewResponse(req)
			m.Errnum = 0xfffffffe
			return m
		}),
		served("an error may have any payload", false, func(req *codec.Message) *codec.Message {
			m := codec.NewResponse(req)
			m.Errnum = 5
			m.SetPayload([]byte{0, 1, 0xff})
			return m
		}),
		served("a second response is delivered too", false, codec.NewResponse),
		served("a response without routes is lost", true, func(req *codec.Message) *codec.Message {
			m := codec.NewResponse(req)
			m.Routes = nil
			return m
		}),
		served("a response without the route flag is lost", true, func(req *codec.Message) *codec.Message {
			m := codec.NewResponse(req)
			m.Routes = nil
			m.Flags &^= codec.FlagRoute
			return m
		}),
		served("a response without its first hop is lost", true, func(req *codec.Message) *codec.Message {
			m := codec.NewResponse(req)
			_, m.Routes, _ = req.Routes.Pop()
			return m
		}),
		served("a response without its last hop is lost", true, func(req *codec.Message) *codec.Message {
			m := codec.NewResponse(req)
			m.Routes = codec.MakeRoutes(hops(req)[:2]...)
			return m
		}),
		served("a response with hops exchanged is lost", true, func(req *codec.Message) *codec.Message {
			m := codec.NewResponse(req)
			h := hops(req)
			m.Routes = codec.MakeRoutes(h[1], h[0], h[2])
			return m
		}),
		served("a response to nobody known is lost", true, func(req *codec.Message) *codec.Message {
			m := codec.NewResponse(req)
			h := hops(req)
			m.Routes = codec.MakeRoutes(h[0], h[1], "00000000-0000-4000-8000-000000000000")
			return m
		}),
		{sec: "4", name: "a response without a topic is lost", run: func(c *convo) {
			p, svc := c.dial(0), c.dial(0)
			req := rq(svc.register()+".x", nil)
			p.send(req)
			resp := codec.NewResponse(svc.next())
			svc.write(withoutTopic(c, resp))
			svc.quiet()
			svc.send(resp)
			p.check(req, p.next(), ok())
			p.quiet()
		}},
		{sec: "4", name: "a response across ranks with a hop missing is lost", run: func(c *convo) {
			p, svc := c.dial(0), c.dial(3)
			req := at(rq(svc.register()+".x", nil), 3)
			p.send(req)
			got := svc.next()
			bad := tagged(codec.NewResponse(got), 888)
			h := hops(got)
			bad.Routes = codec.MakeRoutes(h[0], h[2], h[3])
			svc.send(bad, codec.NewResponse(got))
			p.check(req, p.next(), ok())
		}},
		{sec: "4", name: "a response to a client that has gone is dropped", run: func(c *convo) {
			p, svc := c.dial(0), c.dial(0)
			name := svc.register()
			p.send(rq(name+".x", nil))
			req := svc.next()
			p.close()
			c.want("topic", svc.next().Topic, name+".disconnect")
			svc.send(codec.NewResponse(req))
			svc.quiet()
		}},
		{sec: "4", name: "errors of the broker keep a request's flags and tag", run: func(c *convo) {
			p := c.dial(0)
			p.ask(flagged(tagged(rq("nosuch.x", obj{}), 4711),
				codec.FlagStreaming|codec.FlagUser1|codec.FlagPrivate), noService("nosuch.x"))
		}},
	}
}

// withoutTopic is the frame of m less its topic.
func withoutTopic(c *convo, m *codec.Message) []byte {
	b := c.frame(m)
	i := len(b) - codec.HeaderSize - 1 - len(m.Topic) - 1
	b = slices.Delete(b, i, i+1+len(m.Topic))
	b[len(b)-codec.HeaderSize+3] &^= byte(codec.FlagTopic)
	b[7] -= byte(1 + len(m.Topic))
	return b
}
