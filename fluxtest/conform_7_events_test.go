package fluxtest_test

import (
	"fmt"
	"slices"

	"github.com/flux-sdk/flux/codec"
)

// subscribeRows are those of 7.1 and 7.2 about subscriptions.
func subscribeRows() []row {
	sub := func(payload any) *codec.Message { return rq("event.subscribe", payload) }
	unsub := func(payload any) *codec.Message { return rq("event.unsubscribe", payload) }
	rows := []row{
		one("7.1", "subscribe", 0, func() *codec.Message { return sub(obj{"topic": "conf.none"}) }, ok()),
		one("7.1", "subscribe: no payload", 0, func() *codec.Message { return sub(nil) }, fails(71)),
		one("7.1", "subscribe: no topic", 0, func() *codec.Message { return sub(obj{}) }, fails(71)),
		one("7.1", "subscribe: a number", 0, func() *codec.Message { return sub(obj{"topic": 1}) }, fails(71)),
		one("7.1", "subscribe: no NUL", 0,
			func() *codec.Message { return rqRaw("event.subscribe", []byte(`{"topic":"x"}`)) }, fails(71)),
		one("7.1", "subscribe: unknown keys", 0,
			func() *codec.Message { return sub(obj{"topic": "conf.none", "x": 1}) }, ok()),
		one("7.1", "subscribe: nodeid is ignored", 0,
			func() *codec.Message { return at(sub(obj{"topic": "conf.none"}), 77) }, ok()),
		one("7.1", "subscribe: upstream is ignored", 3,
			func() *codec.Message { return upstream(sub(obj{"topic": "conf.none"}), 3) }, ok()),
		one("7.1", "subscribe: flags do not come back", 0,
			func() *codec.Message {
				return flagged(sub(obj{"topic": "conf.none"}), codec.FlagStreaming|codec.FlagUser1|codec.FlagPrivate)
			}, ok()),
		one("7.1", "unsubscribe: not subscribed", 0,
			func() *codec.Message { return unsub(obj{"topic": "conf.none"}) }, fails(2)),
		one("7.1", "unsubscribe: no payload", 0, func() *codec.Message { return unsub(nil) }, fails(71)),
		one("7.1", "unsubscribe: a number", 0, func() *codec.Message { return unsub(obj{"topic": 1}) }, fails(71)),
		{sec: "7.1", name: "noresponse is answered, with matchtag 0 as sent", run: func(c *convo) {
			p := c.dial(0)
			p.ask(tagged(flagged(sub(obj{"topic": "conf.none"}), codec.FlagNoResponse), 0), ok())
			p.ask(tagged(flagged(unsub(obj{"topic": "conf.none"}), codec.FlagNoResponse), 0), ok())
			p.ask(tagged(flagged(unsub(obj{"topic": "conf.none"}), codec.FlagNoResponse), 0), fails(2))
		}},
		{sec: "7.1", name: "unsubscribe takes the topic as it was subscribed", run: func(c *convo) {
			p, topic := c.dial(0), c.name()
			p.subscribe(topic + ".a")
			p.ask(unsub(obj{"topic": topic}), fails(2))
			p.ask(unsub(obj{"topic": topic + ".a"}), ok())
			p.ask(unsub(obj{"topic": topic + ".a"}), fails(2))
		}},
		{sec: "7.1", name: "unsubscribe is of the connection's own", run: func(c *convo) {
			p, topic := c.dial(0), c.name()
			p.subscribe(topic)
			c.dial(0).ask(unsub(obj{"topic": topic}), fails(2))
		}},
		{sec: "7.2", name: "unsubscribed, nothing comes", run: func(c *convo) {
			p, topic := c.dial(0), c.name()
			p.subscribe(topic)
			p.ask(unsub(obj{"topic": topic}), ok())
			p.publish(topic, 0)
			p.quiet()
		}},
		{sec: "7.2", name: "uses are counted", run: func(c *convo) {
			p, topic := c.dial(0), c.name()
			p.subscribe(topic, topic)
			p.ask(unsub(obj{"topic": topic}), ok())
			p.publish(topic, 0)
			c.want("event", p.next().Topic, topic)
			p.ask(unsub(obj{"topic": topic}), ok())
			p.publish(topic, 0)
			p.quiet()
			p.ask(unsub(obj{"topic": topic}), fails(2))
		}},
		{sec: "7.2", name: "a topic subscribed twice is delivered once", run: func(c *convo) {
			p, topic := c.dial(0), c.name()
			p.subscribe(topic, topic)
			p.publish(topic, 0)
			c.want("event", p.next().Topic, topic)
			p.quiet()
		}},
		{sec: "7.2", name: "prefixes that overlap deliver once, and end one by one", run: func(c *convo) {
			p, topic := c.dial(0), c.name()
			p.subscribe(topic, topic+".a", topic+".a.b")
			p.publish(topic+".a.b.c", 0)
			c.want("event", p.next().Topic, topic+".a.b.c")
			p.quiet()
			p.ask(unsub(obj{"topic": topic}), ok())
			p.publish(topic+".x", 0)
			p.quiet()
			p.publish(topic+".a", 0)
			c.want("event", p.next().Topic, topic+".a")
		}},
		{sec: "7.2", name: "subscriptions are each connection's own", run: func(c *convo) {
			p, q, topic := c.dial(0), c.dial(0), c.name()
			p.subscribe(topic)
			q.publish(topic, 0)
			c.want("event", p.next().Topic, topic)
			q.quiet()
		}},
		{sec: "7.2", name: "what was subscribed is seen from then on, from any rank", run: func(c *convo) {
			p, q := c.dial(0), c.dial(3)
			for range 30 {
				topic := c.name()
				q.subscribe(topic)
				p.publish(topic, 0)
				c.want("event", q.next().Topic, topic)
			}
		}},
		{sec: "7.2", name: "the empty prefix matches every event", run: func(c *convo) {
			p, topics := c.dial(0), []string{c.name(), "x" + c.name(), "."}
			p.subscribe("")
			for _, topic := range topics {
				p.publish(topic, 0)
			}
			for _, topic := range topics {
				m := p.next()
				for !slices.Contains(topics, m.Topic) { // a real instance has events of its own
					m = p.next()
				}
				c.want("event", m.Topic, topic)
			}
		}},
	}
	for _, m := range []struct {
		prefix, topic string
		match         bool
	}{
		{"job", "job", true}, {"job", "jobs", true}, {"job", "job.x", true}, {"job", "jo", false},
		{"job", "ajob", false},
		{"job.", "job", false}, {"job.", "job.", true}, {"job*", "jobs", false}, {"job*", "job*s", true},
		{"[j]ob", "job", false},
		{"JOB", "job", false}, {"jöb", "jöb.x", true},
	} {
		rows = append(rows, row{sec: "7.2", name: fmt.Sprintf("%s matches %s: %v", m.prefix, m.topic, m.match),
			run: func(c *convo) {
				p, name := c.dial(0), c.name()
				p.subscribe(name + m.prefix)
				p.publish(name+m.topic, 0)
				if m.match {
					c.want("event", p.next().Topic, name+m.topic)
				}
				p.quiet()
			}})
	}
	return rows
}

// publishRows are those of 7.1 about event.publish.
func publishRows() []row {
	bad := func(name string, payload any) row {
		return one("7.1", "publish: "+name, 0,
			func() *codec.Message { return at(rq("event.publish", payload), 0) }, fails(71))
	}
	rows := []row{
		bad("no payload", nil),
		bad("flags missing", obj{"topic": "conf"}),
		bad("topic missing", obj{"flags": 0}),
		bad("topic a number", obj{"topic": 1, "flags": 0}),
		bad("flags a text", obj{"topic": "conf", "flags": "0"}),
		bad("flags a real", obj{"topic": "conf", "flags": 0.5}),
		bad("payload a number", obj{"topic": "conf", "flags": 0, "payload": 1}),
		bad("payload an object", obj{"topic": "conf", "flags": 0, "payload": obj{}}),
		one("7.1", "publish: at any rank, from 0", 0, func() *codec.Message {
			return rq("event.publish", obj{"topic": "conf.none", "flags": 0})
		}, okShape(`{"seq":1}`)),
		one("7.1", "publish: at rank 0, from 3", 3, func() *codec.Message {
			return at(rq("event.publish", obj{"topic": "conf.none", "flags": 0}), 0)
		}, okShape(`{"seq":1}`)),
		one("7.1", "publish: not at another rank", 3, func() *codec.Message {
			return rq("event.publish", obj{"topic": "conf.none", "flags": 0})
		}, fails(71, "this service is only available on rank 0")),
		one("7.1", "publish: not at another rank, from 0", 0, func() *codec.Message {
			return at(rq("event.publish", obj{"topic": "conf.none", "flags": 0}), 3)
		}, fails(71, "this service is only available on rank 0")),
		one("7.1", "publish: unknown keys", 0, func() *codec.Message {
			return at(rq("event.publish", obj{"topic": "conf.none", "flags": 0, "x": 1}), 0)
		}, okShape(`{"seq":1}`)),
		one("7.1", "publish: by a guest", 0, func() *codec.Message {
			return asGuest(at(rq("event.publish", obj{"topic": "conf.none", "flags": 0}), 0))
		}, okShape(`{"seq":1}`)),
		{sec: "7.1", name: "publish: without a response", run: func(c *convo) {
			p, topic := c.dial(0), c.name()
			p.subscribe(topic)
			p.send(flagged(at(rq("event.publish", obj{"topic": topic, "flags": 0}), 0), codec.FlagNoResponse))
			c.want("event", p.next().Topic, topic)
			p.quiet()
		}},
		{sec: "7.1", name: "publish: an empty topic reaches the empty prefix alone", run: func(c *convo) {
			p, q := c.dial(0), c.dial(0)
			p.subscribe("")
			q.subscribe("x")
			seq := p.publish("", 0)
			for m := p.next(); m.Sequence != seq; m = p.next() {
			}
			q.quiet()
		}},
	}
	for _, flags := range []int{1, 2, 4, 8, 16, 33, 64, 128, 256, -1} {
		rows = append(rows, bad(fmt.Sprintf("flags %d", flags), obj{"topic": "conf", "flags": flags}))
	}
	for _, b := range [][2]string{
		{"one character", "A"}, {"five characters", "AAAAA"}, {"the URL alphabet", "_-__"},
		{"white space before", " eA=="},
		{"white space behind", "eA== "}, {"a newline inside", "eHh4\neHh4"}, {"a newline behind", "eA==\n"},
		{"padding in the middle", "AAA=AAA="}, {"padding behind a single character", "A==="},
		{"too much padding", "eA==="}, {"no base64", "????"},
	} {
		rows = append(rows, bad("base64: "+b[0], obj{"topic": "conf", "flags": 0, "payload": b[1]}))
	}
	for _, b := range []struct {
		name, text string
		want       []byte // nil: no payload
	}{
		{"padded", "eA==", []byte("x")}, {"without padding", "eA", []byte("x")}, {"of 2 bytes without padding",
			"AQI", []byte{1, 2}},
		{"no padding needed", "e30A", []byte("{}\x00")}, {"bits left over", "AB==", []byte{0}},
		{"all of the alphabet", "+/+/", []byte{0xfb, 0xff, 0xbf}},
		{"empty", "", nil}, {"nothing but padding", "==", nil}, {"four of padding", "====", nil},
		{"padding behind a full group", "AQID=", []byte{1, 2, 3}},
	} {
		rows = append(rows, row{sec: "7.1", name: "publish: base64: " + b.name, run: func(c *convo) {
			p, topic := c.dial(0), c.name()
			p.subscribe(topic)
			p.publish(topic, 0, b.text)
			m := p.next()
			if m.HasPayload() != (b.want != nil) || string(m.Payload) != string(b.want) {
				c.Errorf("%s, want %q", describe(m), b.want)
			}
		}})
	}
	return rows
}
