package fluxtest_test

import (
	"os"
	"path/filepath"

	"github.com/flux-sdk/flux/codec"
)

// guestRows are what a connection of another user meets.
func guestRows() []row {
	const local = roleUser | roleLocal
	rows := []row{
		{sec: "3.2", name: "guest: credentials are the guest's", run: func(c *convo) {
			c.guest(0).ask(rq("broker.ping", obj{}), seen(guestUID, local))
		}},
		{sec: "3.2", name: "guest: they cross ranks without the local role", run: func(c *convo) {
			c.guest(0).ask(at(rq("broker.ping", obj{}), 3), seen(guestUID, roleUser))
		}},
		{sec: "3.2", name: "guest: a service in a client sees them", run: func(c *convo) {
			svc, p := c.dial(0), c.guest(0)
			p.send(rq(svc.register()+".x", nil))
			m := svc.next()
			c.want("credentials", []uint32{m.UserID, m.Rolemask}, []uint32{guestUID, local})
		}},
		{sec: "3.2", name: "guest: a response of the broker bears the owner's", run: func(c *convo) {
			c.guest(3).ask(askRank(), rankIs(3))
		}},
		{sec: "3.2", name: "guest: a response that it makes bears its own, whatever it states", run: func(c *convo) {
			p, svc := c.dial(0), c.guest(0)
			name := "1234-" + c.name()
			svc.ask(addService(name), ok())
			for _, cred := range [][2]uint32{{codec.UserIDUnknown, 0}, {owner, roleOwner}} {
				p.send(rq(name+".x", nil))
				svc.send(by(codec.NewResponse(svc.next()), cred[0], cred[1]))
				m := p.next()
				c.want("credentials", []uint32{m.UserID, m.Rolemask}, []uint32{guestUID, local})
			}
		}},
		{sec: "3.2", name: "guest: the owner's methods are refused, whatever it states", run: func(c *convo) {
			c.guest(0).ask(by(setAttr("test.x", "1"), owner, roleOwner),
				fails(1, "Request requires owner credentials"))
		}},
		{sec: "4.1", name: "guest: its disconnect notice bears its credentials", run: func(c *convo) {
			svc, p := c.dial(0), c.guest(0)
			p.send(rq(svc.register()+".x", nil))
			svc.next()
			p.close()
			m := svc.next()
			c.want("credentials", []uint32{m.UserID, m.Rolemask}, []uint32{guestUID, local})
		}},
		{sec: "7.1", name: "guest: publish and subscribe", run: func(c *convo) {
			p, topic := c.guest(0), c.name()
			p.subscribe(topic)
			p.event(topic, p.publish(topic, 0), guestUID, local, 0, 1)
			p.ask(rq("event.unsubscribe", obj{"topic": topic}), ok())
		}},
		{sec: "7.1", name: "guest: an event that it publishes bears its credentials", run: func(c *convo) {
			p, topic := c.guest(3), c.name()
			p.subscribe(topic)
			p.send(by(at(rq("event.publish", obj{"topic": topic, "flags": 0}), 0), owner, roleOwner))
			m := p.next()
			c.want("credentials", []uint32{m.UserID, m.Rolemask}, []uint32{guestUID, roleUser})
		}},
		{sec: "7.5", name: "guest: an event that it sends directly bears its credentials", run: func(c *convo) {
			p, q, topic := c.guest(0), c.dial(0), c.name()
			q.subscribe(topic)
			p.send(by(codec.NewEvent(topic), owner, roleOwner))
			m := q.next()
			c.want("credentials", []uint32{m.UserID, m.Rolemask}, []uint32{guestUID, local})
		}},
		{sec: "7.4", name: "guest: a private event of the owner does not reach it", run: func(c *convo) {
			p, q, topic := c.guest(0), c.dial(0), c.name()
			p.subscribe(topic)
			q.publish(topic, codec.FlagPrivate)
			q.send(flagged(codec.NewEvent(topic), codec.FlagPrivate))
			q.publish(topic+".end", 0)
			c.want("event", p.next().Topic, topic+".end")
		}},
		{sec: "7.4", name: "guest: a private event of its userid reaches it", run: func(c *convo) {
			p, q, topic := c.guest(0), c.dial(3), c.name()
			p.subscribe(topic)
			q.send(by(at(rq("event.publish", obj{"topic": topic, "flags": 32}), 0), guestUID, roleUser))
			m := p.next()
			c.want("event", []uint32{m.UserID, uint32(m.Flags)},
				[]uint32{guestUID, uint32(codec.FlagPrivate | codec.FlagTopic | codec.FlagRoute)})
		}},
		{sec: "7.4", name: "guest: its own private event reaches it, and the owner", run: func(c *convo) {
			p, q, topic := c.guest(0), c.dial(0), c.name()
			p.subscribe(topic)
			q.subscribe(topic)
			seq := p.publish(topic, codec.FlagPrivate)
			p.event(topic, seq, guestUID, local, codec.FlagPrivate, 1)
			q.event(topic, seq, guestUID, local, codec.FlagPrivate, 1)
		}},
		{sec: "7.4", name: "guest: the owner's events that are not private reach it", run: func(c *convo) {
			p, q, topic := c.guest(0), c.dial(0), c.name()
			p.subscribe(topic)
			p.event(topic, q.publish(topic, 0), owner, 5, 0, 1)
		}},
		{sec: "8.1", name: "guest: add without its prefix", run: func(c *convo) {
			p := c.guest(0)
			for _, name := range []string{"x", "1234x", "0-x", "1234"} {
				p.ask(addService(name), fails(1))
				p.ask(by(addService(name), owner, roleOwner), fails(1))
			}
		}},
		{sec: "8.1", name: "guest: add with its prefix, serve, remove", run: func(c *convo) {
			svc, p := c.guest(0), c.dial(0)
			name := "1234-" + c.name()
			svc.ask(addService(name), ok())
			p.send(rq(name+".x", nil))
			m := svc.next()
			c.want("requester", []uint32{m.UserID, m.Rolemask}, []uint32{owner, 5})
			c.dial(0).ask(removeService(name), fails(2))
			svc.ask(removeService(name), ok())
			p.ask(rq(name+".x", nil), noService(name+".x"))
		}},
		{sec: "8.1", name: "guest: a name that the owner has", run: func(c *convo) {
			c.dial(0).register()
			name := "1234-" + c.name()
			c.dial(0).ask(addService(name), ok())
			c.guest(0).ask(addService(name), fails(17))
		}},
		{sec: "9", name: "guest: groups at rank 0 from rank 3", run: func(c *convo) {
			c.guest(3).ask(at(rq("groups.get", obj{"name": "broker.online"}), 0), okText(`{"members":"0-3"}`))
		}},
		{sec: "9", name: "guest: connector-local.stats-get shows its userid", run: func(c *convo) {
			p := c.guest(3)
			p.ask(askRank(), rankIs(3))
			found := false
			for _, cl := range c.dial(3).stats().Server.Clients {
				found = found || cl.UserID == guestUID && cl.TxCount == 1
			}
			if !found {
				c.Errorf("no client has userid %d", guestUID)
			}
		}},
		{sec: "1.3", name: "guest: refused with EPERM where guests are not allowed", run: func(c *convo) {
			openTo(c, c.b.chain())
			s := c.b.guest.connect(c, socketOf(c.b.chain(), 0))
			defer s.Close()
			c.want("handshake", handshake(c, s), 1)
			if n, err := s.Read(make([]byte, 1)); n != 0 || err == nil {
				c.Errorf("%d bytes, %v after the refusal", n, err)
			}
		}},
	}
	return rows
}

// openTo lets other users reach the sockets of an instance.
func openTo(c *convo, b instance) {
	c.Helper()
	path := socketOf(b, 0)
	for file, mode := range map[string]os.FileMode{filepath.Dir(path): 0o711, path: 0o777} {
		if err := os.Chmod(file, mode); err != nil {
			c.Fatal(err)
		}
	}
}
