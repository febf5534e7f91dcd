package fluxtest_test

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/flux-sdk/flux/fluxtest/internal/wiretest"
	"github.com/flux-sdk/flux/internal/capture"
	"github.com/flux-sdk/flux/internal/capture/golden"
)

// framingRows are the frames of sections 0 and 2, the recorded cases of
// malformed and odd input among them.
func framingRows() []row {
	rows := []row{
		{sec: "2", name: "the frames of a request and of its response, byte by byte", run: func(c *convo) {
			p := c.dial(0)
			req := c.frame(request("attr.get", 1, obj{"name": "rank"}))
			c.want("request", hexed(req), magic()+"00000030"+"00"+"08"+hexed([]byte("attr.get"))+
				"10"+hexed([]byte("{\"name\":\"rank\"}\x00"))+"14"+"8e01010bffffffff00000000ffffffff00000001")
			p.write(req)
			m := p.next()
			text := "{\"value\":\"0\",\"flags\":1}\x00"
			c.want("response", hexed(c.frame(m)),
				magic()+hex32(uint32(1+9+1+len(text)+21))+"00"+"08"+hexed([]byte("attr.get"))+
					hexed([]byte{byte(len(text))})+hexed([]byte(text))+"14"+"8e01020b"+hex32(owner)+"00000005"+"00000000"+"00000001")
		}},
		{sec: "2", name: "a frame in single bytes", run: func(c *convo) {
			p := c.dial(0)
			req := rq("attr.get", obj{"name": "rank"})
			for _, b := range c.frame(req) {
				p.write([]byte{b})
			}
			p.check(req, p.next(), okText(`{"value":"0","flags":1}`))
		}},
		{sec: "2", name: "parts of 254, 255 and 256 bytes", run: func(c *convo) {
			p := c.dial(0)
			for _, n := range []int{254, 255, 256} {
				p.ask(rqText("attr.get", `{"name":"`+strings.Repeat("x", n-12)+`"}`), fails(2))
			}
		}},
	}
	cases, err := golden.Malformed()
	if err != nil {
		panic(err) // the file is compiled in
	}
	for _, mc := range cases {
		r := row{sec: "2.2", name: mc.Name, run: func(c *convo) { malformedRow(c, &mc) }}
		if mc.Outcome == capture.BrokerKilled {
			r = r.on(embeddedOne, "the frame kills a real broker")
		}
		rows = append(rows, r)
	}
	return rows
}

// malformedRow sends what was recorded: the answers and the fate of the
// connection are as recorded, and other clients notice nothing.
func malformedRow(c *convo, mc *capture.Case) {
	p := c.dial(0)
	p.write(capture.HostOrder(mc.Sent))
	if mc.Name == "truncated then close" {
		p.raw.(interface{ CloseWrite() error }).CloseWrite()
	}
	for _, reply := range mc.Replies {
		if reply.UserID == 0 { // the owner, when this was recorded
			reply.UserID = owner
			reply.Payload = []byte(strings.ReplaceAll(string(reply.Payload), `"userid": 0,`,
				`"userid": `+dec(owner)+`,`))
			reply.Payload = slices.Clip(reply.Payload)
			if len(reply.Payload) == 0 {
				reply.Payload = nil
			}
		}
		wiretest.CheckReply(c.T, &reply, p.next())
	}
	switch mc.Outcome {
	case capture.Answering:
		p.quiet()
	case capture.Waiting:
		// What is to be shown is silence, and no fence on p would come back:
		// two round trips of another client stand for the time.
		other := c.dial(0)
		p.write(c.frame(rq("attr.get", obj{"name": "rank"})))
		other.quiet()
		other.quiet()
		select {
		case m, ok := <-p.in:
			c.Errorf("%v, open %v: want silence", m, ok)
		default:
		}
	case capture.ResetOnNext:
		p.write(c.frame(rq("attr.get", obj{"name": "rank"})))
		p.ended()
	default:
		p.ended()
	}
	c.dial(0).ask(rq("attr.get", obj{"name": "rank"}), okText(`{"value":"0","flags":1}`))
}

// magic is that of frames, in hex as it is on this host.
func magic() string {
	return hexed(binary.NativeEndian.AppendUint32(nil, 0xffee0012))
}

func hex32(n uint32) string { return hexed(binary.BigEndian.AppendUint32(nil, n)) }
