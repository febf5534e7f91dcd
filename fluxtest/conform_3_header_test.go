package fluxtest_test

import (
	"encoding/hex"
	"fmt"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
)

func hexed(b []byte) string { return hex.EncodeToString(b) }

const rank0 = `{"value":"0","flags":1}`

// askRank is the request that every rank answers differently.
func askRank() *codec.Message { return rq("attr.get", obj{"name": "rank"}) }

func rankIs(n uint32) answer { return okText(fmt.Sprintf(`{"value":"%d","flags":1}`, n)) }

// headerRows are flags, matchtags and sequence numbers: 3.1, 3.3 and 3.5.
func headerRows() []row {
	rows := []row{
		{sec: "3.1", name: "noresponse is not answered", run: func(c *convo) {
			p := c.dial(0)
			p.send(flagged(askRank(), codec.FlagNoResponse), flagged(rq("nosuch.x", nil), codec.FlagNoResponse),
				flagged(at(askRank(), 77), codec.FlagNoResponse), flagged(asGuest(rq("attr.set", nil)),
					codec.FlagNoResponse))
			p.quiet()
		}},
		{sec: "3.1", name: "noresponse and streaming is noresponse", run: func(c *convo) {
			p := c.dial(0)
			p.send(flagged(rq("log.dmesg", obj{"follow": false}), codec.FlagNoResponse|codec.FlagStreaming))
			p.quiet()
		}},
		{sec: "3.1", name: "a client's service sees all flags of the request, and they come back",
			run: func(c *convo) {
				svc, p := c.dial(0), c.dial(0)
				all := codec.FlagPrivate | codec.FlagStreaming | codec.FlagUser1
				req := flagged(rq(svc.register()+".x", nil), all)
				p.send(req)
				got := svc.next()
				c.want("flags at the service", got.Flags, all|codec.FlagTopic|codec.FlagRoute)
				svc.send(codec.NewResponse(got))
				p.check(req, p.next(), ok())
			}},
		{sec: "3.1", name: "a service's response may have other flags than the request", run: func(c *convo) {
			svc, p := c.dial(0), c.dial(0)
			p.send(rq(svc.register()+".x", nil))
			resp := codec.NewResponse(svc.next())
			resp.Flags |= codec.FlagUser1 | codec.FlagStreaming
			svc.send(resp)
			c.want("flags", p.next().Flags, resp.Flags)
		}},
		one("3.1", "the route flag may be missing in a request", 0, func() *codec.Message {
			m := askRank()
			m.Flags &^= codec.FlagRoute
			return m
		}, okText(rank0)),

		{sec: "3.3", name: "a tag is used by two requests at once", run: func(c *convo) {
			p := c.dial(0)
			size := rq("attr.get", obj{"name": "size"})
			p.send(askRank(), size)
			p.check(askRank(), p.next(), okText(rank0))
			p.check(size, p.next(), okText(`{"value":"4","flags":1}`))
		}},
		{sec: "3.3", name: "two clients use one tag", run: func(c *convo) {
			p, q, svc := c.dial(0), c.dial(0), c.dial(0)
			req := rq(svc.register()+".x", nil)
			p.send(req)
			first := svc.next()
			q.send(req)
			second := svc.next()
			svc.send(codec.NewResponse(second))
			q.check(req, q.next(), ok())
			p.quiet()
			svc.send(codec.NewResponse(first))
			p.check(req, p.next(), ok())
		}},
		{sec: "3.3", name: "a service gets the requester's tag", run: func(c *convo) {
			p, svc := c.dial(0), c.dial(0)
			const tag = uint32(0xdeadbeef)
			p.send(tagged(rq(svc.register()+".x", nil), tag))
			c.want("matchtag", svc.next().Matchtag, tag)
		}},

		row{sec: "3.5", name: "the first event of an instance is number 1", run: func(c *convo) {
			c.dialTo(fluxtest.New(c.T), 0).ask(at(rq("event.publish", obj{"topic": c.name(), "flags": 0}), 0),
				okText(`{"seq":1}`))
		}}.on(embeddedOne, "a real instance has published before its first client comes"),
		{sec: "3.5", name: "events that do not match leave gaps", run: func(c *convo) {
			p, topic := c.dial(0), c.name()
			p.subscribe(topic + ".b")
			p.publish(topic+".a", 0)
			first := p.publish(topic+".b", 0)
			c.want("sequence", p.next().Sequence, first)
		}},
		{sec: "3.5", name: "numbers rise by the event, from all ranks", run: func(c *convo) {
			p, q := c.dial(0), c.dial(3)
			last := uint32(0)
			for range 5 {
				for _, who := range []*talker{p, q} {
					seq := who.publish(c.name(), 0)
					if seq <= last {
						c.Errorf("%d after %d", seq, last)
					}
					last = seq
				}
			}
		}},
	}
	for _, f := range []codec.Flags{codec.FlagPrivate, codec.FlagStreaming, codec.FlagUser1} {
		rows = append(rows,
			one("3.1", f.String()+" on a plain request is copied", 0,
				func() *codec.Message { return flagged(askRank(), f) }, okText(rank0)),
			one("3.1", f.String()+" is copied into an error", 0,
				func() *codec.Message { return flagged(rq("nosuch.x", nil), f) },
				fails(38, "No service matching nosuch.x is registered")))
	}
	for _, tag := range []uint32{0, 1, 1 << 31, 0xffffffff} {
		rows = append(rows, one("3.3", fmt.Sprintf("matchtag %#x is answered with the same", tag), 0,
			func() *codec.Message { return tagged(askRank(), tag) }, okText(rank0)))
	}
	return rows
}

// seen is what broker.ping says of the sender.
func seen(userid uint32, roles int32) answer {
	return okLike(fmt.Sprintf(`"userid": %d, "rolemask": %d, `, int32(userid), roles))
}

// credentialRows are those of 3.2.
func credentialRows() []row {
	ping := func() *codec.Message { return rq("broker.ping", obj{}) }
	cred := func(name string, userid, roles uint32, w answer) row {
		return one("3.2", name, 0, func() *codec.Message { return by(ping(), userid, roles) }, w)
	}
	rows := []row{
		cred("an owner's are filled in", codec.UserIDUnknown, 0, seen(owner, 5)),
		cred("an owner states a userid alone", 77, 0, seen(77, 5)),
		cred("an owner states roles alone", codec.UserIDUnknown, 2, seen(owner, 2)),
		cred("an owner states both", 77, 2, seen(77, 2)),
		cred("an owner states all roles", 77, 0xffffffff, seen(77, -1)),
		cred("an owner states the local role alone", 77, roleLocal,
			fails(1, "Request rejected due to insufficient privilege")),
		one("3.2", "a role that nobody knows is let in where all are", 0,
			func() *codec.Message { return by(askRank(), 77, 1<<31) }, okText(rank0)),
		one("3.2", "the local role is cleared between ranks", 0, func() *codec.Message { return at(ping(), 3) },
			seen(owner, 1)),
		one("3.2", "the local role is cleared on the way up too", 3,
			func() *codec.Message { return at(ping(), 0) }, seen(owner, 1)),
		one("3.2", "a stated local role is cleared between ranks", 0,
			func() *codec.Message { return by(at(ping(), 3), 77, 7) }, seen(77, 3)),
		one("3.2", "a guest's role crosses ranks", 0, func() *codec.Message { return by(at(ping(), 2), 77, 2) },
			seen(77, 2)),
		one("3.2", "the local role alone crosses as no role", 0,
			func() *codec.Message { return by(at(ping(), 3), 77, roleLocal) },
			fails(1, "Request rejected due to insufficient privilege")),
		one("3.2", "a response of the same rank", 3, askRank, rankIs(3).from(5)),
		one("3.2", "a response of another rank", 3, func() *codec.Message { return at(askRank(), 1) },
			rankIs(1).from(1)),
		one("3.2", "an error of another rank", 3, func() *codec.Message { return rq("nosuch.x", nil) },
			fails(38, "No service matching nosuch.x is registered").from(1)),
		{sec: "3.2", name: "a service in a client sees the requester's", run: func(c *convo) {
			p, svc := c.dial(0), c.dial(0)
			name := svc.register()
			for _, cred := range [][4]uint32{
				{codec.UserIDUnknown, 0, owner, 5}, {77, 0, 77, 5}, {codec.UserIDUnknown, 2, owner, 2},
				{77, 2, 77, 2}, {77, 12, 77, 12},
			} {
				p.send(by(rq(name+".x", nil), cred[0], cred[1]))
				m := svc.next()
				c.want("credentials", []uint32{m.UserID, m.Rolemask}, cred[2:])
			}
		}},
		{sec: "3.2", name: "a service on another rank sees no local role", run: func(c *convo) {
			p, svc := c.dial(0), c.dial(3)
			p.send(at(by(rq(svc.register()+".x", nil), 77, 6), 3))
			m := svc.next()
			c.want("credentials", []uint32{m.UserID, m.Rolemask}, []uint32{77, 2})
		}},
	}
	for _, rank := range []uint32{0, 3} {
		local := uint32(5)
		if rank != 0 {
			local = 1
		}
		for _, cred := range []struct {
			name string
			set  [2]uint32
			want [2]uint32
		}{
			{"none are filled in", [2]uint32{codec.UserIDUnknown, 0}, [2]uint32{owner, local}},
			{"a stated one passes", [2]uint32{7, 2}, [2]uint32{7, 2}},
		} {
			rows = append(rows,
				row{sec: "3.2", name: fmt.Sprintf("a response of a client's service on rank %d: %s", rank,
					cred.name), run: func(c *convo) {
					p, svc := c.dial(0), c.dial(rank)
					p.send(at(rq(svc.register()+".x", nil), rank))
					svc.send(by(codec.NewResponse(svc.next()), cred.set[0], cred.set[1]))
					m := p.next()
					c.want("credentials", [2]uint32{m.UserID, m.Rolemask}, cred.want)
				}})
		}
	}
	return rows
}
