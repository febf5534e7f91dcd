package fluxtest_test

// nulRows are about texts in JSON with a NUL inside, which end there for a broker
// written in C.
func nulRows() []row {
	return []row{
		{sec: "7.1", name: "publish: the topic ends at a NUL", run: func(c *convo) {
			p, topic := c.dial(0), c.name()
			p.subscribe(topic)
			seq := p.publish(topic+"\x00b", 0)
			p.event(topic, seq, owner, roleOwner|roleLocal, 0, 1)
		}},
		{sec: "7.1", name: "publish: a topic that begins with a NUL is the empty one", run: func(c *convo) {
			p := c.dial(0)
			p.subscribe("")
			seq := p.publish("\x00b", 0)
			m := p.next()
			for m.Sequence != seq { // a real instance has events of its own
				m = p.next()
			}
			c.want("topic", m.Topic, "")
		}},
		{sec: "7.1", name: "subscribe: the topic ends at a NUL", run: func(c *convo) {
			p, topic := c.dial(0), c.name()
			p.ask(rq("event.subscribe", obj{"topic": topic + "\x00b"}), ok())
			p.publish(topic+".x", 0)
			c.want("topic", p.next().Topic, topic+".x")
			p.ask(rq("event.unsubscribe", obj{"topic": topic + "\x00c"}), ok())
			p.ask(rq("event.unsubscribe", obj{"topic": topic}), fails(2))
		}},
		{sec: "8.1", name: "add: the name ends at a NUL", run: func(c *convo) {
			p, name := c.dial(0), c.name()
			p.ask(addService(name+"\x00.b"), ok())
			c.dial(0).served(p, rq(name+".x", nil))
			p.ask(removeService(name+"\x00c"), ok())
			p.ask(removeService(name), fails(2))
		}},
		{sec: "9.1", name: "attr: name and value end at a NUL", run: func(c *convo) {
			p, name := c.dial(0), "test."+c.name()
			p.ask(setAttr(name+"\x00b", "v\x00w"), ok())
			c.want("value", p.attr(name), "v")
			c.want("value", p.attr(name+"\x00c"), "v")
		}},
		{sec: "9.3", name: "groups: the name ends at a NUL", run: func(c *convo) {
			p, name := c.dial(0), c.name()
			p.ask(rq("groups.join", obj{"name": name + "\x00b"}), ok())
			p.ask(rq("groups.join", obj{"name": name}), fails(17, "rank 0 is already a member of "+name))
		}},
	}
}
