package fluxtest_test

import (
	"strings"

	"github.com/flux-sdk/flux/codec"
)

// watchOf is a request to kvs-watch.
func watchOf(ns, key string, flags int) *codec.Message {
	return flagged(rq("kvs-watch.lookup", obj{"namespace": ns, "key": key, "flags": flags}), codec.FlagStreaming)
}

func cancelWatch(tag uint32) *codec.Message {
	return flagged(request("kvs-watch.cancel", 0, obj{"matchtag": tag}), codec.FlagNoResponse)
}

// watching is a watch of one row, on a connection of its own.
type watching struct {
	*talker
	req *codec.Message
}

// watch begins a watch and checks what it says at once. One that says nothing has begun all the same.
func (p *talker) watch(ns, key string, flags int, first ...answer) *watching {
	p.c.Helper()
	w := &watching{p.c.dial(p.rank), watchOf(ns, key, flags)}
	w.send(w.req)
	w.says(first...)
	if len(first) == 0 {
		// The service handles this one later.
		const other = tag + 1
		root := tagged(watchOf(ns, ".", wWatch|wReaddir), other)
		w.ask(root, okLike(`"type":"dir"`))
		w.send(cancelWatch(other))
		w.check(root, w.next(), fails(enodata))
	}
	return w
}

// says checks the next responses.
func (w *watching) says(list ...answer) {
	w.c.Helper()
	for _, a := range list {
		w.check(w.req, w.next(), a)
	}
}

// silent fails the row if something comes of what p has done. What p did has then been seen by this rank's services.
func (w *watching) silent(p *talker, ns string) {
	w.c.Helper()
	key := p.c.name()
	last := p.watch(ns, key, wWatch|wWaitCreate)
	p.commit(ns, put(key, "1"))
	last.says(okValue("1"))
	w.quiet()
}

// Flags of kvs-watch.
const (
	wReaddir, wWatch, wWaitCreate, wTreeObject, wFull, wUnique, wAppend, wStream, wMarker = 1, 4, 8, 16, 64, 128, 256,
		512, 1024
)

// kvsWatchRows are kvs-watch of 11.1 and of facts.
func kvsWatchRows() []row {
	watchRow := func(name string, run func(c *convo, p *talker, ns string)) row {
		return kvsRow("11.1", "watch: "+name, run)
	}
	return []row{
		watchRow("every commit that names the key", func(c *convo, p *talker, ns string) {
			p.commit(ns, put("d.a", "1"))
			w := p.watch(ns, "d.a", wWatch, okValue("1"))
			p.commit(ns, put("d.a", "1"))
			w.says(okValue("1"))
			p.commit(ns, put("d.b", "x"))
			p.commit(ns, put("d..a", "2"))
			w.says(okValue("2"))
			p.commit(ns, put("d.a", "3"), put("d.a", "4"))
			w.says(okValue("4"))
			p.commit(ns, cut("d.a"))
			w.says(fails(enoent))
		}),
		watchRow("cancel", func(c *convo, p *talker, ns string) {
			p.commit(ns, put("a", "1"))
			w := p.watch(ns, "a", wWatch, okValue("1"))
			w.send(cancelWatch(tag + 1)) // of no watch
			w.send(cancelWatch(tag))
			w.says(fails(enodata))
			p.commit(ns, put("a", "2"))
			w.send(cancelWatch(tag))
			w.silent(p, ns)
		}),
		watchRow("a missing key", func(c *convo, p *talker, ns string) {
			p.watch(ns, "nosuch", wWatch, fails(enoent))
			p.watch(ns, "", wWatch, fails(enoent))
			p.watch(ns, "nosuch", wWatch|wFull, fails(enoent))
			p.watch(ns, "nosuch", wWatch|wAppend, fails(enoent))
		}),
		watchRow("a directory", func(c *convo, p *talker, ns string) {
			p.commit(ns, put("d.a", "1"))
			p.watch(ns, "d", wWatch, fails(eisdir))
			p.watch(ns, "d.a", wWatch|wReaddir, fails(enotdir))
			w := p.watch(ns, "d", wWatch|wReaddir, okObject(treeObject("dir", obj{"a": valObject("1")})))
			full := p.watch(ns, "d", wWatch|wReaddir|wFull, okObject(treeObject("dir", obj{"a": valObject("1")})))
			p.commit(ns, put("d.b", "2"))
			full.says(okObject(treeObject("dir", obj{"a": valObject("1"), "b": valObject("2")})))
			w.silent(p, ns)
			p.commit(ns, set("d", dirObject()))
			w.says(okObject(dirObject()))
		}),
		watchRow("removal of a directory above", func(c *convo, p *talker, ns string) {
			p.commit(ns, put("d.e.a", "1"))
			w, full, unique := p.watch(ns, "d.e.a", wWatch, okValue("1")), p.watch(ns, "d.e.a", wWatch|wFull, okValue("1")),
				p.watch(ns, "d.e.a", wWatch|wUnique, okValue("1"))
			p.commit(ns, cut("d"))
			full.says(fails(enoent))
			w.silent(p, ns)
			unique.silent(p, ns)
		}),
		watchRow("waitcreate", func(c *convo, p *talker, ns string) {
			w := p.watch(ns, "a", wWatch|wWaitCreate)
			p.commit(ns, put("b", "1"))
			w.silent(p, ns)
			p.commit(ns, put("a", "1"))
			w.says(okValue("1"))
			p.commit(ns, put("a", "2"))
			w.says(okValue("2"))
			p.commit(ns, cut("a"))
			w.says(fails(enoent))
		}),
		watchRow("waitcreate gives up when the missing key is removed", func(c *convo, p *talker, ns string) {
			w := p.watch(ns, "a", wWatch|wWaitCreate)
			p.commit(ns, cut("a"))
			w.says(fails(enoent))
		}),
		watchRow("waitcreate with full gives up at any commit", func(c *convo, p *talker, ns string) {
			w := p.watch(ns, "a", wWatch|wWaitCreate|wFull)
			p.commit(ns, put("b", "1"))
			w.says(fails(enoent))
		}),
		watchRow("waitcreate alone: one response", func(c *convo, p *talker, ns string) {
			plain := rq("kvs-watch.lookup", obj{"namespace": ns, "key": "a", "flags": wWaitCreate})
			w := c.dial(0)
			w.send(plain)
			w.quiet()
			p.commit(ns, put("a", "1"))
			w.check(plain, w.next(), okValue("1"))
			p.commit(ns, put("a", "2"))
			(&watching{w, plain}).silent(p, ns)
			w.ask(plain, okValue("2"))
		}),
		watchRow("waitcreate with the streaming flag: one response and no end", func(c *convo, p *talker, ns string) {
			p.commit(ns, put("a", "1"))
			w := p.watch(ns, "a", wWaitCreate, okValue("1"))
			p.commit(ns, put("a", "2"))
			w.silent(p, ns)
		}),
		watchRow("full: different values alone", func(c *convo, p *talker, ns string) {
			p.commit(ns, put("a", "1"), put("x", "5"), set("l", linkObject("x")))
			w, link := p.watch(ns, "a", wWatch|wFull, okValue("1")), p.watch(ns, "l", wWatch|wFull, okValue("5"))
			p.commit(ns, put("a", "1"))
			p.commit(ns, put("b", "1"))
			p.commit(ns, put("a", "2"))
			w.says(okValue("2"))
			p.commit(ns, put("x", "6"))
			link.says(okValue("6"))
			p.commit(ns, set("l", linkObject("a")))
			link.says(okValue("2"))
			w.silent(p, ns)
		}),
		watchRow("unique: different values alone", func(c *convo, p *talker, ns string) {
			p.commit(ns, put("a", "1"))
			w := p.watch(ns, "a", wWatch|wUnique, okValue("1"))
			p.commit(ns, put("a", "1"))
			p.commit(ns, put("a", "2"))
			w.says(okValue("2"))
			p.commit(ns, put("a", "1"))
			w.says(okValue("1"))
			p.commit(ns, cut("a"))
			w.says(fails(enoent))
		}),
		watchRow("append: the pieces, then each new one", func(c *convo, p *talker, ns string) {
			p.commit(ns, add("a", "1"), add("a", "2"))
			w := p.watch(ns, "a", wWatch|wAppend, okValue("1"), okValue("2"))
			p.commit(ns, add("a", "3"))
			w.says(okValue("3"))
			p.commit(ns, add("a", "4"), add("a", "5"))
			w.says(okValue("4"), okValue("5"))
			p.commit(ns, put("b", "x"))
			w.silent(p, ns)
			p.commit(ns, put("a", "other"))
			w.says(fails(einval, "value of key watched with WATCH_APPEND overwritten"))
		}),
		watchRow("append: a value in the directory, then a blob", func(c *convo, p *talker, ns string) {
			p.commit(ns, put("a", "1"))
			w := p.watch(ns, "a", wWatch|wAppend, okValue("1"))
			p.commit(ns, add("a", "2"))
			w.says(okValue("2"))
			p.commit(ns, cut("a"))
			w.says(fails(enoent))
		}),
		watchRow("append: fewer pieces, a directory, a link", func(c *convo, p *talker, ns string) {
			p.commit(ns, add("a", "1"), add("a", "2"), add("a", "3"), set("d", dirObject()), set("l", linkObject("a")))
			w := p.watch(ns, "a", wWatch|wAppend, okValue("1"), okValue("2"), okValue("3"))
			p.commit(ns, set("a", treeObject("valref", []any{blobOf("1")})))
			w.says(fails(einval, "key watched with WATCH_APPEND shortened"))
			p.watch(ns, "d", wWatch|wAppend, fails(eisdir, "dirref cannot be watched with WATCH_APPEND"))
			p.watch(ns, "l", wWatch|wAppend, fails(einval, "symlink cannot be watched with WATCH_APPEND"))
		}),
		watchRow("append: the marker", func(c *convo, p *talker, ns string) {
			p.commit(ns, add("a", "1"), add("a", "2"), put("v", "x"))
			w := p.watch(ns, "a", wWatch|wAppend|wMarker, okValue("1"), okValue("2"), ok())
			p.commit(ns, add("a", "3"))
			w.says(okValue("3"))
			p.watch(ns, "v", wWatch|wAppend|wMarker, okValue("x"), ok())
			w = p.watch(ns, "later", wWatch|wAppend|wMarker|wWaitCreate, ok())
			p.commit(ns, add("later", "1"))
			w.says(okValue("1"))
			p.commit(ns, add("later", "2"))
			w.says(okValue("2"))
		}),
		watchRow("stream", func(c *convo, p *talker, ns string) {
			big := strings.Repeat("b", 100)
			p.commit(ns, add("a", "1"), add("a", "2"), put("v", "x"), put("big", big), set("d", dirObject()), set("l",
				linkObject("v")))
			p.watch(ns, "a", wStream, okValue("1"), okValue("2"), fails(enodata))
			p.watch(ns, "v", wStream, okValue("x"), fails(enodata))
			p.watch(ns, "big", wStream, okValue(big), fails(enodata))
			p.watch(ns, "d", wStream, fails(eisdir, "dirref cannot be streamed"))
			p.watch(ns, "l", wStream, fails(einval, "symlink cannot be streamed"))
			p.watch(ns, "nosuch", wStream, fails(enoent))
			w := p.watch(ns, "later", wStream|wWaitCreate)
			p.commit(ns, put("later", "1"))
			w.says(okValue("1"), fails(enodata))
		}),
		watchRow("tree objects", func(c *convo, p *talker, ns string) {
			p.commit(ns, set("l", linkObject("x")))
			w := p.watch(ns, "l", wWatch|wTreeObject, okObject(linkObject("x")))
			p.commit(ns, set("l", linkObject("y")))
			w.says(okObject(linkObject("y")))
		}),
		watchRow("flags that do not go together", func(c *convo, p *talker, ns string) {
			const needs = "Must set KVS watch flag with other watch flags"
			p.commit(ns, put("a", "1"))
			for _, flags := range []int{wFull, wUnique, wAppend, wMarker, wFull | wStream} {
				p.ask(watchOf(ns, "a", flags), fails(einval, needs))
			}
			p.ask(watchOf(ns, "a", wWatch|wMarker), fails(einval, "Must set KVS watch append flag with initial sentinel flag"))
			p.ask(watchOf(ns, "a", wWatch|wStream), fails(einval, "Cannot KVS watch and stream at the same time"))
			plain := func(flags int) *codec.Message {
				return rq("kvs-watch.lookup", obj{"namespace": ns, "key": "a", "flags": flags})
			}
			p.ask(plain(wWatch), fails(eproto, "KVS watch request rejected without streaming RPC flag"))
			p.ask(plain(wStream), fails(eproto, "KVS stream request rejected without streaming RPC flag"))
			p.watch(ns, "a", wWatch|wFull|wUnique|wAppend, okValue("1"))
		}),
		watchRow("bad payloads", func(c *convo, p *talker, ns string) {
			for _, o := range []obj{{"namespace": ns, "key": "a"}, {"namespace": ns, "flags": 4}, {"key": "a", "flags": 4},
				{"namespace": ns, "key": 1, "flags": 4}} {
				p.ask(flagged(rq("kvs-watch.lookup", o), codec.FlagStreaming), fails(eproto))
			}
		}),
		watchRow("without flags: as with watch, but without an end", func(c *convo, p *talker, ns string) {
			p.commit(ns, put("a", "1"))
			w := p.watch(ns, "a", 0, okValue("1"))
			w.quiet()
		}),
		watchRow("two with one matchtag", func(c *convo, p *talker, ns string) {
			p.commit(ns, put("a", "1"))
			w := p.watch(ns, "a", wWatch, okValue("1"))
			w.ask(w.req, fails(einval))
		}),
		watchRow("a namespace that is removed", func(c *convo, p *talker, ns string) {
			p.commit(ns, put("a", "1"))
			w, full, waits := p.watch(ns, "a", wWatch, okValue("1")), p.watch(ns, "a", wWatch|wFull, okValue("1")), p.watch(ns,
				"b", wWatch|wWaitCreate)
			p.ask(removeNamespace(ns), ok())
			w.says(fails(enotsup))
			full.says(fails(enotsup))
			waits.says(fails(enotsup))
		}),
		watchRow("a namespace that does not exist", func(c *convo, p *talker, _ string) {
			ns := c.name()
			p.watch(ns, "a", wWatch, fails(enotsup))
			w := &watching{c.dial(0), watchOf(ns, "a", wWatch|wWaitCreate)}
			w.send(w.req)
			w.quiet()
			p.ask(createNamespace(ns, emptyRoot, -1), ok())
			p.commit(ns, put("a", "1"))
			w.says(okValue("1"))
		}),
		watchRow("links", func(c *convo, p *talker, ns string) {
			other := p.namespace()
			p.commit(other, put("a", "1"))
			p.commit(ns, set("l", linkTo(other, ".")), put("x", "5"), set("s", linkObject("x")))
			w, s := p.watch(ns, "l.a", wWatch, okValue("1")), p.watch(ns, "s", wWatch, okValue("5"))
			p.commit(other, put("a", "2")) // names another key, in another namespace
			p.commit(ns, put("x", "6"))
			w.silent(p, ns)
			s.silent(p, ns)
			p.commit(ns, set("s", linkObject("x")))
			s.says(okValue("6"))
		}),
		watchRow("at another rank", func(c *convo, p *talker, ns string) {
			p.commit(ns, put("a", "1"))
			w := c.dial(3).watch(ns, "a", wWatch|wWaitCreate, okValue("1"))
			p.commit(ns, put("a", "2"))
			w.says(okValue("2"))
		}),
		watchRow("content that is missing", func(c *convo, p *talker, ns string) {
			p.commit(ns, set("a", treeObject("valref", []any{"sha1-" + strings.Repeat("2", 40)})))
			p.watch(ns, "a", wWatch, fails(enoent))
			p.watch(ns, "a", wWatch|wAppend, fails(enoent, "failed to load content data"))
		}),
	}
}
