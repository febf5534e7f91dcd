package fluxtest_test

import (
	"encoding/json"
	"fmt"

	"github.com/flux-sdk/flux/codec"
)

// kvsRankRows are versions, ranks, namespaces and events of 11.1.
func kvsRankRows() []row {
	wait := func(ns string, seq int) *codec.Message {
		return rq("kvs.wait-version", obj{"rootseq": seq, "namespace": ns})
	}
	return []row{
		kvsRow("11.1", "wait-version: what is there, and what comes", func(c *convo, p *talker, ns string) {
			seq, ref := p.commit(ns, put("a", "1"))
			for _, n := range []int{-5, 0, seq} {
				p.ask(wait(ns, n), okJSON(obj{"rootseq": seq, "rootref": ref}))
			}
			w := c.dial(2)
			w.root(ns) // a rank that first hears of a namespace while a commit is made may miss that
			w.send(wait(ns, seq+1))
			w.quiet()
			seq, ref = p.commit(ns, put("a", "2"))
			w.check(wait(ns, seq), w.next(), okJSON(obj{"rootseq": seq, "rootref": ref}))
			w.ask(lookupOf(ns, "a", 0), okValue("2"))
			p.ask(rq("kvs.wait-version", obj{"namespace": ns}), fails(eproto))
			p.ask(rq("kvs.wait-version", obj{"rootseq": 0}), fails(eproto))
		}),
		kvsRow("11.1", "a commit is seen at its rank at once", func(c *convo, p *talker, ns string) {
			three := c.dial(3)
			for _, v := range []string{"1", "2", "3"} {
				three.ask(commitOf(ns, put("a", v)), okCommit())
				three.ask(lookupOf(ns, "a", 0), okValue(v))
			}
		}),
		kvsRow("11.1", "a commit at one rank, after wait-version at another", func(c *convo, p *talker, ns string) {
			one, two := c.dial(1), c.dial(2)
			two.root(ns)
			for _, v := range []string{"1", "2", "3"} {
				one.commit(ns, put("a", v))
				seq, ref := one.root(ns)
				two.ask(wait(ns, seq), okJSON(obj{"rootseq": seq, "rootref": ref}))
				two.ask(lookupOf(ns, "a", 0), okValue(v))
			}
		}),
		kvsRow("11.1", "a commit at a rank other than 0 is answered with the root before", func(c *convo, p *talker,
			ns string) {
			one := c.dial(1)
			before, beforeRef := one.root(ns)
			seq, ref := one.commit(ns, put("a", "1"))
			c.want("the version", seq, before)
			c.want("the root", ref, beforeRef)
			if seq, ref := one.root(ns); seq != before+1 || ref != "sha1-4269769cc1ce7a53ad0391196cc5cb2bb15c0bdd" {
				c.Errorf("version %d with root %s after a commit at %d", seq, ref, before)
			}
			before, _ = p.root(ns)
			seq, _ = p.commit(ns, put("a", "2"))
			c.want("the version at rank 0", seq, before+1)
			// Sent to rank 0, it is answered right.
			var v struct{ RootSeq int }
			one.into(at(commitOf(ns, put("a", "3")), 0), &v)
			c.want("the version from rank 0", v.RootSeq, before+2)
		}),
		kvsRow("11.1", "a request to another rank's store", func(c *convo, p *talker, ns string) {
			seq, _ := p.commit(ns, put("a", "1"))
			p.call(at(wait(ns, seq), 3))
			p.ask(at(lookupOf(ns, "a", 0), 3), okValue("1"))
		}),
		kvsRow("11.1", "a rank that is held back", func(c *convo, p *talker, ns string) {
			held := c.dial(1)
			pause, unpause := rq("kvs.setroot-pause", obj{"namespace": ns}), rq("kvs.setroot-unpause", obj{"namespace": ns})
			p.commit(ns, put("a", "1"))
			held.ask(lookupOf(ns, "a", 0), okValue("1"))
			held.ask(pause, ok())
			seq, ref := p.commit(ns, put("a", "2"))
			held.ask(lookupOf(ns, "a", 0), okValue("1"))
			held.send(tagged(wait(ns, seq), 9))
			held.quiet()
			held.send(unpause)
			held.check(tagged(wait(ns, seq), 9), held.next(), okJSON(obj{"rootseq": seq, "rootref": ref}))
			held.check(unpause, held.next(), ok())
			held.ask(lookupOf(ns, "a", 0), okValue("2"))
		}),
		kvsRow("11.1", "namespace: create and list", func(c *convo, p *talker, ns string) {
			p.ask(createNamespace(ns, emptyRoot, -1), fails(eexist))
			p.ask(createNamespace("primary", emptyRoot, -1), fails(eexist))
			name := c.name()
			p.ask(createNamespace(name, emptyRoot, 4294967295), ok())
			p.ask(rq("kvs.getroot", obj{"namespace": name}),
				okJSON(obj{"owner": owner, "rootseq": 0, "rootref": emptyRoot, "flags": 0, "namespace": name}))
			other := c.name()
			p.ask(createNamespace(other, emptyRoot, 4242), ok())
			for _, payload := range []any{nil, obj{}} {
				p.ask(rq("kvs.namespace-list", payload), answer{payload: lists(map[string]float64{
					"primary": float64(owner), ns: float64(owner), name: float64(owner), other: 4242})})
			}
		}),
		kvsRow("11.1", "namespace: bad payloads", func(c *convo, p *talker, ns string) {
			name := c.name()
			for _, o := range []obj{{"namespace": name, "owner": 0, "flags": 0}, {"namespace": name, "rootref": emptyRoot,
				"flags": 0},
				{"namespace": name, "rootref": emptyRoot, "owner": 0}, {"rootref": emptyRoot, "owner": 0, "flags": 0}} {
				p.ask(at(rq("kvs.namespace-create", o), 0), fails(eproto))
			}
			p.ask(at(rq("kvs.namespace-remove", obj{}), 0), fails(eproto))
			p.ask(rq("kvs.getroot", obj{}), fails(eproto))
		}),
		kvsRow("11.1", "namespace: a root that is none is taken", func(c *convo, p *talker, ns string) {
			name := c.name()
			p.ask(at(rq("kvs.namespace-create", obj{"namespace": name, "rootref": "xx", "owner": -1, "flags": 7}), 0), ok())
			p.ask(rq("kvs.getroot", obj{"namespace": name}),
				okJSON(obj{"owner": owner, "rootseq": 0, "rootref": "xx", "flags": 7, "namespace": name}))
			p.ask(lookupOf(name, "a", 0), fails(einval))
			p.ask(removeNamespace(name), ok())
		}),
		kvsRow("11.1", "namespace: a copy of another", func(c *convo, p *talker, ns string) {
			_, ref := p.commit(ns, put("a", "1"))
			name := c.name()
			p.ask(createNamespace(name, ref, -1), ok())
			p.ask(lookupOf(name, "a", 0), okValue("1"))
			p.commit(name, put("a", "2"))
			p.ask(lookupOf(ns, "a", 0), okValue("1"))
		}),
		kvsRow("11.1", "namespace: remove", func(c *convo, p *talker, ns string) {
			three, w := c.dial(3), c.dial(2)
			w.root(ns)
			three.ask(commitOf(ns, put("a", "1")), okCommit())
			w.send(wait(ns, 1000))
			w.quiet()
			p.ask(removeNamespace(ns), ok())
			p.ask(removeNamespace(ns), ok())
			p.ask(removeNamespace(c.name()), ok())
			p.ask(lookupOf(ns, "a", 0), fails(enotsup))
			w.check(wait(ns, 1000), w.next(), fails(enotsup))
			p.ask(removeNamespace("primary"), fails(enotsup))
			p.ask(removeNamespace("Primary"), fails(enotsup))
		}),
		kvsRow("11.1", "events: a commit, a namespace and its end", func(c *convo, p *talker, ns string) {
			name := c.name()
			w := c.dial(1)
			w.subscribe("kvs.namespace-" + name)
			p.ask(createNamespace(name, emptyRoot, -1), ok())
			w.eventIs("kvs.namespace-"+name+"-created", obj{"namespace": name, "rootseq": 0, "rootref": emptyRoot,
				"owner": owner})
			seq, ref := p.commit(name, put("a", "1"), put("b..c.", "2"))
			w.eventIs("kvs.namespace-"+name+"-setroot", obj{"namespace": name, "rootseq": seq, "rootref": ref, "owner": owner,
				"keys": obj{"a": nil, "b.c": nil}})
			p.ask(commitOf(name, put(".", "1")), fails(einval))
			w.eventIs("kvs.namespace-"+name+"-error", obj{"namespace": name, "errnum": einval})
			p.ask(removeNamespace(name), ok())
			w.eventIs("kvs.namespace-"+name+"-removed", obj{"namespace": name})
		}),
		kvsRow("11.1", "stats-get", func(c *convo, p *talker, ns string) {
			p.ask(rq("kvs-watch.stats-get", nil), okLike(`^\{"watchers":[0-9]+,"namespace-count":[0-9]+,"namespaces":\{`))
			p.ask(rq("kvs.stats-get", nil), okLike(`^\{"cache":\{"obj size total \(MiB\)":.*"namespace":\{.*"store revision":`))
			p.ask(rq("content.stats-get", nil),
				okShape(`{"count":1,"valid":1,"dirty":0,"size":1,"flush-batch-count":0,"mmap":{"tags":{},"blobs":0}}`))
		}),
	}
}

// root asks for the current root.
func (p *talker) root(ns string) (seq int, ref string) {
	p.c.Helper()
	var v struct {
		RootSeq int
		RootRef string
	}
	p.into(rq("kvs.getroot", obj{"namespace": ns}), &v)
	return v.RootSeq, v.RootRef
}

// lists checks that a list of namespaces has these with their owners.
func lists(want map[string]float64) func(*codec.Message) error {
	return func(m *codec.Message) error {
		got, _ := fieldsOf(m.Payload)["namespaces"].([]any)
		owners := make(map[string]float64)
		for _, n := range got {
			o, _ := n.(map[string]any)
			name, _ := o["namespace"].(string)
			owners[name], _ = o["owner"].(float64)
		}
		for name, owner := range want {
			if got, ok := owners[name]; !ok || got != owner {
				return fmt.Errorf("namespace %s of %v is not in %s", name, owner, m.Payload)
			}
		}
		return nil
	}
}

// eventIs checks the next event: it is private and has these members; the names of commits are any.
func (p *talker) eventIs(topic string, want obj) {
	p.c.Helper()
	m := p.next()
	got := fieldsOf(m.Payload)
	delete(got, "names")
	b, err := json.Marshal(got)
	w, _ := json.Marshal(want)
	if err != nil || m.Topic != topic || m.Flags&codec.FlagPrivate == 0 || !sameJSON(b, w) {
		p.c.Errorf("%s\nwant %s %s", describe(m), topic, w)
	}
}

// kvsGuestRows are what a guest may do with the store.
func kvsGuestRows() []row {
	const text = "Request requires owner credentials"
	guestPut := func(dirent any) *codec.Message { return commitOf("primary", set("a", dirent)) }
	return []row{
		kvsRow("11.1", "guest: the primary namespace is closed", func(c *convo, p *talker, _ string) {
			g := c.guest(0)
			g.ask(lookupOf("primary", "a", 0), fails(eperm))
			g.ask(rq("kvs.getroot", obj{"namespace": "primary"}), fails(eperm))
			g.ask(rq("kvs.wait-version", obj{"namespace": "primary", "rootseq": 0}), fails(eperm))
			g.ask(guestPut(valObject("1")), fails(eperm))
			w := flagged(rq("kvs-watch.lookup", obj{"namespace": "primary", "key": "a", "flags": 12}), codec.FlagStreaming)
			g.ask(w, fails(eperm))
		}),
		kvsRow("11.1", "guest: what only the owner may", func(c *convo, p *talker, ns string) {
			g := c.guest(0)
			g.ask(rq("kvs.namespace-list", nil), fails(eperm, text))
			g.ask(createNamespace(c.name(), emptyRoot, -1), fails(eperm, text))
			g.ask(removeNamespace(ns), fails(eperm, text))
			g.ask(rqRaw("content.store", []byte("x")), fails(eperm, text))
			g.ask(rqRaw("content.load", make([]byte, 20)), fails(eperm, text))
		}),
		kvsRow("11.1", "guest: what it may not commit", func(c *convo, p *talker, _ string) {
			g := c.guest(0)
			g.ask(guestPut(linkObject("x")), fails(eperm, "guests may not commit symlink objects"))
			g.ask(guestPut(treeObject("valref", []any{emptyRoot})), fails(eperm, "guests may not commit valref objects"))
			g.ask(guestPut(treeObject("dirref", []any{emptyRoot})), fails(eperm, "guests may not commit dirref objects"))
			g.ask(guestPut(treeObject("dir", obj{"x": valObject("1")})), fails(eperm,
				"guests may not commit non-empty dir objects"))
			g.ask(commitOf("primary", 5), fails(eproto, "could not decode commit operation"))
		}),
		kvsRow("11.1", "guest: a namespace of its own", func(c *convo, p *talker, _ string) {
			ns := c.name()
			p.ask(createNamespace(ns, emptyRoot, guestUID), ok())
			g := c.guest(0)
			g.ask(commitOf(ns, put("a", "1"), set("d", dirObject()), add("log", "x")), okCommit())
			g.ask(lookupOf(ns, "a", 0), okValue("1"))
			g.ask(rq("kvs.getroot", obj{"namespace": ns}), okLike(`"owner":1234`))
			w := flagged(rq("kvs-watch.lookup", obj{"namespace": ns, "key": "a", "flags": 4}), codec.FlagStreaming)
			g.ask(w, okValue("1"))
			p.ask(lookupOf(ns, "a", 0), okValue("1"))
			p.commit(ns, put("a", "2"), set("l", linkTo("primary", "x")))
			g.check(w, g.next(), okValue("2"))
			g.ask(lookupOf(ns, "l", 0), fails(eperm))
		}),
	}
}
