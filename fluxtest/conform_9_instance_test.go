package fluxtest_test

import (
	"crypto/sha1"
	"os"
	"slices"

	"github.com/flux-sdk/flux/codec"
)

// groupRows are the groups service of 9.
func groupRows() []row {
	ask := func(name string, rank uint32, req func() *codec.Message, w answer) row {
		return one("9", "groups."+name, rank, req, w)
	}
	get := func(name string) *codec.Message { return at(rq("groups.get", obj{"name": name}), 0) }
	members := func(ids string) answer { return okText(`{"members":"` + ids + `"}`) }
	return []row{
		ask("get: from another rank", 3, func() *codec.Message { return get("broker.online") }, members("0-3")),
		ask("get: an unknown group", 0, func() *codec.Message { return get("conf.nosuch") }, members("")),
		ask("get: at another rank", 3,
			func() *codec.Message { return rq("groups.get", obj{"name": "broker.online"}) },
			fails(71, "this RPC is only available on rank 0")),
		ask("get: no name", 0, func() *codec.Message { return rq("groups.get", obj{}) }, fails(71)),
		ask("get: no payload", 0, func() *codec.Message { return rq("groups.get", nil) }, fails(71)),
		ask("leave: not a member", 0, func() *codec.Message { return rq("groups.leave", obj{"name": "conf.g"}) },
			fails(2, "rank 0 is not a member of conf.g")),
		ask("join: at another rank", 0,
			func() *codec.Message { return at(rq("groups.join", obj{"name": "conf.g"}), 3) },
			fails(71, "groups.join is restricted to the local broker")),
		ask("leave: at another rank", 0,
			func() *codec.Message { return at(rq("groups.leave", obj{"name": "conf.g"}), 3) },
			fails(71, "groups.leave is restricted to the local broker")),
		{sec: "9", name: "groups: joins and leaves are seen by who watches", run: func(c *convo) {
			g := c.name()
			w, req := c.dial(0), flagged(get(g), codec.FlagStreaming)
			w.ask(req, members(""))
			one, three := c.dial(1), c.dial(3)
			one.ask(rq("groups.join", obj{"name": g}), ok())
			w.check(req, w.next(), members("1"))
			three.ask(rq("groups.join", obj{"name": g}), ok())
			w.check(req, w.next(), members("1,3"))
			w.ask(tagged(get(g), 9), members("1,3"))
			one.ask(rq("groups.leave", obj{"name": g}), ok())
			w.check(req, w.next(), members("3"))
			three.close()
			w.check(req, w.next(), members(""))
			w.quiet()
		}},
		{sec: "9", name: "groups: a rank joins once", run: func(c *convo) {
			p, g := c.dial(0), c.name()
			p.ask(rq("groups.join", obj{"name": g}), ok())
			p.ask(rq("groups.join", obj{"name": g}), fails(17, "rank 0 is already a member of "+g))
			c.dial(0).ask(rq("groups.join", obj{"name": g}), fails(17, "rank 0 is already a member of "+g))
			p.ask(rq("groups.leave", obj{"name": g}), ok())
			p.ask(rq("groups.leave", obj{"name": g}), fails(2, "rank 0 is not a member of "+g))
		}},
	}
}

// connectorClient is one client in it.
type connectorClient struct {
	UUID                        string
	UserID                      uint32
	PID                         int
	TxCount, RxCount, RxBacklog int
}

// connectorStats is the answer of connector-local.stats-get.
type connectorStats struct {
	Server struct {
		Clients  []connectorClient
		Connects int
	}
	Guests bool `json:"allow_guest_user"`
	Root   bool `json:"allow_root_owner"`
}

func (p *talker) stats() (s connectorStats) {
	p.c.Helper()
	p.into(at(rq("connector-local.stats-get", nil), p.rank), &s)
	return s
}

// instanceRows are overlay, module, config, connector and content of 9.
func instanceRows() []row {
	ask := func(name string, rank uint32, req func() *codec.Message, w answer) row {
		return one("9", name, rank, req, w)
	}
	const leaf = `{"rank":3,"size":1,"children":[]}`
	noRank := fails(2, "requested rank is not this broker or its direct child")
	topology := func(rank int) *codec.Message { return rq("overlay.topology", obj{"rank": rank}) }
	blob := []byte("conform\x00\xff")
	hash := sha1.Sum(blob)
	return []row{
		ask("overlay.topology: the whole", 0, func() *codec.Message { return topology(0) },
			okText(`{"rank":0,"size":4,"children":[{"rank":1,"size":1,"children":[]},`+
				`{"rank":2,"size":1,"children":[]},`+leaf+`]}`)),
		ask("overlay.topology: a child", 0, func() *codec.Message { return topology(3) }, okText(leaf)),
		ask("overlay.topology: the own rank", 3, func() *codec.Message { return topology(3) }, okText(leaf)),
		ask("overlay.topology: of the own rank, at the parent", 3,
			func() *codec.Message { return upstream(topology(3), 3) }, okText(leaf)),
		ask("overlay.topology: a sibling", 3, func() *codec.Message { return topology(2) }, noRank),
		ask("overlay.topology: the parent", 3, func() *codec.Message { return topology(0) }, noRank),
		ask("overlay.topology: no such rank", 0, func() *codec.Message { return topology(77) }, noRank),
		ask("overlay.topology: no rank", 0, func() *codec.Message { return rq("overlay.topology", obj{}) },
			fails(71)),
		{sec: "9", name: "overlay.topology: chain: a grandchild",
			run: func(c *convo) { c.dialChain(0).ask(topology(2), noRank) }},
		{sec: "9", name: "overlay.topology: chain", run: func(c *convo) {
			c.dialChain(1).ask(topology(2), okText(`{"rank":2,"size":2,"children":[`+leaf+`]}`))
		}},
		ask("overlay.health", 0, func() *codec.Message { return rq("overlay.health", nil) },
			okShape(`{"rank":0,"status":"","duration":0,"children":[{"rank":0,"status":"","duration":0}]}`)),
		ask("overlay.health: of a leaf", 0, func() *codec.Message { return at(rq("overlay.health", nil), 3) },
			okLike(`^\{"rank":3,"status":"full","duration":[0-9.e-]+,"children":\[\]\}$`)),
		ask("overlay.health: a payload without a NUL", 0,
			func() *codec.Message { return rqRaw("overlay.health", []byte("x")) }, fails(71)),
		ask("overlay.stats-get", 0, func() *codec.Message { return rq("overlay.stats-get", nil) },
			okLike(`"child-count":3,"child-connected":3,"parent-count":0,`)),
		ask("overlay.stats-get: of a leaf", 3, func() *codec.Message { return rq("overlay.stats-get", nil) },
			okLike(`"child-count":0,"child-connected":0,"parent-count":1,`)),

		{sec: "9", name: "module.list: the modules that every instance has", run: func(c *convo) {
			var list struct {
				Mods []struct {
					Name, Path string
					Status     int
					Services   []string
				}
			}
			c.dial(0).into(rq("module.list", nil), &list)
			found := make(map[string]bool)
			for _, m := range list.Mods {
				found[m.Name] = m.Path == "builtin" && m.Status == 1 && slices.Contains(m.Services, m.Name)
			}
			for _, name := range []string{"config", "groups", "overlay", "connector-local"} {
				if !found[name] {
					c.Errorf("no %s in %+v", name, list)
				}
			}
		}},
		ask("module.list: of another rank", 0, func() *codec.Message { return at(rq("module.list", nil), 3) },
			okShape(modulesShape)),
		ask("module.list: a payload without a NUL", 0,
			func() *codec.Message { return rqRaw("module.list", []byte("x")) }, fails(71)),
		ask("module.remove: no such module", 0,
			func() *codec.Message { return rq("module.remove", obj{"name": "conf-nosuch"}) }, fails(2)),
		ask("module.load: no such file", 0, func() *codec.Message {
			return rq("module.load", obj{"path": "/nonexistent/conf.so", "args": []string{}})
		}, fails(2, "/nonexistent/conf.so: cannot open shared object file: No such file or directory")),
		ask("module.load: no such module", 0, func() *codec.Message {
			return rq("module.load", obj{"path": "conf-nosuch", "args": []string{}})
		}, fails(2, "module not found in search path")),
		ask("module.load: loaded already", 0, func() *codec.Message {
			return rq("module.load", obj{"path": "overlay", "args": []string{}})
		}, fails(17)),
		ask("module.load: no arguments", 0,
			func() *codec.Message { return rq("module.load", obj{"path": "overlay"}) }, fails(71)),
		{sec: "9", name: "config.get: shows what the instance was configured with", run: func(c *convo) {
			c.dial(0).ask(rq("config.get", nil), okText(`{"access":{"allow-guest-user":true}}`))
		}},
		{sec: "9", name: "config.get: empty if there is no configuration", run: func(c *convo) {
			c.dialChain(0).ask(rq("config.get", nil), okText(`{}`))
		}},
		ask("config.get: of another rank", 3, func() *codec.Message { return rq("config.get", nil) },
			okText(`{"access":{"allow-guest-user":true}}`)),
		ask("config.load: at another rank", 3,
			func() *codec.Message { return rq("config.load", obj{"conform": obj{}}) },
			fails(22, "configuration can only be changed on rank 0")),
		ask("config.load: not an object", 0, func() *codec.Message { return rqText("config.load", "[]") },
			fails(71, "error decoding config.load request")),
		{sec: "9", name: "config.load: config.get shows it, streaming everywhere", run: func(c *convo) {
			p, w, far := c.dial(0), c.dial(0), c.dial(3)
			const old, next = `{"access":{"allow-guest-user":true}}`,
				`{"access":{"allow-guest-user":true},"conform":{"a":1}}`
			get := flagged(rq("config.get", nil), codec.FlagStreaming)
			w.ask(get, okText(old))
			far.ask(get, okText(old))
			for _, text := range []string{next, old} {
				p.ask(rqText("config.load", text), ok())
				p.ask(rq("config.get", nil), okText(text))
				w.check(get, w.next(), okText(text))
				far.check(get, far.next(), okText(text))
			}
			p.ask(rqText("config.load", old), ok())
			w.quiet()
		}},
		ask("config.reload: at another rank", 3, func() *codec.Message { return rq("config.reload", nil) },
			fails(22, "configuration can only be changed on rank 0")),
		ask("config.reload: of no files", 0, func() *codec.Message { return rq("config.reload", nil) }, ok()),
		ask("config.get: a payload without a NUL", 0,
			func() *codec.Message { return rqRaw("config.get", []byte("x")) }, fails(71)),

		ask("connector-local.stats-get", 3, func() *codec.Message { return rq("connector-local.stats-get", nil) },
			okShape(`{"server":{"clients":[{"uuid":"","userid":0,"pid":1,"txcount":0,"rxcount":0,"rxbacklog":0}],`+
				`"connects":0},"allow_guest_user":true,"allow_root_owner":false}`)),
		ask("connector-local.stats-get: a payload without a NUL", 0,
			func() *codec.Message { return rqRaw("connector-local.stats-get", []byte("x")) }, fails(71)),
		{sec: "9", name: "connector-local.stats-get: the counts of a connection", run: func(c *convo) {
			p := c.dial(0)
			before := p.stats().Server.Connects
			q := c.dial(0)
			for range 5 {
				q.ask(askRank(), okText(rank0))
			}
			q.send(flagged(askRank(), codec.FlagNoResponse))
			s := q.stats()
			c.want("connects", s.Server.Connects, before+1)
			i := slices.IndexFunc(s.Server.Clients, func(cl connectorClient) bool {
				return cl.TxCount == 7
			})
			if i < 0 {
				c.Fatalf("no client sent 7 messages: %+v", s.Server.Clients)
			}
			cl := s.Server.Clients[i]
			c.want("client", []int{int(cl.UserID), cl.PID, cl.RxCount, cl.RxBacklog},
				[]int{int(owner), os.Getpid(), 5, 0})
		}},
		{sec: "9", name: "connector-local.stats-get: the policy", run: func(c *convo) {
			flat, chain := c.dial(0).stats(), c.dialChain(0).stats()
			c.want("guests and root", []bool{flat.Guests, flat.Root, chain.Guests, chain.Root},
				[]bool{true, false, false, false})
		}},
		{sec: "9", name: "connector-local.stats-get: each rank has its own clients", run: func(c *convo) {
			p, q := c.dial(0), c.dial(3)
			if s := q.stats(); len(s.Server.Clients) < 1 || len(s.Server.Clients) >= s.Server.Connects+1 {
				c.Errorf("%+v", s)
			}
			for _, uuid := range c.connected(q) {
				if slices.Contains(c.connected(p), uuid) {
					c.Errorf("%s is at ranks 0 and 3", uuid)
				}
			}
		}},

		{sec: "9", name: "content: what was stored is loaded by its hash", run: func(c *convo) {
			p := c.dial(0)
			p.ask(rqRaw("content.store", blob), okRaw(hash[:]))
			p.ask(rqRaw("content.load", hash[:]), okRaw(blob))
			c.dial(3).ask(rqRaw("content.load", hash[:]), okRaw(blob))
		}},
		{sec: "9", name: "content: an empty blob", run: func(c *convo) {
			empty := sha1.Sum(nil)
			p := c.dial(0)
			p.ask(rq("content.store", nil), okRaw(empty[:]))
			p.ask(rqRaw("content.load", empty[:]), ok())
		}},
		ask("content.load: unknown", 0, func() *codec.Message { return rqRaw("content.load", make([]byte, 20)) },
			fails(2, "No such file or directory")),
		ask("content.load: not the length of a hash", 0,
			func() *codec.Message { return rqRaw("content.load", []byte("x")) }, fails(71)),
	}
}
