package fluxtest_test

import (
	"github.com/flux-sdk/flux/codec"
)

// defaultRows are what every module has, and the broker: ping, stats, rusage,
// debug.
func defaultRows() []row {
	ask := func(name string, req func() *codec.Message, w answer) row { return one("9", name, 0, req, w) }
	rows := []row{
		ask("ping: keys of the request come back first",
			func() *codec.Message { return rq("broker.ping", obj{"pad": "xyz", "seq": 1}) },
			okLike(`^\{"pad": "xyz", "seq": 1, "route": "[0-9a-f!]+", "userid": [0-9]+, "rolemask": 5, "rank": 0\}$`)),
		ask("ping: the rank that answers", func() *codec.Message { return at(rq("broker.ping", obj{}), 3) },
			okLike(`"rank": 3\}$`)),
		ask("ping: no payload", func() *codec.Message { return rq("broker.ping", nil) }, fails(71)),
		ask("ping: as any service's", func() *codec.Message { return rq("config.ping", obj{}) },
			okLike(`"rank": 0\}$`)),
		ask("stats-get: of another rank", func() *codec.Message { return at(rq("broker.stats-get", nil), 3) },
			okShape(statsShape)),
		ask("stats-get: a payload without a NUL",
			func() *codec.Message { return rqRaw("broker.stats-get", []byte("x")) }, fails(71)),
		ask("stats-clear: a payload without a NUL",
			func() *codec.Message { return rqRaw("broker.stats-clear", []byte("x")) }, fails(71)),
		{sec: "9", name: "stats-get counts, stats-clear clears", run: func(c *convo) {
			p := c.dial(0)
			p.pings("config", 20)
			if n := p.received("config"); n < 20 {
				c.Errorf("%d requests received, want 20 or more", n)
			}
			p.ask(rq("config.stats-clear", nil), ok())
			if n := p.received("config"); n >= 20 {
				c.Errorf("%d requests received after clearing", n)
			}
		}},
		{sec: "9", name: "an event stats-clear clears on all ranks", run: func(c *convo) {
			p, q := c.dial(0), c.dial(3)
			q.subscribe("config.stats-clear")
			p.pings("config", 20)
			q.pings("config", 20)
			p.publish("config.stats-clear", 0)
			q.next()
			for _, w := range []*talker{p, q} {
				if n := w.received("config"); n >= 20 {
					c.Errorf("rank %d: %d requests received after clearing", w.rank, n)
				}
			}
		}},
		ask("rusage: self", func() *codec.Message { return rq("broker.rusage", obj{"who": "self"}) },
			okShape(rusageShape)),
		ask("rusage: children", func() *codec.Message { return rq("broker.rusage", obj{"who": "children"}) },
			okShape(rusageShape)),
		ask("rusage: thread", func() *codec.Message { return rq("broker.rusage", obj{"who": "thread"}) },
			okShape(rusageShape)),
		ask("rusage: anything else", func() *codec.Message { return rq("broker.rusage", obj{"who": "me"}) },
			fails(22, "me is unsupported")),
		ask("rusage: a payload without a NUL",
			func() *codec.Message { return rqRaw("broker.rusage", []byte("x")) }, fails(71)),
		{sec: "9", name: "debug: bits are set, cleared, replaced", run: func(c *convo) {
			p := c.dial(0)
			for _, step := range []struct {
				op    string
				flags int
				want  string
			}{{"clr", 0, "0"}, {"setbit", 5, "5"}, {"setbit", 2, "7"}, {"clrbit", 1, "6"}, {"set", 8, "8"},
				{"clr", 0, "0"}} {
				p.ask(rq("config.debug", obj{"op": step.op, "flags": step.flags}), okText(`{"flags":`+step.want+`}`))
			}
		}},
		{sec: "9", name: "debug: each service has its own", run: func(c *convo) {
			p := c.dial(0)
			p.ask(rq("config.debug", obj{"op": "set", "flags": 4}), okText(`{"flags":4}`))
			p.ask(rq("groups.debug", obj{"op": "setbit", "flags": 0}), okText(`{"flags":0}`))
			p.ask(rq("config.debug", obj{"op": "clr", "flags": 0}), okText(`{"flags":0}`))
		}},
		ask("debug: no such op", func() *codec.Message { return rq("config.debug", obj{"op": "x", "flags": 1}) },
			fails(71)),
		ask("debug: no payload", func() *codec.Message { return rq("config.debug", nil) }, fails(71)),
		ask("debug: no flags", func() *codec.Message { return rq("config.debug", obj{"op": "set"}) }, fails(71)),
	}
	return rows
}

// brokerRows are the environment, the built-in configuration and the states.
func brokerRows() []row {
	ask := func(name string, req func() *codec.Message, w answer) row { return one("9", name, 0, req, w) }
	return []row{
		{sec: "9", name: "setenv and getenv", run: func(c *convo) {
			p, name := c.dial(0), "CONFORM_"+c.name()
			get := rq("broker.getenv", obj{"names": []string{name, "CONFORM_NOSUCH"}})
			p.ask(get, okText(`{"env":{}}`))
			p.ask(rq("broker.setenv", obj{"env": obj{name: "é"}}), ok())
			p.ask(get, okText(`{"env":{"`+name+`":"é"}}`))
			p.ask(at(get, 3), okText(`{"env":{}}`))
			p.ask(rq("broker.setenv", obj{"env": obj{name: nil}}), ok())
			p.ask(at(get, codec.NodeAny), okText(`{"env":{}}`))
		}},
		ask("getenv: no names", func() *codec.Message { return rq("broker.getenv", obj{}) }, fails(71)),
		ask("getenv: no array", func() *codec.Message { return rq("broker.getenv", obj{"names": "x"}) },
			okText(`{"env":{}}`)),
		ask("setenv: no env", func() *codec.Message { return rq("broker.setenv", obj{}) }, fails(71)),
		ask("setenv: no object", func() *codec.Message { return rq("broker.setenv", obj{"env": 1}) }, fails(71)),
		ask("conf-builtin: a key",
			func() *codec.Message { return rq("broker.conf-builtin", obj{"keys": []string{"rundir"}}) },
			okShape(`{"values":{"rundir":""}}`)),
		ask("conf-builtin: an unknown key",
			func() *codec.Message { return rq("broker.conf-builtin", obj{"keys": []string{"zz"}}) },
			fails(22, "zz: invalid key")),
		ask("conf-builtin: no keys", func() *codec.Message { return rq("broker.conf-builtin", obj{}) }, fails(71)),

		ask("state-machine.get", func() *codec.Message { return rq("state-machine.get", nil) },
			okLike(`^\{"state":"run","duration":[0-9.e-]+\}$`)),
		ask("state-machine.get: of another rank",
			func() *codec.Message { return at(rq("state-machine.get", nil), 3) }, okLike(`^\{"state":"run",`)),
		ask("state-machine.get: a payload without a NUL",
			func() *codec.Message { return rqRaw("state-machine.get", []byte("x")) }, fails(71)),
		ask("state-machine.wait: in run", func() *codec.Message { return rq("state-machine.wait", nil) }, ok()),
		ask("state-machine.wait: of another rank",
			func() *codec.Message { return at(rq("state-machine.wait", nil), 3) }, ok()),
		ask("state-machine.wait: a payload without a NUL",
			func() *codec.Message { return rqRaw("state-machine.wait", []byte("x")) }, fails(71)),
		ask("state-machine.monitor: not streaming, one response",
			func() *codec.Message { return rq("state-machine.monitor", nil) }, okText(`{"state":5}`)),
		ask("state-machine.monitor: not streaming, final now",
			func() *codec.Message { return rq("state-machine.monitor", obj{"final": 5}) }, okText(`{"state":5}`)),
		ask("state-machine.monitor: not streaming, final passed",
			func() *codec.Message { return rq("state-machine.monitor", obj{"final": 4}) }, fails(61)),
		ask("state-machine.monitor: a payload without a NUL",
			func() *codec.Message { return rqRaw("state-machine.monitor", []byte("x")) }, fails(71)),
		{sec: "9", name: "state-machine.monitor: streaming, the state now, and no end", run: func(c *convo) {
			p := c.dial(0)
			p.ask(flagged(rq("state-machine.monitor", nil), codec.FlagStreaming), okText(`{"state":5}`))
			p.quiet()
		}},
		{sec: "9", name: "state-machine.monitor: streaming, the state now is final", run: func(c *convo) {
			p, req := c.dial(0), flagged(rq("state-machine.monitor", obj{"final": 5}), codec.FlagStreaming)
			p.ask(req, okText(`{"state":5}`))
			p.check(req, p.next(), fails(61))
		}},
		{sec: "9", name: "state-machine.monitor: streaming, final passed", run: func(c *convo) {
			p := c.dial(0)
			p.ask(flagged(rq("state-machine.monitor", obj{"final": 3}), codec.FlagStreaming), fails(61))
			p.quiet()
		}},
	}
}

// pings pings a service a number of times.
func (p *talker) pings(service string, n int) {
	p.c.Helper()
	for range n {
		p.ask(rq(service+".ping", obj{}), okLike("route"))
	}
}

// received is how many requests a service says it has received.
func (p *talker) received(service string) int {
	p.c.Helper()
	var v struct{ RX struct{ Request int } }
	p.into(rq(service+".stats-get", nil), &v)
	return v.RX.Request
}
