package fluxtest_test

import (
	"strings"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
)

// rpcRows are those of 6 that come before the list of errors.
func rpcRows() []row {
	inOrder := func(name string, from, at uint32) row {
		return row{sec: "6", name: name, run: func(c *convo) {
			p, svc := c.dial(from), c.dial(at)
			topic := svc.register() + ".x"
			const n = 1000
			for i := range uint32(n) {
				m := tagged(rq(topic, nil), i+1)
				m.NodeID = at
				p.send(m)
			}
			for i := range uint32(n) {
				if m := svc.next(); m.Matchtag != i+1 {
					c.Fatalf("request %d came as number %d", m.Matchtag, i+1)
				}
			}
		}}
	}
	return []row{
		inOrder("requests arrive in order on one rank", 0, 0),
		inOrder("requests arrive in order on another rank", 1, 3),
		{sec: "6", name: "a plain request has exactly one response", run: func(c *convo) {
			p := c.dial(0)
			p.ask(askRank(), okText(rank0))
			p.quiet()
		}},
		{sec: "6", name: "an error is the only response too", run: func(c *convo) {
			p := c.dial(0)
			p.ask(rq("nosuch.x", nil), noService("nosuch.x"))
			p.quiet()
		}},
		{sec: "6", name: "responses come in any order", run: func(c *convo) {
			p, svc := c.dial(0), c.dial(0)
			topic := svc.register() + ".x"
			p.send(tagged(rq(topic, nil), 1), tagged(rq(topic, nil), 2))
			first, second := svc.next(), svc.next()
			svc.send(codec.NewResponse(second), codec.NewResponse(first))
			c.want("first", p.next().Matchtag, 2)
			c.want("second", p.next().Matchtag, 1)
		}},
		{sec: "6", name: "a stream of a service is passed on in order, to its end", run: func(c *convo) {
			p, svc := c.dial(0), c.dial(3)
			req := at(flagged(rq(svc.register()+".x", nil), codec.FlagStreaming), 3)
			p.send(req)
			got := svc.next()
			const n = 100
			for i := range uint32(n) {
				m := codec.NewResponse(got)
				m.SetPayload([]byte(dec(i) + "\x00"))
				svc.send(m)
			}
			end := codec.NewResponse(got)
			end.Errnum = 61
			svc.send(end)
			for i := range uint32(n) {
				p.check(req, p.next(), okText(dec(i)).from(roleOwner))
			}
			p.check(req, p.next(), fails(61))
		}},
		{sec: "6", name: "a response without a payload in the middle of a stream", run: func(c *convo) {
			p, svc := c.dial(0), c.dial(0)
			req := flagged(rq(svc.register()+".x", nil), codec.FlagStreaming)
			p.send(req)
			got := svc.next()
			svc.send(codec.NewResponse(got), codec.NewResponse(got))
			p.check(req, p.next(), ok())
			p.check(req, p.next(), ok())
		}},
		{sec: "6", name: "responses after the end are passed on too", run: func(c *convo) {
			p, svc := c.dial(0), c.dial(0)
			req := flagged(rq(svc.register()+".x", nil), codec.FlagStreaming)
			p.send(req)
			end := codec.NewResponse(svc.next())
			end.Errnum = 61
			svc.send(end, end)
			p.check(req, p.next(), fails(61))
			p.check(req, p.next(), fails(61))
		}},
		{sec: "6", name: "a stream of the broker ends with ENODATA, with the streaming flag", run: func(c *convo) {
			p := c.dial(0)
			p.ask(rq("log.clear", nil), ok())
			req := flagged(rq("log.dmesg", obj{"follow": false}), codec.FlagStreaming)
			p.send(tagged(rqRaw("log.append", []byte("<48>1 - 0 conform - - - one")), 5), req)
			p.next()
			p.check(req, p.next(), okText("<48>1 - 0 conform - - - one"))
			m := p.next()
			for ; m.Errnum == 0; m = p.next() { // a real broker may have logged meanwhile
			}
			p.check(req, m, fails(61))
			p.quiet()
		}},
		{sec: "6", name: "a stream that fails at once has just the error", run: func(c *convo) {
			p := c.dial(0)
			p.ask(flagged(rq("log.dmesg", obj{"follow": 0}), codec.FlagStreaming), fails(71))
			p.ask(flagged(rq("nosuch.x", nil), codec.FlagStreaming), noService("nosuch.x"))
			p.quiet()
		}},
		{sec: "6", name: "requests at a service that goes are never answered, new ones are", run: func(c *convo) {
			p, svc, heir := c.dial(0), c.dial(0), c.dial(0)
			name := svc.register()
			p.send(tagged(rq(name+".x", nil), 5))
			svc.next()
			svc.close()
			heir.inherit(name)
			heir.ask(rq("service.remove", obj{"service": name}), ok())
			p.ask(rq(name+".x", nil), noService(name+".x"))
			p.quiet()
		}},
	}
}

// inherit registers a name as soon as the connection that had it is gone.
func (p *talker) inherit(name string) {
	p.c.Helper()
	for deadline := time.Now().Add(patience); p.call(rq("service.add", obj{"service": name})).Errnum != 0; {
		if time.Now().After(deadline) {
			p.c.Fatalf("%s is still registered", name)
		}
	}
}

// call sends a request and returns what comes next.
func (p *talker) call(req *codec.Message) *codec.Message {
	p.c.Helper()
	p.send(req)
	return p.next()
}

// errorRows are the table of 6.1, but for what takes the loss of a rank.
func errorRows() []row {
	ask := func(name string, req func() *codec.Message, w answer) row { return one("6.1", name, 0, req, w) }
	long := "nosuch." + strings.Repeat("x", 100)
	method := "attr." + strings.Repeat("y", 300)
	unknown := func(topic string) answer {
		text := "Unknown service method '" + topic + "'"
		return fails(38, text[:min(len(text), 255)])
	}
	rows := []row{
		ask("ENOSYS: no such service", func() *codec.Message { return rq("nosuch.x", obj{}) }, noService("nosuch.x")),
		ask("ENOSYS: no such service, and no period", func() *codec.Message { return rq("nosuch", nil) },
			noService("nosuch")),
		ask("ENOSYS: the text of the first is cut at 63 bytes", func() *codec.Message { return rq(long, nil) },
			fails(38, ("No service matching " + long)[:63])),
		ask("ENOSYS: no such method", func() *codec.Message { return rq("attr.nosuch", obj{}) },
			unknown("attr.nosuch")),
		ask("ENOSYS: no such method of the broker", func() *codec.Message { return rq("broker.nosuch", obj{}) },
			unknown("broker.nosuch")),
		ask("ENOSYS: no such method of a module", func() *codec.Message { return rq("overlay.nosuch", obj{}) },
			unknown("overlay.nosuch")),
		ask("ENOSYS: a service without a method", func() *codec.Message { return rq("attr", nil) }, unknown("attr")),
		ask("ENOSYS: a module without a method", func() *codec.Message { return rq("overlay", nil) },
			unknown("overlay")),
		ask("ENOSYS: a service's default methods are the modules' alone",
			func() *codec.Message { return rq("attr.ping", obj{}) }, unknown("attr.ping")),
		ask("ENOSYS: the text of the second is cut at 255 bytes",
			func() *codec.Message { return rq(method, nil) }, unknown(method)),
		ask("ENOSYS: the connector has no text",
			func() *codec.Message { return rq("connector-local.nosuch", nil) }, fails(38)),
		ask("EHOSTUNREACH has no text", func() *codec.Message { return at(rq("broker.ping", obj{}), 99) },
			fails(113).from(5)),
		ask("EPERM: the owner's alone", func() *codec.Message { return asGuest(rq("attr.set", nil)) },
			fails(1, "Request requires owner credentials")),
		ask("EPERM: roles that are not yours",
			func() *codec.Message { return by(rq("broker.ping", obj{}), 77, roleLocal) },
			fails(1, "Request rejected due to insufficient privilege")),
		ask("EPERM goes before EPROTO", func() *codec.Message { return asGuest(rqRaw("attr.set", []byte("x"))) },
			fails(1, "Request requires owner credentials")),
		ask("EPROTO: no payload", func() *codec.Message { return rq("attr.set", nil) }, fails(71)),
		ask("EPROTO: no JSON", func() *codec.Message { return rqText("attr.set", "x") }, fails(71)),
		ask("EPROTO: keys missing", func() *codec.Message { return rq("attr.set", obj{"name": "test.x"}) },
			fails(71)),
		ask("EPROTO: streaming flag missing",
			func() *codec.Message { return rq("log.dmesg", obj{"follow": false}) }, fails(71)),
		ask("ENOMEM: ping of an array", func() *codec.Message { return rqText("broker.ping", "[1]") }, fails(12)),
		{sec: "6.1", name: "ENOSYS: a client's service, and no period, has no text", run: func(c *convo) {
			svc := c.dial(0)
			c.dial(0).ask(rq(svc.register(), nil), fails(38))
			svc.quiet()
		}},
		{sec: "6.1", name: "ENOSYS: a client's service on another rank, and no period", run: func(c *convo) {
			svc := c.dial(3)
			c.dial(0).ask(at(rq(svc.register(), nil), 3), fails(38))
			svc.quiet()
		}},
	}
	const offline = "Upstream Flux broker is offline. Try again later."
	for _, e := range []struct {
		topic string
		w     answer
	}{
		{"broker.ping", fails(11, offline)},
		{"attr.list", fails(11, offline)},
		{"event.publish", fails(11, offline)},
		{"nosuch.x", fails(11, offline)},
		{"attr.get", fails(71)},
		{"state-machine.get", okShape(`{"state":"","duration":0}`)},
		{"log.dmesg", fails(71)},
		{"event.subscribe", fails(71)},
		{"service.remove", fails(71)},
	} {
		rows = append(rows, row{sec: "6.1", name: "EAGAIN before the broker is online: " + e.topic,
			run: func(c *convo) {
				c.dialTo(fluxtest.New(c.T, fluxtest.State("join")), 0).ask(rq(e.topic, nil), e.w)
			}}.on(embeddedOne, "a real broker is offline for an instant only"))
	}
	return rows
}
