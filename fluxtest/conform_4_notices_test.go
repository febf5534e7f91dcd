package fluxtest_test

import (
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/flux-sdk/flux/codec"
)

// disconnectRows are those of 4.1.
func disconnectRows() []row {
	const flags = codec.FlagTopic | codec.FlagRoute | codec.FlagNoResponse
	// after lets a client send requests, and tells which notices a service gets
	// when it goes, sorted.
	after := func(name string, want []string, send func(p *talker, svc string)) row {
		return row{sec: "4.1", name: name, run: func(c *convo) {
			p, svc, marker := c.dial(0), c.dial(0), c.dial(0)
			s := svc.register()
			send(p, s)
			p.quiet()
			p.close()
			var got []string
			for _, m := range svc.untilGone(marker, p, s) {
				if !strings.HasSuffix(m.Topic, ".disconnect") {
					continue
				}
				got = append(got, strings.TrimPrefix(m.Topic, s+".")+"@"+nodeid(m))
				if m.Flags&^(codec.FlagUpstream|codec.FlagUser1|codec.FlagPrivate) != flags || m.HasPayload() {
					c.Errorf("%s", describe(m))
				}
			}
			slices.Sort(got)
			c.want("notices", got, want)
		}}
	}
	return []row{
		after("one for each prefix", []string{"disconnect@any"}, func(p *talker, s string) {
			p.send(rq(s+".a", nil), rq(s+".b", obj{}), rq(s+".a", nil))
		}),
		after("the prefix is all up to the last period", []string{"a.disconnect@any", "disconnect@any"},
			func(p *talker, s string) {
				p.send(rq(s+".a.b", nil), rq(s+".a.c", nil), rq(s+".a", nil))
			}),
		after("one for each rank that was named", []string{"disconnect@0", "disconnect@any"},
			func(p *talker, s string) {
				p.send(rq(s+".a", nil), at(rq(s+".a", nil), 0), rq(s+".b", nil))
			}),
		after("one for each of upstream and not", []string{"disconnect@any", "disconnect@any"},
			func(p *talker, s string) {
				p.send(rq(s+".a", nil), flagged(rq(s+".a", nil), codec.FlagUpstream))
			}),
		after("requests without a response cause none", nil, func(p *talker, s string) {
			p.send(flagged(rq(s+".a", nil), codec.FlagNoResponse), flagged(rq(s+".cancel", obj{"matchtag": 1}),
				codec.FlagNoResponse))
		}),
		after("a streaming request causes one that is not", []string{"disconnect@any"}, func(p *talker, s string) {
			p.send(flagged(rq(s+".a", nil), codec.FlagStreaming))
		}),
		after("other flags are kept", []string{"disconnect@any"}, func(p *talker, s string) {
			p.send(flagged(rq(s+".a", nil), codec.FlagUser1|codec.FlagPrivate))
		}),
		{sec: "4.1", name: "a notice is a clone of the first request", run: func(c *convo) {
			p, svc := c.dial(0), c.dial(0)
			s := svc.register()
			p.send(by(tagged(rq(s+".a", obj{}), 41), 77, 2), by(tagged(rq(s+".b", obj{}), 42), 78, 3))
			first := svc.next()
			svc.next()
			p.close()
			m := svc.next()
			if m.Topic != s+".disconnect" || m.Matchtag != 41 || m.UserID != 77 || m.Rolemask != 2 ||
				!m.Routes.Equal(first.Routes) || m.Flags != flags {
				c.Errorf("%s routes %q, after %s", describe(m), hops(m), describe(first))
			}
		}},
		{sec: "4.1", name: "services on other ranks get one", run: func(c *convo) {
			p, svc := c.dial(0), c.dial(3)
			s := svc.register()
			p.send(at(rq(s+".a", nil), 3))
			first := svc.next()
			p.close()
			m := svc.next()
			if m.Topic != s+".disconnect" || m.NodeID != 3 || m.Rolemask != roleOwner ||
				!m.Routes.Equal(first.Routes) || m.Flags != flags {
				c.Errorf("%s", describe(m))
			}
		}},
		{sec: "4.1", name: "answered requests cause one too", run: func(c *convo) {
			p, svc := c.dial(0), c.dial(0)
			s := svc.register()
			p.served(svc, rq(s+".a", nil))
			p.close()
			c.want("topic", svc.next().Topic, s+".disconnect")
		}},
		{sec: "4.1", name: "a notice comes after the client's requests", run: func(c *convo) {
			p, svc := c.dial(0), c.dial(0)
			s := svc.register()
			for range 100 {
				p.send(rq(s+".a", nil))
			}
			p.send(flagged(rq(s+".last", nil), codec.FlagNoResponse))
			p.close()
			for range 100 {
				c.want("topic", svc.next().Topic, s+".a")
			}
			c.want("topic", svc.next().Topic, s+".last")
			c.want("topic", svc.next().Topic, s+".disconnect")
		}},
		{sec: "4.1", name: "a client may call a topic that ends in disconnect itself", run: func(c *convo) {
			p, svc := c.dial(0), c.dial(0)
			p.served(svc, rq(svc.register()+".disconnect", nil))
		}},
		{sec: "4.1", name: "a service on the connection that ends is told nothing", run: func(c *convo) {
			p, svc := c.dial(0), c.dial(0)
			own, s := p.register(), svc.register()
			p.send(rq(own+".x", nil))
			p.next()
			p.send(rq(s+".x", nil))
			svc.next()
			p.close()
			c.want("topic", svc.next().Topic, s+".disconnect")
			svc.inherit(own)
		}},
		{sec: "4.1", name: "a prefix of 244 bytes", run: func(c *convo) {
			p, svc := c.dial(0), c.dial(0)
			name := longName(c, 244)
			svc.ask(rq("service.add", obj{"service": name}), ok())
			p.send(rq(name+".x", nil))
			c.want("topic", svc.next().Topic, name+".x")
			p.close()
			c.want("topic", svc.next().Topic, name+".disconnect")
		}},
		{sec: "4.1", name: "a prefix of 245 bytes vanishes if it wants a response", run: func(c *convo) {
			p, svc := c.dial(0), c.dial(0)
			name := longName(c, 245)
			svc.ask(rq("service.add", obj{"service": name}), ok())
			p.write(renamed(c, rq("x.y", nil), name+".x"))
			p.write(renamed(c, flagged(rq("x.y", nil), codec.FlagNoResponse), name+".z"))
			c.want("topic", svc.next().Topic, name+".z")
			p.quiet()
		}},
		{sec: "4.1", name: "services of the broker drop what the client waits for", run: func(c *convo) {
			p, q := c.dial(0), c.dial(0)
			p.ask(rq("log.clear", nil), ok())
			q.send(flagged(rq("log.dmesg", obj{"follow": true}), codec.FlagStreaming))
			q.close()
			p.ask(tagged(rqRaw("log.append", []byte("<48>1 - - - - - - x")), 5), ok())
			p.quiet()
		}},
	}
}

// longName is a service name of n bytes.
func longName(c *convo, n int) string {
	name := c.name()
	return name + strings.Repeat("n", n-len(name))
}

// renamed is the frame of m with a topic that the encoder refuses.
func renamed(c *convo, m *codec.Message, topic string) []byte {
	part := []byte{byte(len(topic))}
	if len(topic) >= 255 {
		part = binary.BigEndian.AppendUint32([]byte{255}, uint32(len(topic)))
	}
	b := c.frame(m)
	at := codec.PrefixSize + 1 // behind the delimiter
	b = slices.Replace(b, at, at+1+len(m.Topic), append(part, topic...)...)
	binary.BigEndian.PutUint32(b[4:], uint32(len(b)-codec.PrefixSize))
	return b
}

// nodeid shows where a request goes.
func nodeid(m *codec.Message) string {
	if m.NodeID == codec.NodeAny {
		return "any"
	}
	return dec(m.NodeID)
}

// untilGone returns what comes at a service until the connection of p, which
// was closed, has gone and its notices are here.
func (svc *talker) untilGone(marker, p *talker, name string) []*codec.Message {
	svc.c.Helper()
	uuid := ""
	var got []*codec.Message
	for deadline := time.Now().Add(patience); ; {
		if time.Now().After(deadline) {
			svc.c.Fatalf("the connection has not gone")
		}
		marker.send(flagged(rq(name+".marker", nil), codec.FlagNoResponse))
		for m := svc.next(); !strings.HasSuffix(m.Topic, ".marker"); m = svc.next() {
			if uuid == "" {
				uuid = m.Routes.Origin()
			}
			got = append(got, m)
		}
		if !slices.Contains(svc.c.connected(marker), uuid) {
			break
		}
	}
	// The notices were sent before the connection went from the list.
	marker.send(flagged(rq(name+".marker", nil), codec.FlagNoResponse))
	for m := svc.next(); !strings.HasSuffix(m.Topic, ".marker"); m = svc.next() {
		got = append(got, m)
	}
	return got
}

func cancelOf(topic string, tag uint32) *codec.Message {
	return flagged(tagged(rq(topic, obj{"matchtag": tag}), 0), codec.FlagNoResponse)
}

// cancelRows are those of 4.2.
func cancelRows() []row {
	follow := func(tag uint32) *codec.Message {
		return flagged(tagged(rq("log.dmesg", obj{"follow": true, "nobacklog": true}), tag), codec.FlagStreaming)
	}
	return []row{
		{sec: "4.2", name: "a cancel ends the stream with ENODATA", run: func(c *convo) {
			p := c.dial(0)
			p.send(follow(11), cancelOf("log.cancel", 11))
			p.check(follow(11), p.next(), fails(61))
			p.quiet()
		}},
		{sec: "4.2", name: "a cancel on another rank", run: func(c *convo) {
			p := c.dial(0)
			p.send(at(follow(11), 3), at(cancelOf("log.cancel", 11), 3))
			p.check(at(follow(11), 3), p.next(), fails(61))
		}},
		{sec: "4.2", name: "a cancel that goes to another rank finds nothing", run: func(c *convo) {
			p := c.dial(0)
			p.send(at(follow(11), 3), cancelOf("log.cancel", 11))
			p.quiet(0, 3)
			p.send(at(cancelOf("log.cancel", 11), 3))
			p.check(at(follow(11), 3), p.next(), fails(61))
		}},
		{sec: "4.2", name: "a cancel of an unknown tag is ignored", run: func(c *convo) {
			p := c.dial(0)
			p.send(follow(11), cancelOf("log.cancel", 12))
			p.quiet()
			p.send(cancelOf("log.cancel", 11))
			p.check(follow(11), p.next(), fails(61))
		}},
		{sec: "4.2", name: "a cancel ends one of several", run: func(c *convo) {
			p := c.dial(0)
			p.send(follow(11), follow(12), follow(13), cancelOf("log.cancel", 12))
			p.check(follow(12), p.next(), fails(61))
			p.quiet()
		}},
		{sec: "4.2", name: "a second cancel is ignored", run: func(c *convo) {
			p := c.dial(0)
			p.send(follow(11), cancelOf("log.cancel", 11), cancelOf("log.cancel", 11))
			p.check(follow(11), p.next(), fails(61))
			p.quiet()
		}},
		{sec: "4.2", name: "another connection's cancel finds nothing", run: func(c *convo) {
			p, q := c.dial(0), c.dial(0)
			p.send(follow(11))
			p.quiet()
			q.send(cancelOf("log.cancel", 11))
			q.quiet()
			p.quiet()
		}},
		{sec: "4.2", name: "a cancel by one who may not act on the owner's requests finds nothing",
			run: func(c *convo) {
				p := c.dial(0)
				p.send(follow(11), asGuest(cancelOf("log.cancel", 11)))
				p.quiet()
				p.send(cancelOf("log.cancel", 11))
				p.check(follow(11), p.next(), fails(61))
			}},
		{sec: "4.2", name: "a cancel that wants a response gets none", run: func(c *convo) {
			p := c.dial(0)
			p.send(follow(11), rq("log.cancel", obj{"matchtag": 11}))
			p.check(follow(11), p.next(), fails(61))
			p.send(rq("log.cancel", obj{"matchtag": 99}), rq("log.cancel", nil))
			p.quiet()
		}},
		{sec: "4.2", name: "a service in a client gets the cancel as a request", run: func(c *convo) {
			p, svc := c.dial(0), c.dial(0)
			s := svc.register()
			stream := flagged(rq(s+".watch", nil), codec.FlagStreaming)
			p.send(stream, cancelOf(s+".cancel", tag))
			first, m := svc.next(), svc.next()
			if m.Topic != s+".cancel" || m.Matchtag != 0 ||
				m.Flags != codec.FlagTopic|codec.FlagPayload|codec.FlagRoute|codec.FlagNoResponse ||
				m.Routes.Origin() != first.Routes.Origin() || string(m.Payload) != "{\"matchtag\":7}\x00" {
				c.Errorf("%s", describe(m))
			}
			end := codec.NewResponse(first)
			end.Errnum = 61
			svc.send(end)
			p.check(stream, p.next(), fails(61))
		}},
		one("4.2", "groups has no cancel", 0,
			func() *codec.Message { return rq("groups.cancel", obj{"matchtag": 1}) },
			fails(38, "Unknown service method 'groups.cancel'")),
		one("4.2", "state-machine has no cancel", 0,
			func() *codec.Message { return rq("state-machine.cancel", obj{"matchtag": 1}) },
			fails(38, "Unknown service method 'state-machine.cancel'")),
	}
}
