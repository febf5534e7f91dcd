package fluxtest_test

import (
	"fmt"
	"strings"

	"github.com/flux-sdk/flux/codec"
)

// payloadRows are those of 5: how a service of the broker reads payloads, and
// that clients' payloads go through as they are.
func payloadRows() []row {
	text := func(name, payload string, w answer) row {
		return one("5", name, 0, func() *codec.Message { return rqText("attr.get", payload) }, w)
	}
	raw := func(name, topic, payload string, w answer) row {
		return one("5", name, 0, func() *codec.Message { return rqRaw(topic, []byte(payload)) }, w)
	}
	ping := func(name, payload string, w answer) row {
		return one("5", name, 0, func() *codec.Message { return rqText("broker.ping", payload) }, w)
	}
	rank, eproto, enoent := okText(rank0), fails(71), fails(2)
	rows := []row{
		text("white space around and inside", " \t\r\n{ \"name\" :\n\"rank\" } \n", rank),
		text("escapes in a key", `{"n\u0061me":"rank"}`, rank),
		text("escapes in a value", `{"name":"\u0072ank"}`, rank),
		text("the last of equal keys counts", `{"name":"size","name":"rank"}`, rank),
		text("unknown keys are ignored", `{"x":[{}],"name":"rank","y":null}`, rank),
		text("keys have case", `{"Name":"rank"}`, eproto),
		text("a value of another kind", `{"name":null}`, eproto),
		text("no key", `{}`, eproto),
		text("a text", `"rank"`, eproto),
		text("a number", `1`, eproto),
		text("a literal", `null`, eproto),
		text("an array", `[{"name":"rank"}]`, eproto),
		text("something behind", `{"name":"rank"} {}`, eproto),
		text("cut short", `{"name":"rank"`, eproto),
		text("a comma too many", `{"name":"rank",}`, eproto),
		text("text that is not UTF-8", "{\"name\":\"\xff\"}", eproto),
		text("text beyond ASCII", `{"name":"räng"}`, enoent),
		text("a NUL escape", `{"name":"no\u0000"}`, enoent),
		text("the largest integer", `{"name":"rank","n":9223372036854775807}`, rank),
		text("the least integer", `{"name":"rank","n":-9223372036854775808}`, rank),
		text("an integer too large", `{"name":"rank","n":9223372036854775808}`, eproto),
		text("an integer too small", `{"name":"rank","n":-9223372036854775809}`, eproto),
		text("an unsigned integer of 64 bits", `{"name":"rank","n":18446744073709551615}`, eproto),
		text("a large real", `{"name":"rank","n":99999999999999999999.5}`, rank),
		text("a real out of range", `{"name":"rank","n":1e999}`, eproto),
		text("what follows a NUL is not read", "{\"name\":\"rank\"}\x00garbage", rank),
		text("nothing before a NUL", "\x00{\"name\":\"rank\"}", eproto),
		text("an empty text", "", eproto),
		raw("no NUL", "attr.get", `{"name":"rank"}`, eproto),
		raw("a NUL not at the end", "attr.get", "{\"name\":\"rank\"}\x00x", eproto),
		raw("a part of no bytes", "attr.get", "", eproto),
		one("5", "no payload", 0, func() *codec.Message { return rq("attr.get", nil) }, eproto),

		one("5", "a method without arguments takes none", 0,
			func() *codec.Message { return rq("attr.list", nil) }, okShape(`{"names":[""]}`)),
		raw("and any object", "attr.list", "{\"x\":1}\x00", okShape(`{"names":[""]}`)),
		raw("and a text that is no JSON", "attr.list", "hello\x00", okShape(`{"names":[""]}`)),
		raw("but not bytes without a NUL", "attr.list", "hello", eproto),

		ping("a NUL escape is refused by ping", `{"a":"\u0000"}`, eproto),
		ping("an array is a lack of memory to ping", `[]`, fails(12)),
		ping("a number is refused by ping", `1`, eproto),
		ping("JSON comes back with spaces", `{"a":[1,-2,true,null,{}],"b":{"c":"d"}}`,
			okLike(`^\{"a": \[1, -2, true, null, \{\}\], "b": \{"c": "d"\}, "route": `)),
		ping("reals have up to 17 digits", `{"a":[0.1,1e20,1e-7,100.0,0.0]}`,
			okLike(`^\{"a": \[0\.10000000000000001, 1e20, 9\.9999999999999995e-8, 100\.0, 0\.0\], `)),
		ping("text comes back in UTF-8", `{"a":"\u00e9\n<\u2028"}`, okLike(`^\{"a": "é\\n<\x{2028}", `)),
		ping("control characters come back escaped", `{"a":"\u0001\u001f\b\f\r\t\"\\\/\u007f"}`,
			okLike(`^\{"a": "\\u0001\\u001F\\b\\f\\r\\t\\"\\\\/\x7f", `)),
		ping("keys keep their order", `{"z":1,"a":2,"m":3}`, okLike(`^\{"z": 1, "a": 2, "m": 3, "route": `)),
		ping("keys of ping's own are replaced where they are", `{"rank":7,"z":1}`,
			okLike(`^\{"rank": 0, "z": 1, "route": `)),
	}

	echo := func(name string, payload []byte) row {
		return row{sec: "5", name: name, run: func(c *convo) {
			p, svc := c.dial(0), c.dial(3)
			req := at(rqRaw(svc.register()+".echo", payload), 3)
			p.send(req)
			got := svc.next()
			if got.HasPayload() != (payload != nil) || string(got.Payload) != string(payload) {
				c.Errorf("at the service: %.100q, want %.100q", got.Payload, payload)
			}
			resp := codec.NewResponse(got)
			resp.SetPayload(got.Payload)
			svc.send(resp)
			w := okRaw(payload)
			if payload == nil {
				w = ok()
			}
			p.check(req, p.next(), w.from(roleOwner))
		}}
	}
	rows = append(rows,
		echo("no payload goes through a service", nil),
		echo("a part of no bytes goes through a service", []byte{}),
		echo("bytes that are no text go through a service", []byte{0, 0xff, 0, 1}),
		echo("an empty text goes through a service", []byte{0}),
		echo("JSON is not touched on its way", []byte("{ \"b\":1.00, \"a\": [ ] }\x00")))
	for _, n := range []int{1, 254, 255, 256, 4096, 70000, 1 << 20} {
		p := make([]byte, n)
		for i := range p {
			p[i] = byte(31*i + 7)
		}
		rows = append(rows, echo(fmt.Sprintf("%d bytes go through a service", n), p))
	}
	rows = append(rows, row{sec: "5", name: "an error text of 5000 bytes goes through", run: func(c *convo) {
		p, svc := c.dial(0), c.dial(0)
		req := rq(svc.register()+".x", nil)
		p.send(req)
		resp := codec.NewResponse(svc.next())
		long := strings.Repeat("é", 2500)
		resp.Errnum = 4242
		resp.SetPayload([]byte(long + "\x00"))
		svc.send(resp)
		p.check(req, p.next(), fails(4242, long))
	}})
	return rows
}
