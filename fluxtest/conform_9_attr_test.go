package fluxtest_test

import (
	"fmt"
	"os"
	"strings"

	"github.com/flux-sdk/flux/codec"
)

func getAttr(name string) *codec.Message { return rq("attr.get", obj{"name": name}) }

func setAttr(name, value string, force ...any) *codec.Message {
	o := obj{"name": name, "value": value}
	if len(force) > 0 {
		o["force"] = force[0]
	}
	return rq("attr.set", o)
}

func removeAttr(name string) *codec.Message { return rq("attr.rm", obj{"name": name}) }

// attrRows are the attr service of 9.
func attrRows() []row {
	ask := func(name string, rank uint32, req func() *codec.Message, w answer) row {
		return one("9", "attr: "+name, rank, req, w)
	}
	rows := []row{
		ask("an unknown name", 0, func() *codec.Message { return getAttr("conf.nosuch") }, fails(2)),
		ask("an empty name", 0, func() *codec.Message { return getAttr("") }, fails(2)),
		ask("a name that is known but not set", 0, func() *codec.Message { return getAttr("parent-uri") }, fails(2)),
		ask("set: an unknown name", 0, func() *codec.Message { return setAttr("conf.nosuch", "1") },
			fails(2, "unknown attribute")),
		ask("set: an unknown name, forced", 0, func() *codec.Message { return setAttr("conf.nosuch", "1", true) },
			fails(2, "unknown attribute")),
		ask("set: one that may not change", 0, func() *codec.Message { return setAttr("version", "1") },
			fails(22, "attribute may not be updated")),
		ask("set: an immutable one", 0, func() *codec.Message { return setAttr("rank", "1") },
			fails(22, "attribute may not be updated")),
		ask("set: an immutable one, forced", 0, func() *codec.Message { return setAttr("rank", "1", true) },
			fails(1)),
		ask("set: not forced with false", 0, func() *codec.Message { return setAttr("rank", "1", false) },
			fails(22, "attribute may not be updated")),
		ask("set: force is no boolean", 0, func() *codec.Message { return setAttr("rank", "1", 1) }, fails(71)),
		ask("set: no value", 0, func() *codec.Message { return rq("attr.set", obj{"name": "test.x"}) }, fails(71)),
		ask("set: a value that is no text", 0,
			func() *codec.Message { return rq("attr.set", obj{"name": "test.x", "value": 1}) }, fails(71)),
		ask("set: a log level out of range", 0,
			func() *codec.Message { return setAttr("log-stderr-level", "99") }, fails(22, "invalid level")),
		ask("rm: an unknown name", 0, func() *codec.Message { return removeAttr("conf.nosuch") }, ok()),
		ask("rm: an immutable one", 0, func() *codec.Message { return removeAttr("rank") }, fails(1)),
		ask("rm: no name", 0, func() *codec.Message { return rq("attr.rm", obj{}) }, fails(71)),
		{sec: "9", name: "attr: test names may be made, changed and removed", run: func(c *convo) {
			p, name := c.dial(0), "test."+c.name()
			p.ask(getAttr(name), fails(2))
			p.ask(setAttr(name, "1"), ok())
			p.ask(getAttr(name), okText(`{"value":"1","flags":0}`))
			p.ask(setAttr(name, "é\n"), ok())
			p.ask(getAttr(name), okText(`{"value":"é\n","flags":0}`))
			p.ask(removeAttr(name), ok())
			p.ask(removeAttr(name), ok())
			p.ask(getAttr(name), fails(2))
		}},
		{sec: "9", name: "attr: each rank has its own", run: func(c *convo) {
			p, name := c.dial(0), "test."+c.name()
			p.ask(at(setAttr(name, "1"), 3), ok())
			p.ask(getAttr(name), fails(2))
			p.ask(at(getAttr(name), 3), okText(`{"value":"1","flags":0}`))
			p.ask(at(removeAttr(name), 3), ok())
		}},
		{sec: "9", name: "attr: the list has the names", run: func(c *convo) {
			var list struct{ Names []string }
			c.dial(0).into(rq("attr.list", nil), &list)
			have := " " + strings.Join(list.Names, " ") + " "
			for _, name := range knownAttrs {
				if !strings.Contains(have, " "+name+" ") {
					c.Errorf("%s is missing in %s", name, have)
				}
			}
		}},
		ask("security.owner is the owner", 0, func() *codec.Message { return getAttr("security.owner") },
			okText(fmt.Sprintf(`{"value":"%d","flags":1}`, os.Getuid()))),
		ask("size", 2, func() *codec.Message { return getAttr("size") }, okText(`{"value":"4","flags":1}`)),
		ask("instance-level", 2, func() *codec.Message { return getAttr("instance-level") },
			okText(`{"value":"0","flags":1}`)),
		ask("jobid-path", 0, func() *codec.Message { return getAttr("jobid-path") },
			okText(`{"value":"/","flags":1}`)),
		ask("tbon.level of a leaf", 2, func() *codec.Message { return getAttr("tbon.level") },
			okText(`{"value":"1","flags":0}`)),
		ask("tbon.maxlevel", 2, func() *codec.Message { return getAttr("tbon.maxlevel") },
			okText(`{"value":"1","flags":0}`)),
		ask("tbon.descendants", 0, func() *codec.Message { return getAttr("tbon.descendants") },
			okText(`{"value":"3","flags":0}`)),
		ask("tbon.topo", 0, func() *codec.Message { return getAttr("tbon.topo") },
			okText(`{"value":"kary:32","flags":0}`)),
		ask("content.hash", 0, func() *codec.Message { return getAttr("content.hash") },
			okText(`{"value":"sha1","flags":1}`)),
		ask("broker.uuid", 0, func() *codec.Message { return getAttr("broker.uuid") },
			okLike(`^{"value":"[0-9a-f]{8}-[0-9a-f-]{27}","flags":1}$`)),
		ask("broker.pid", 0, func() *codec.Message { return getAttr("broker.pid") },
			okLike(`^{"value":"[1-9][0-9]*","flags":1}$`)),
		ask("broker.starttime", 0, func() *codec.Message { return getAttr("broker.starttime") },
			okLike(`^{"value":"[0-9]+\.[0-9]+","flags":1}$`)),
		ask("hostlist", 0, func() *codec.Message { return getAttr("hostlist") },
			okLike(`^{"value":".+,.+,.+,.+","flags":1}$`)),
		ask("version", 0, func() *codec.Message { return getAttr("version") },
			okLike(`^{"value":"[0-9]+\.[0-9]+\.[0-9].*","flags":0}$`)),
		{sec: "9", name: "attr: local-uri is where the rank is", run: func(c *convo) {
			for _, rank := range []uint32{0, 3} {
				c.want("local-uri", c.dial(rank).attr("local-uri"), c.b.flat.URIOf(rank))
			}
		}},
	}
	for _, name := range []string{"rundir", "statedir", "log-level", "log-stderr-level", "broker.boot-method",
		"broker.mapping",
		"broker.quorum", "broker.critical-ranks", "log-ring-size", "log-forward-level", "log-critical-level",
		"hostname", "content.backing-module"} {
		rows = append(rows, ask(name+" is set", 0, func() *codec.Message { return getAttr(name) },
			okShape(`{"value":"","flags":0}`)))
	}
	return rows
}

// knownAttrs are names that every instance has.
var knownAttrs = []string{
	"rank", "size", "version", "hostlist", "instance-level", "jobid-path", "local-uri", "rundir", "statedir",
	"security.owner",
	"broker.starttime", "broker.pid", "broker.uuid", "broker.mapping", "broker.quorum", "broker.boot-method",
	"broker.critical-ranks",
	"tbon.topo", "tbon.level", "tbon.maxlevel", "tbon.descendants", "content.hash", "content.backing-module",
	"log-level", "log-stderr-level", "log-ring-size", "log-forward-level", "log-critical-level", "hostname",
	"parent-uri",
}
