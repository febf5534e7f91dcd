package fluxtest_test

import (
	"fmt"
	"strings"

	"github.com/flux-sdk/flux/codec"
)

func addService(name string) *codec.Message { return rq("service.add", obj{"service": name}) }

func removeService(name string) *codec.Message { return rq("service.remove", obj{"service": name}) }

// registerRows are those of 8.1.
func registerRows() []row {
	add := func(name string, req func() *codec.Message, w answer) row {
		return one("8.1", "add: "+name, 0, req, w)
	}
	rows := []row{
		add("no payload", func() *codec.Message { return rq("service.add", nil) }, fails(71)),
		add("no name", func() *codec.Message { return rq("service.add", obj{}) }, fails(71)),
		add("a number", func() *codec.Message { return rq("service.add", obj{"service": 1}) }, fails(71)),
		add("no NUL", func() *codec.Message { return rqRaw("service.add", []byte(`{"service":"x"}`)) }, fails(71)),
		add("a period in the name", func() *codec.Message { return addService("conf.x") }, fails(22)),
		add("a period alone", func() *codec.Message { return addService(".") }, fails(22)),
		add("a module has the name", func() *codec.Message { return addService("overlay") }, fails(17)),
		add("the connector has the name", func() *codec.Message { return addService("connector-local") }, fails(17)),
		add("the broker has the name", func() *codec.Message { return addService("attr") }, fails(17)),
		add("the broker's own name", func() *codec.Message { return addService("broker") }, fails(17)),
		add("a service without methods has the name", func() *codec.Message { return addService("service") },
			fails(17)),
		{sec: "8.1", name: "add: the connection has the name", run: func(c *convo) {
			p := c.dial(0)
			p.ask(addService(p.register()), fails(17))
		}},
		{sec: "8.1", name: "add: another connection has the name", run: func(c *convo) {
			name := c.dial(0).register()
			c.dial(0).ask(addService(name), fails(17))
		}},
		{sec: "8.1", name: "add: another rank's names do not matter", run: func(c *convo) {
			name := c.dial(0).register()
			c.dial(3).ask(addService(name), ok())
		}},
		{sec: "8.1", name: "add: the rank is the connection's, whatever the nodeid", run: func(c *convo) {
			p, q, name := c.dial(0), c.dial(3), c.name()
			p.ask(at(addService(name), 3), ok())
			q.ask(at(rq(name+".x", nil), 3), noService(name+".x"))
			q.ask(addService(name), ok())
		}},
		{sec: "8.1", name: "add: no such rank does not matter", run: func(c *convo) {
			c.dial(0).ask(at(addService(c.name()), 77), ok())
		}},
		{sec: "8.1", name: "add: several names on one connection", run: func(c *convo) {
			p := c.dial(0)
			for range 3 {
				c.dial(0).served(p, rq(p.register()+".x", nil))
			}
		}},
		{sec: "8.1", name: "add: the empty name has the topics that begin with a period", run: func(c *convo) {
			p := c.dial(0)
			p.ask(addService(""), ok())
			c.dial(0).served(p, rq(".x", nil))
			p.ask(removeService(""), ok())
		}},
		{sec: "8.1", name: "add: noresponse is not answered when it succeeds", run: func(c *convo) {
			p, name := c.dial(0), c.name()
			p.send(flagged(addService(name), codec.FlagNoResponse))
			p.quiet()
		}},
		{sec: "8.1", name: "add: noresponse is answered if the router itself refuses", run: func(c *convo) {
			p := c.dial(0)
			p.ask(flagged(rq("service.add", nil), codec.FlagNoResponse), fails(71))
			p.ask(flagged(addService(p.register()), codec.FlagNoResponse), fails(17))
		}},
		{sec: "8.1", name: "add: noresponse and refused by the broker keeps the name taken", run: func(c *convo) {
			p, q, name := c.dial(0), c.dial(0), c.name()
			p.send(flagged(asGuest(addService(name)), codec.FlagNoResponse))
			p.quiet()
			q.ask(rq(name+".x", nil), noService(name+".x"))
			q.ask(addService(name), fails(17))
			p.close()
			q.inherit(name)
		}},
		{sec: "8.1", name: "add: a guest without its prefix", run: func(c *convo) {
			for _, name := range []string{"x", "1234x", "12345-x", "01234-x", "1234", "x1234-x"} {
				c.dial(0).ask(asGuest(addService(name)), fails(1))
			}
		}},
		{sec: "8.1", name: "add: a guest with its prefix", run: func(c *convo) {
			p := c.dial(0)
			p.ask(asGuest(addService("1234-"+c.name())), ok())
			p.ask(asGuest(addService("1234-")), ok())
			p.ask(removeService("1234-"), ok())
		}},
		{sec: "8.1", name: "add: without a role", run: func(c *convo) {
			c.dial(0).ask(by(addService("1234-"+c.name()), guestUID, roleLocal), fails(1))
		}},
		{sec: "8.1", name: "add: a guest and a period", run: func(c *convo) {
			c.dial(0).ask(asGuest(addService("x.y")), fails(1))
			c.dial(0).ask(asGuest(addService("1234-x.y")), fails(22))
		}},

		one("8.1", "remove: no payload", 0, func() *codec.Message { return rq("service.remove", nil) }, fails(71)),
		one("8.1", "remove: a number", 0,
			func() *codec.Message { return rq("service.remove", obj{"service": 1}) }, fails(71)),
		one("8.1", "remove: not registered", 0, func() *codec.Message { return removeService("conf-nosuch") },
			fails(2)),
		one("8.1", "remove: a module's", 0, func() *codec.Message { return removeService("overlay") }, fails(2)),
		one("8.1", "remove: the broker's", 0, func() *codec.Message { return removeService("attr") }, fails(2)),
		{sec: "8.1", name: "remove", run: func(c *convo) {
			p := c.dial(0)
			name := p.register()
			p.ask(removeService(name), ok())
			p.ask(rq(name+".x", nil), noService(name+".x"))
			p.ask(removeService(name), fails(2))
		}},
		{sec: "8.1", name: "remove: of another connection", run: func(c *convo) {
			p := c.dial(0)
			name := p.register()
			c.dial(0).ask(removeService(name), fails(2))
			c.dial(0).served(p, rq(name+".x", nil))
		}},
		{sec: "8.1", name: "remove: of another rank", run: func(c *convo) {
			name := c.dial(3).register()
			c.dial(0).ask(at(removeService(name), 3), fails(2))
		}},
		{sec: "8.1", name: "remove: noresponse is answered if the router itself refuses", run: func(c *convo) {
			c.dial(0).ask(tagged(flagged(removeService("conf-nosuch"), codec.FlagNoResponse), 0), fails(2))
		}},
		{sec: "8.1", name: "remove: noresponse removes, but keeps the name taken", run: func(c *convo) {
			p, q := c.dial(0), c.dial(0)
			name := p.register()
			p.send(flagged(removeService(name), codec.FlagNoResponse))
			p.quiet()
			q.ask(rq(name+".x", nil), noService(name+".x"))
			p.ask(removeService(name), fails(2))
			q.ask(addService(name), fails(17))
			p.close()
			q.inherit(name)
		}},
		{sec: "8.1", name: "remove and add again", run: func(c *convo) {
			p, q := c.dial(0), c.dial(0)
			name := p.register()
			p.ask(removeService(name), ok())
			q.ask(addService(name), ok())
			p.served(q, rq(name+".x", nil))
		}},
	}
	for _, name := range []string{"a-b", "a_b", "A", "ü", "a b", "0", strings.Repeat("n", 200)} {
		rows = append(rows, row{sec: "8.1", name: fmt.Sprintf("add: the name %.20q", name), run: func(c *convo) {
			p := c.dial(0)
			name := c.name() + name
			p.ask(addService(name), ok())
			c.dial(0).served(p, rq(name+".x", nil))
		}})
	}
	return rows
}

// serveRows are those of 8.2.
func serveRows() []row {
	return []row{
		{sec: "8.2", name: "the header of a request at a service on the same rank", run: func(c *convo) {
			p, svc := c.dial(0), c.dial(0)
			topic := svc.register() + ".x"
			p.send(by(tagged(rq(topic, obj{"a": 1}), 4711), 77, 2))
			m := svc.next()
			if m.Type != codec.TypeRequest || m.Topic != topic ||
				m.Flags != codec.FlagTopic|codec.FlagPayload|codec.FlagRoute || m.UserID != 77 ||
				m.Rolemask != 2 || m.NodeID != codec.NodeAny || m.Matchtag != 4711 || m.Routes.Len() != 3 ||
				string(m.Payload) != "{\"a\":1}\x00" {
				c.Errorf("%s", describe(m))
			}
		}},
		{sec: "8.2", name: "the nodeid is as the caller sent it", run: func(c *convo) {
			p, svc := c.dial(3), c.dial(0)
			topic := svc.register() + ".x"
			p.send(rq(topic, nil), at(rq(topic, nil), 0), upstream(rq(topic, nil), 3))
			for _, want := range []uint32{codec.NodeAny, 0, 3} {
				c.want("nodeid", svc.next().NodeID, want)
			}
		}},
		{sec: "8.2", name: "all methods go to the service, of any depth", run: func(c *convo) {
			p, svc := c.dial(0), c.dial(0)
			name := svc.register()
			for _, method := range []string{".x", ".x.y", ".", "..", ".ping", ".stats-get", ".é"} {
				p.served(svc, rq(name+method, nil))
			}
		}},
		{sec: "8.2", name: "a name is matched whole", run: func(c *convo) {
			p, svc := c.dial(0), c.dial(0)
			name := svc.register()
			p.ask(rq(name+"x.y", nil), noService(name+"x.y"))
			p.ask(rq(name[:len(name)-1]+".y", nil), noService(name[:len(name)-1]+".y"))
		}},
		{sec: "8.2", name: "a connection calls its own service", run: func(c *convo) {
			p := c.dial(0)
			req := rq(p.register()+".x", nil)
			p.send(req)
			p.send(codec.NewResponse(p.next()))
			p.check(req, p.next(), ok())
		}},
		{sec: "8.2", name: "requests without a response arrive", run: func(c *convo) {
			p, svc := c.dial(0), c.dial(0)
			p.send(flagged(tagged(rq(svc.register()+".x", nil), 0), codec.FlagNoResponse))
			m := svc.next()
			c.want("flags", m.Flags, codec.FlagTopic|codec.FlagRoute|codec.FlagNoResponse)
			svc.send(codec.NewResponse(m))
			c.want("a response all the same", p.next().Flags, codec.FlagTopic|codec.FlagRoute|codec.FlagNoResponse)
		}},
		{sec: "8.2", name: "in flight when the service is removed", run: func(c *convo) {
			p, svc := c.dial(0), c.dial(0)
			name := svc.register()
			req := rq(name+".x", nil)
			p.send(req)
			got := svc.next()
			svc.ask(removeService(name), ok())
			svc.send(codec.NewResponse(got))
			p.check(req, p.next(), ok())
		}},
		{sec: "8.2", name: "the end of the connection removes its services", run: func(c *convo) {
			p, svc := c.dial(0), c.dial(0)
			names := []string{svc.register(), svc.register()}
			svc.close()
			for _, name := range names {
				p.inherit(name)
				c.dial(0).served(p, rq(name+".x", nil))
			}
		}},
	}
}
