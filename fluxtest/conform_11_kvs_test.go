package fluxtest_test

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/flux-sdk/flux/codec"
)

// The errno values of these rows.
const (
	eperm, enoent, eexist, enotdir, eisdir, einval, eloop, enodata, eproto, enotsup, enotrecoverable = 1, 2, 17, 20, 21,
		22, 40, 61, 71, 95, 131
)

// emptyRoot is the reference of a directory without entries.
const emptyRoot = "sha1-c0a9faf907dda6216fd73bf81d0b3b21a1a8cb91"

// kvsRow is a row with a new namespace in it.
func kvsRow(sec, name string, run func(c *convo, p *talker, ns string)) row {
	return row{sec: sec, name: "kvs: " + name, run: func(c *convo) {
		p := c.dial(0)
		run(c, p, p.namespace())
	}}
}

// namespace makes a namespace, which it returns.
func (p *talker) namespace() string {
	p.c.Helper()
	name := p.c.name()
	p.ask(createNamespace(name, emptyRoot, -1), ok())
	return name
}

func createNamespace(name, root string, owner int64) *codec.Message {
	return at(rq("kvs.namespace-create", obj{"namespace": name, "rootref": root, "owner": owner, "flags": 0}), 0)
}

func removeNamespace(name string) *codec.Message {
	return at(rq("kvs.namespace-remove", obj{"namespace": name}), 0)
}

// commitOf is a commit of operations.
func commitOf(ns string, ops ...any) *codec.Message { return commitWith(ns, 0, ops...) }

func commitWith(ns string, flags int, ops ...any) *codec.Message {
	if ops == nil {
		ops = []any{}
	}
	return rq("kvs.commit", obj{"namespace": ns, "flags": flags, "ops": ops})
}

// set, cut and add are operations.
func set(key string, dirent any) obj { return obj{"key": key, "flags": 0, "dirent": dirent} }
func cut(key string) obj             { return set(key, nil) }
func add(key, value string) obj      { return obj{"key": key, "flags": 32, "dirent": valObject(value)} }

// put is the operation that gives a key a value.
func put(key, value string) obj { return set(key, valObject(value)) }

func treeObject(kind string, data any) obj { return obj{"ver": 1, "type": kind, "data": data} }
func dirObject() obj                       { return treeObject("dir", obj{}) }
func linkObject(target string) obj         { return treeObject("symlink", obj{"target": target}) }
func linkTo(ns, target string) obj {
	return treeObject("symlink", obj{"target": target, "namespace": ns})
}

// blobOf is the reference of a value.
func blobOf(value string) string {
	sum := sha1.Sum([]byte(value))
	return "sha1-" + hex.EncodeToString(sum[:])
}

// lookupOf is a lookup of a key's current value.
func lookupOf(ns, key string, flags int) *codec.Message {
	return rq("kvs.lookup", obj{"key": key, "namespace": ns, "flags": flags})
}

// okObject is a lookup's success with a tree object.
func okObject(o obj) answer { return okJSON(obj{"val": o}) }

func okValue(value string) answer { return okObject(valObject(value)) }

// okCommit is a commit's success.
func okCommit() answer { return okLike(`^\{"rootref":"sha1-[0-9a-f]{40}","rootseq":[0-9]+\}$`) }

// commit makes changes and returns the version.
func (p *talker) commit(ns string, ops ...any) (seq int, ref string) {
	p.c.Helper()
	var v struct {
		RootSeq int
		RootRef string
	}
	p.into(commitOf(ns, ops...), &v)
	return v.RootSeq, v.RootRef
}

// kvsRows are commits and lookups of 11.1 and of facts.
func kvsRows() []row {
	lookups := func(name string, ops []any, list ...any) row {
		return kvsRow("11.1", name, func(c *convo, p *talker, ns string) {
			if len(ops) > 0 {
				p.ask(commitOf(ns, ops...), okCommit())
			}
			for i := 0; i < len(list); i += 3 {
				c.Logf("lookup %q %d", list[i], list[i+1])
				p.ask(lookupOf(ns, list[i].(string), list[i+1].(int)), list[i+2].(answer))
			}
		})
	}
	commits := func(name string, list ...any) row {
		return kvsRow("11.1", name, func(c *convo, p *talker, ns string) {
			for i := 0; i < len(list); i += 2 {
				c.Logf("%v", list[i])
				p.ask(commitOf(ns, list[i].([]any)...), list[i+1].(answer))
			}
		})
	}
	ops := func(list ...any) []any { return list }
	bytes54, bytes55 := strings.Repeat("x", 54), strings.Repeat("x", 55)
	base := ops(put("v", "1"), set("d", dirObject()), put("d.x", "2"), set("l", linkObject("v")), set("ld",
		linkObject("d")),
		set("gone", linkObject("nosuch")), set("loop", linkObject("loop")), set("root", linkObject(".")), put("big", bytes55))
	rows := []row{
		lookups("a value", base, "v", 0, okValue("1"), "big", 0, okValue(bytes55), "l", 0, okValue("1"), "ld.x", 0,
			okValue("2"),
			"root.d.x", 0, okValue("2")),
		lookups("errors of a lookup", base, "nosuch", 0, fails(enoent), "", 0, fails(enoent), "d", 0, fails(eisdir), "v", 1,
			fails(enotdir),
			"l", 1, fails(enotdir), "big", 1, fails(enotdir), "v.x", 0, fails(enoent), "gone", 0, fails(enoent), "gone.x", 0,
			fails(enoent),
			"loop", 0, fails(eloop), "loop.x", 0, fails(eloop), "nosuch", 1, fails(enoent), "nosuch", 16, fails(enoent),
			"root", 0, fails(eisdir)),
		lookups("the root", base, ".", 0, fails(eisdir), ".", 2, fails(eisdir), "..", 0, fails(eisdir)),
		lookups("periods in a key", base, "v.", 0, okValue("1"), ".v", 0, okValue("1"), "d..x", 0, okValue("2"), "..d.x..",
			0, okValue("2")),
		lookups("readlink", base, "l", 2, okObject(linkObject("v")), "nosuch", 2, fails(enoent), "v", 2, fails(einval), "d",
			2, fails(einval),
			"big", 2, fails(einval), "loop", 2, okObject(linkObject("loop"))),
		lookups("readlink and readdir", base, "v", 3, fails(einval), "d", 3, fails(einval), "l", 3, fails(enotdir)),
		lookups("tree objects", ops(put("v", bytes54), put("w", bytes55), set("d", dirObject()), set("l", linkObject("v"))),
			"v", 16, okObject(valObject(bytes54)), "w", 16, okObject(treeObject("valref", []any{blobOf(bytes55)})),
			"d", 16, okObject(treeObject("dirref", []any{emptyRoot})), "l", 16, okObject(linkObject("v"))),
		lookups("flags that mean nothing to a lookup", base, "v", 4, okValue("1"), "v", 8, okValue("1"), "v", 512,
			okValue("1"),
			"v", 4096, okValue("1"), "v", -1&^3, okValue("1")),
		lookups("readdir: entries are not resolved", ops(put("d.v", "1"), put("d.w", bytes55), set("d.l",
			linkObject("d.v")), set("d.s", dirObject())),
			"d", 1, okObject(treeObject("dir", obj{"v": valObject("1"), "w": treeObject("valref", []any{blobOf(bytes55)}),
				"l": linkObject("d.v"), "s": treeObject("dirref", []any{emptyRoot})})),
			".", 1, okLike(`^\{"val":\{"data":\{"d":\{"data":\["sha1-`)),
		lookups("an empty value", ops(put("e", "")), "e", 0, okValue(""), "e", 16, okObject(valObject(""))),
		commits("commit: several operations in order", ops(put("a", "1"), cut("a"), put("a", "2"), put("b", "3"), cut("b")),
			okCommit()),
		commits("commit: the root and the empty key", ops(put(".", "1")), fails(einval), ops(cut(".")), fails(einval),
			ops(put("..", "1")), fails(einval),
			ops(put("", "1")), okCommit()),
		commits("commit: bad operations", ops(obj{"key": "a", "flags": 0}), fails(eproto), ops(obj{"key": "a",
			"dirent": nil}), fails(eproto),
			ops(obj{"flags": 0, "dirent": nil}), fails(eproto), ops(obj{"key": "a", "flags": 0, "dirent": nil, "x": 1}),
			fails(eproto),
			ops(obj{"key": 1, "flags": 0, "dirent": nil}), fails(eproto), ops(5), fails(eproto)),
		commits("commit: bad tree objects", ops(set("a", obj{"ver": 2, "type": "val", "data": ""})), fails(einval),
			ops(set("a", treeObject("x", ""))), fails(einval), ops(set("a", obj{"ver": 1, "type": "val"})), fails(einval),
			ops(set("a", obj{"ver": 1, "type": "val", "data": "", "x": 1})), fails(einval), ops(set("a", treeObject("val",
				1))), fails(einval),
			ops(set("a", treeObject("valref", []any{}))), fails(einval), ops(set("a", treeObject("valref", []any{"x"}))),
			fails(einval),
			ops(set("a", treeObject("valref", []any{strings.ToUpper(emptyRoot)}))), fails(einval),
			ops(set("a", treeObject("dir", obj{"x": 1}))), fails(einval), ops(set("a", treeObject("symlink", obj{}))),
			fails(einval),
			ops(set("a", "text")), fails(einval), ops(set("a", true)), fails(einval)),
		commits("commit: odd tree objects that are taken", ops(set("a", treeObject("symlink", obj{"target": "x",
			"more": 1}))), okCommit(),
			ops(set("b", treeObject("dir", obj{"a.b": valObject("1")}))), okCommit(), ops(set("c", treeObject("dirref",
				[]any{emptyRoot, emptyRoot}))), okCommit(),
			ops(set("d", treeObject("valref", []any{"sha256-" + strings.Repeat("0", 64)}))), okCommit()),
		commits("commit: base64 is looked at in large values alone", ops(set("a", treeObject("val", "!!"))), okCommit(),
			ops(set("a", treeObject("val", strings.Repeat("!", 80)))), fails(eproto)),
		lookups("bad base64 comes back", ops(set("a", treeObject("val", "!!"))), "a", 0, okObject(treeObject("val", "!!"))),
		commits("append: what cannot be", ops(set("d", dirObject()), put("v", "1"), set("l", linkObject("v"))), okCommit(),
			ops(add("d", "x")), fails(eisdir),
			ops(add("l", "x")), fails(enotsup), ops(obj{"key": "v", "flags": 32, "dirent": linkObject("x")}), fails(eproto),
			ops(obj{"key": "v", "flags": 32, "dirent": dirObject()}), fails(eproto)),
		lookups("append: to nothing", ops(add("a", "x")), "a", 16, okObject(valObject("x"))),
		lookups("append: to a value", ops(put("a", "x"), add("a", "y"), add("a", "z")), "a", 0, okValue("xyz"),
			"a", 16, okObject(treeObject("valref", []any{blobOf("x"), blobOf("y"), blobOf("z")}))),
		lookups("append and null removes", ops(put("a", "x"), obj{"key": "a", "flags": 32, "dirent": nil}), "a", 0,
			fails(enoent)),
		lookups("unknown operation flags", ops(obj{"key": "a", "flags": 64, "dirent": valObject("1")}), "a", 0, okValue("1")),
		lookups("a value on the way becomes a directory", ops(put("x", "1"), put("x.y", "2")), "x.y", 0, okValue("2"), "x",
			0, fails(eisdir)),
		lookups("a link on the way is followed", ops(set("d", dirObject()), set("l", linkObject("d")), put("l.x", "1"),
			set("r", linkObject(".")), put("r.y", "2")),
			"d.x", 0, okValue("1"), "y", 0, okValue("2"), "l", 16, okObject(linkObject("d"))),
		lookups("a link to a value on the way makes that a directory", ops(put("v", "1"), set("l", linkObject("v")),
			put("l.x", "2")),
			"v.x", 0, okValue("2")),
		lookups("a link at the end is replaced", ops(put("v", "1"), set("l", linkObject("v")), put("l", "2")), "v", 0,
			okValue("1"), "l", 16, okObject(valObject("2"))),
		lookups("removing below a value changes nothing", ops(put("v", "1"), cut("v.x.y")), "v", 0, okValue("1")),
		lookups("a directory in one object", ops(set("d", treeObject("dir", obj{"s": treeObject("dir",
			obj{"k": valObject(bytes55)})}))),
			"d.s.k", 0, okValue(bytes55), "d.s.k", 16, okObject(treeObject("valref", []any{blobOf(bytes55)}))),
		commits("through a link into another namespace", ops(set("l", linkTo("other", "x"))), okCommit(), ops(put("l.y",
			"1")), fails(einval)),
	}
	return append(rows, kvsMoreRows()...)
}

// kvsMoreRows are rows of 11.1 that take more than a commit and lookups.
func kvsMoreRows() []row {
	return []row{
		kvsRow("11.1", "commit: all or nothing", func(c *convo, p *talker, ns string) {
			p.ask(commitOf(ns, put("a", "1"), set("b", treeObject("x", ""))), fails(einval))
			p.ask(lookupOf(ns, "a", 0), fails(enoent))
		}),
		kvsRow("11.1", "commit: versions grow, whatever is changed", func(c *convo, p *talker, ns string) {
			last := 0
			for _, ops := range [][]any{{put("a", "1")}, {put("a", "1")}, {cut("nosuch")}, {cut("no.such.x")}, {}} {
				seq, _ := p.commit(ns, ops...)
				if seq <= last {
					c.Errorf("version %d after %d", seq, last)
				}
				last = seq
			}
		}),
		kvsRow("11.1", "commit: the same content has the same root", func(c *convo, p *talker, ns string) {
			_, one := p.commit(ns, put("a", "1"))
			_, two := p.commit(ns, put("b", "2"))
			_, three := p.commit(ns, cut("b"))
			c.want("the root", three, one)
			if one == two {
				c.Errorf("%s is the root of different contents", one)
			}
			c.want("the root", one, "sha1-4269769cc1ce7a53ad0391196cc5cb2bb15c0bdd")
			_, empty := p.commit(ns, cut("a"))
			c.want("the empty root", empty, emptyRoot)
		}),
		kvsRow("11.1", "commit: names are hashed as text", func(c *convo, p *talker, ns string) {
			_, ref := p.commit(ns, put("q\"b\\s/t\tn\n\x01é日", "1"))
			o := `{"data":{"q\"b\\s/t\tn\n\u0001é日":{"data":"MQ==","type":"val","ver":1}},"type":"dir","ver":1}`
			c.want("the root", ref, blobOf(o))
		}),
		kvsRow("11.1", "commit: flags", func(c *convo, p *talker, ns string) {
			for _, flags := range []int{1, 2, 3, 128} {
				p.ask(commitWith(ns, flags, put("a", "1")), okCommit())
			}
			p.ask(commitWith(ns, 4, put("a", "1")), fails(einval))
			p.ask(commitWith("primary", 4, put(c.name(), "1")), okCommit())
		}),
		kvsRow("11.1", "commit: bad payloads", func(c *convo, p *talker, ns string) {
			for _, o := range []obj{{"namespace": ns, "flags": 0}, {"namespace": ns, "ops": []any{}}, {"flags": 0,
				"ops": []any{}},
				{"namespace": 1, "flags": 0, "ops": []any{}}, {"namespace": ns, "flags": "0", "ops": []any{}}} {
				p.ask(rq("kvs.commit", o), fails(eproto))
			}
			p.ask(rq("kvs.commit", nil), fails(eproto))
			p.ask(rq("kvs.commit", obj{"namespace": ns, "flags": 0, "ops": obj{}}), okCommit())
			p.ask(rq("kvs.commit", obj{"namespace": ns, "flags": 0, "ops": "x"}), okCommit())
		}),
		kvsRow("11.1", "lookup: bad payloads", func(c *convo, p *talker, ns string) {
			for _, o := range []obj{{"key": "a", "flags": 0}, {"key": "a", "namespace": ns}, {"namespace": ns, "flags": 0},
				{"key": 1, "namespace": ns, "flags": 0}, {"key": "a", "namespace": ns, "flags": "0"}} {
				p.ask(rq("kvs.lookup", o), fails(eproto))
			}
			p.ask(rq("kvs.lookup", nil), fails(eproto))
		}),
		kvsRow("11.1", "a namespace that does not exist", func(c *convo, p *talker, _ string) {
			ns := c.name()
			p.ask(lookupOf(ns, "a", 0), fails(enotsup))
			p.ask(commitOf(ns, put("a", "1")), fails(enotsup))
			p.ask(rq("kvs.getroot", obj{"namespace": ns}), fails(enotsup))
			p.ask(rq("kvs.wait-version", obj{"namespace": ns, "rootseq": 0}), fails(enotsup))
			p.ask(lookupOf("", "a", 0), fails(enotsup))
			three := c.dial(3)
			three.ask(lookupOf(ns, "a", 0), fails(enotsup))
			three.ask(commitOf(ns, put("a", "1")), fails(enotsup))
		}),
		kvsRow("11.1", "getroot", func(c *convo, p *talker, ns string) {
			seq, ref := p.commit(ns, put("a", "1"))
			p.ask(rq("kvs.getroot", obj{"namespace": ns, "flags": 0}),
				okJSON(obj{"owner": owner, "rootseq": seq, "rootref": ref, "flags": 0, "namespace": ns}))
			p.ask(rq("kvs.getroot", obj{}), fails(eproto))
			p.ask(lookupOf(ns, ".", 16), okObject(treeObject("dirref", []any{ref})))
		}),
		kvsRow("11.1", "lookup at a root", func(c *convo, p *talker, ns string) {
			_, ref := p.commit(ns, put("a", "1"), put("big", strings.Repeat("y", 100)))
			p.commit(ns, put("a", "2"))
			at := func(key string, flags int, rootdir any) *codec.Message {
				return rq("kvs.lookup", obj{"key": key, "flags": flags, "rootdir": rootdir})
			}
			root := treeObject("dirref", []any{ref})
			p.ask(at("a", 0, root), okValue("1"))
			p.ask(at("nosuch", 0, root), fails(enoent))
			p.ask(rq("kvs.lookup", obj{"key": "a", "flags": 0, "rootdir": root, "namespace": c.name()}), okValue("1"))
			p.ask(at("a", 0, treeObject("dirref", []any{ref, ref})), okValue("1"))
			p.ask(at("a", 0, valObject("1")), fails(einval))
			p.ask(at("a", 0, dirObject()), fails(einval))
			p.ask(at("a", 0, treeObject("dirref", []any{"sha1-00"})), fails(einval))
			p.ask(at("a", 0, treeObject("dirref", []any{"sha1-" + strings.Repeat("0", 40)})), fails(enoent))
			p.ask(at("a", 0, treeObject("dirref", []any{blobOf(strings.Repeat("y", 100))})), fails(einval))
			p.ask(at(".", 1, treeObject("dirref", []any{blobOf(strings.Repeat("y", 100))})), fails(einval))
		}),
		kvsRow("11.1", "lookup-plus", func(c *convo, p *talker, ns string) {
			seq, ref := p.commit(ns, put("a", "1"), put("d.x", "2"))
			plus := func(key string) *codec.Message {
				return rq("kvs.lookup-plus", obj{"key": key, "namespace": ns, "flags": 0})
			}
			p.ask(plus("a"), okJSON(obj{"val": valObject("1"), "rootseq": seq, "rootref": ref}))
			p.ask(plus("nosuch"), okJSON(obj{"errno": enoent, "rootseq": seq, "rootref": ref}))
			p.ask(plus("a.x"), okJSON(obj{"errno": enoent, "rootseq": seq, "rootref": ref}))
			p.ask(plus("d"), fails(eisdir))
			p.ask(rq("kvs.lookup-plus", obj{"key": "a", "flags": 0, "rootseq": 7, "rootdir": treeObject("dirref", []any{ref})}),
				okJSON(obj{"val": valObject("1"), "rootseq": 7, "rootref": ref}))
		}),
		kvsRow("11.1", "references to what is not there, or no directory", func(c *convo, p *talker, ns string) {
			value := strings.Repeat("z", 100)
			p.commit(ns, put("v", value), set("gone", treeObject("dirref", []any{"sha1-" + strings.Repeat("0", 40)})),
				set("bad", treeObject("dirref", []any{blobOf(value)})), set("val", treeObject("valref", []any{"sha1-" +
					strings.Repeat("1", 40)})))
			p.ask(lookupOf(ns, "gone.x", 0), fails(enoent))
			p.ask(lookupOf(ns, "gone", 1), fails(enoent))
			p.ask(commitOf(ns, put("gone.x", "1")), fails(enoent))
			p.ask(lookupOf(ns, "bad.x", 0), fails(enotrecoverable))
			p.ask(lookupOf(ns, "bad", 1), fails(enotrecoverable))
			p.ask(commitOf(ns, put("bad.x", "1")), fails(enotrecoverable))
			p.ask(lookupOf(ns, "val", 0), fails(enoent))
		}),
		kvsRow("11.1", "a blob that was stored first", func(c *convo, p *talker, ns string) {
			value := c.name()
			hash := sha1.Sum([]byte(value))
			p.ask(rqRaw("content.store", []byte(value)), okRaw(hash[:]))
			p.ask(commitOf(ns, set("a", treeObject("valref", []any{blobOf(value), blobOf(value)}))), okCommit())
			p.ask(lookupOf(ns, "a", 0), okValue(value+value))
		}),
		kvsRow("11.1", "a large value is one blob", func(c *convo, p *talker, ns string) {
			value := strings.Repeat("large", 1<<20)
			p.ask(commitOf(ns, put("a", value)), okCommit())
			p.ask(lookupOf(ns, "a", 16), okObject(treeObject("valref", []any{blobOf(value)})))
			hash := sha1.Sum([]byte(value))
			p.ask(rqRaw("content.load", hash[:]), okRaw([]byte(value)))
		}),
		kvsRow("11.1", "links into a namespace", func(c *convo, p *talker, ns string) {
			other := p.namespace()
			p.commit(other, put("a.b", "1"))
			p.commit(ns, set("l", linkTo(other, "a")), set("r", linkTo(other, ".")), set("none", linkTo(c.name(), "x")))
			p.ask(lookupOf(ns, "l.b", 0), okValue("1"))
			p.ask(lookupOf(ns, "r.a.b", 0), okValue("1"))
			p.ask(lookupOf(ns, "l", 2), okObject(linkTo(other, "a")))
			p.ask(lookupOf(ns, "none", 0), fails(enotsup))
			p.ask(lookupOf(ns, "none.x", 0), fails(enotsup))
		}),
		kvsRow("11.1", "content.load takes the digest alone", func(c *convo, p *talker, ns string) {
			p.ask(rqRaw("content.load", []byte(emptyRoot)), fails(eproto))
			digest, _ := hex.DecodeString(strings.TrimPrefix(emptyRoot, "sha1-"))
			p.ask(rqRaw("content.load", digest), okRaw([]byte(`{"data":{},"type":"dir","ver":1}`)))
			p.ask(rq("content.flush", nil), ok())
		}),
		kvsRow("11.1", "values are bytes", func(c *convo, p *talker, ns string) {
			p.ask(commitOf(ns, set("a", treeObject("val", base64.StdEncoding.EncodeToString([]byte{0, 255, 1})))), okCommit())
			p.ask(lookupOf(ns, "a", 0), okValue("\x00\xff\x01"))
			p.ask(commitOf(ns, put("j", `{"a":1}`)), okCommit())
			p.ask(lookupOf(ns, "j", 0), okObject(treeObject("val", "eyJhIjoxfQ==")))
		}),
		kvsRow("11.1", "what a link may lead through", func(c *convo, p *talker, ns string) {
			ops := []any{put("v", "1"), set("l1", linkObject("v"))}
			for i := 2; i <= 12; i++ {
				ops = append(ops, set(fmt.Sprintf("l%d", i), linkObject(fmt.Sprintf("l%d", i-1))))
			}
			p.ask(commitOf(ns, ops...), okCommit())
			p.ask(lookupOf(ns, "l10", 0), okValue("1"))
			p.ask(lookupOf(ns, "l11", 0), fails(eloop))
		}),
	}
}
