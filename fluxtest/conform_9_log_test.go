package fluxtest_test

import (
	"regexp"
	"strings"

	"github.com/flux-sdk/flux/codec"
)

var logLine = regexp.MustCompile(`^<[0-9]+>1 [0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{6}Z ` +
	`[0-9]+ [^ ]+ [0-9]+ - - .+`)

// record is a request to log a line, wanting a response if it has a tag.
func record(line string, tag uint32) *codec.Message {
	m := tagged(rqRaw("log.append", []byte(line)), tag)
	if tag == 0 {
		m = flagged(m, codec.FlagNoResponse)
	}
	return m
}

func dmesg(tag uint32, o obj) *codec.Message {
	return flagged(tagged(rq("log.dmesg", o), tag), codec.FlagStreaming)
}

// logRows are the log service of 9.
func logRows() []row {
	// A real broker's own records may come in between.
	logged := func(p *talker, text string) string {
		p.c.Helper()
		for {
			got, err := codec.TextPayload(p.next().Payload)
			if err != nil || strings.Contains(got, text) {
				return got
			}
		}
	}
	return []row{
		one("9", "log.append: answered if it has a matchtag", 0,
			func() *codec.Message { return record("<48>1 - - - - - - x", 5) }, ok()),
		one("9", "log.append: any bytes", 0, func() *codec.Message { return record("\xff\x00", 5) }, ok()),
		{sec: "9", name: "log.append: not answered without a matchtag", run: func(c *convo) {
			p := c.dial(0)
			p.send(tagged(rqRaw("log.append", []byte("x")), 0), record("y", 0))
			p.quiet()
		}},
		{sec: "9", name: "log.dmesg: records follow as they were appended", run: func(c *convo) {
			p, q, text := c.dial(0), c.dial(0), c.name()
			p.send(dmesg(9, obj{"follow": true, "nobacklog": true}))
			p.quiet()
			line := "<48>1 2026-01-02T03:04:05.678901Z 0 conform 1 - - " + text
			q.send(record(line, 0))
			c.want("record", logged(p, text), line)
		}},
		{sec: "9", name: "log.dmesg: a record ends at its NUL", run: func(c *convo) {
			p, q, text := c.dial(0), c.dial(0), c.name()
			p.send(dmesg(9, obj{"follow": true, "nobacklog": true}))
			p.quiet()
			q.send(record("<48>1 - - - - - - "+text+"\x00more", 0))
			c.want("record", logged(p, text), "<48>1 - - - - - - "+text)
		}},
		{sec: "9", name: "log.dmesg: the backlog, then what follows", run: func(c *convo) {
			p, q, text := c.dial(0), c.dial(0), c.name()
			p.ask(record("<48>1 - - - - - - "+text+" old", 5), ok())
			p.send(dmesg(9, obj{"follow": true}))
			c.want("record", logged(p, text), "<48>1 - - - - - - "+text+" old")
			q.send(record("<48>1 - - - - - - "+text+" new", 0))
			c.want("record", logged(p, text), "<48>1 - - - - - - "+text+" new")
		}},
		{sec: "9", name: "log.dmesg: of another rank", run: func(c *convo) {
			p, text := c.dial(0), c.name()
			p.ask(at(record("<48>1 - 3 - - - - "+text, 5), 3), ok())
			p.send(at(dmesg(9, obj{"follow": false}), 3))
			c.want("record", logged(p, text), "<48>1 - 3 - - - - "+text)
			m := p.next()
			for ; m.Errnum == 0; m = p.next() {
			}
			p.check(at(dmesg(9, obj{}), 3), m, fails(61))
		}},
		{sec: "9", name: "log.dmesg: has the records of its own rank alone", run: func(c *convo) {
			p, q, text := c.dial(0), c.dial(0), c.name()
			p.send(dmesg(9, obj{"follow": true, "nobacklog": true}))
			p.quiet()
			for _, line := range []string{
				"<48>1 - 3 - - - - " + text + " of rank 3", "<48>1 - 1 - - - - " + text + " of rank 1",
				text + " of no form",
				"<48>1 - 0 - - - -" + text, "48>1 - 0 - - - - " + text + " no bracket", "<64>1 - 0 - - - - " +
					text + " no such severity",
				"<x>1 - 0 - - - - " + text + " no priority", "<48> - 0 - - - - " + text + " no version",
				"<48>1 - 0  - - - - " + text + " an empty field",
			} {
				q.send(record(line, 0))
			}
			for _, line := range []string{
				"<48>1 - 0 - - - - " + text + " a", "<0>1 - host - - - - " + text + " b",
				"<63>9 x 00 a b c [d e=\"f g\"] " + text + " c",
				"<48>1 - - - - - - " + text, "<48>1 - - - - - -  " + text,
			} {
				q.send(record(line, 0))
				c.want("record", logged(p, text), line)
			}
			p.quiet()
		}},
		{sec: "9", name: "log.dmesg: a broker's own records are RFC 5424 lines", run: func(c *convo) {
			p := c.dial(1) // nobody clears the log of this rank
			p.send(dmesg(9, obj{"follow": false}))
			n := 0
			for m := p.next(); m.Errnum == 0; m = p.next() {
				if text, err := codec.TextPayload(m.Payload); err != nil || !logLine.MatchString(text) {
					c.Errorf("%q: %v", m.Payload, err)
				}
				n++
			}
			if n == 0 {
				c.Errorf("there are none")
			}
		}},
		{sec: "9", name: "log.dmesg: of nothing ends at once", run: func(c *convo) {
			c.dial(2).ask(dmesg(9, obj{"follow": false, "nobacklog": true}), fails(61))
		}},
		{sec: "9", name: "log.clear empties the backlog", run: func(c *convo) {
			p, text := c.dial(0), c.name()
			p.ask(record(text, 5), ok())
			p.ask(rq("log.clear", nil), ok())
			p.send(dmesg(9, obj{"follow": false}))
			m := p.next()
			for ; m.Errnum == 0; m = p.next() {
				if strings.Contains(string(m.Payload), text) {
					c.Errorf("%q is still there", m.Payload)
				}
			}
			c.want("errno", m.Errnum, 61)
		}},
		one("9", "log.dmesg: no follow", 0, func() *codec.Message { return dmesg(9, obj{}) }, fails(71)),
		one("9", "log.dmesg: no payload", 0,
			func() *codec.Message { return flagged(rq("log.dmesg", nil), codec.FlagStreaming) }, fails(71)),
		one("9", "log.dmesg: nobacklog is no boolean", 0,
			func() *codec.Message { return dmesg(9, obj{"follow": false, "nobacklog": 1}) }, fails(71)),
		one("9", "log.stats-get", 0, func() *codec.Message { return rq("log.stats-get", nil) },
			okShape(logStatsShape)),
		{sec: "9", name: "log.stats-get counts own records and others", run: func(c *convo) {
			p := c.dial(2) // where nobody else logs
			stats := func() (v struct{ Count, Local, Remote int }) {
				p.into(rq("log.stats-get", nil), &v)
				return v
			}
			before := stats()
			p.ask(record("<48>1 - 2 - - - - own", 5), ok())
			p.ask(record("<48>1 - 1 - - - - of rank 1", 5), ok())
			p.ask(record("of no form", 5), ok())
			after := stats()
			c.want("counts", []int{after.Count - before.Count, after.Local - before.Local,
				after.Remote - before.Remote}, []int{1, 1, 2})
		}},
		{sec: "9", name: "log: grave records of other ranks come to rank 0, which keeps none", run: func(c *convo) {
			p, q, text := c.dial(0), c.dial(3), c.name()
			var before, after struct{ Remote int }
			p.send(dmesg(9, obj{"follow": true, "nobacklog": true}))
			p.quiet()
			c.dial(0).into(rq("log.stats-get", nil), &before)
			q.ask(record("<24>1 - 3 - - - - "+text, 5), ok())
			q.quiet(0)
			c.dial(0).into(rq("log.stats-get", nil), &after)
			if after.Remote == before.Remote {
				c.Errorf("%d remote records, as before", after.Remote)
			}
			p.quiet()
		}},
		one("9", "log has no other default methods", 0, func() *codec.Message { return rq("log.ping", obj{}) },
			fails(38, "Unknown service method 'log.ping'")),
	}
}
