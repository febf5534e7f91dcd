package fluxtest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/transport"
)

// convo is one row at work on one broker.
type convo struct {
	*testing.T
	b       *target
	num     int
	names   int
	talkers []*talker
	skipped string
}

// skip ends a row that cannot be shown here.
func (c *convo) skip(why string) {
	c.Helper()
	c.skipped = why
	c.Skip("NOT TESTED: " + why)
}

// name makes a name that no other row uses.
func (c *convo) name() string {
	c.names++
	return fmt.Sprintf("conf%dx%d", c.num, c.names)
}

func (c *convo) end() {
	for _, p := range c.talkers {
		p.close()
	}
}

// patience is how long a row waits for what must come.
const patience = 10 * time.Second

// talker is one connection of a row.
type talker struct {
	c    *convo
	rank uint32
	raw  io.ReadWriteCloser // below conn, for bytes that no client would send
	conn transport.Conn
	in   chan *codec.Message // closed at the end of the connection
	kept []*codec.Message    // events that came before a publish was answered
}

// dial connects to the flat instance as its owner.
func (c *convo) dial(rank uint32) *talker {
	c.Helper()
	return c.dialTo(c.b.flat, rank)
}

// dialChain connects to the instance that is a chain.
func (c *convo) dialChain(rank uint32) *talker {
	c.Helper()
	return c.dialTo(c.b.chain(), rank)
}

func (c *convo) dialTo(b instance, rank uint32) *talker {
	c.Helper()
	s, err := net.Dial("unix", socketOf(b, rank))
	if err != nil {
		c.Fatal(err)
	}
	return c.greet(s, rank)
}

// guest connects to the flat instance as another user.
func (c *convo) guest(rank uint32) *talker {
	c.Helper()
	return c.greet(c.b.guest.connect(c, socketOf(c.b.flat, rank)), rank)
}

func socketOf(b instance, rank uint32) string {
	return strings.TrimPrefix(b.URIOf(rank), "local://")
}

// greet does the handshake.
func (c *convo) greet(s io.ReadWriteCloser, rank uint32) *talker {
	c.Helper()
	if b := handshake(c, s); b != 0 {
		c.Fatalf("refused with errno %d", b)
	}
	p := &talker{
		c: c, rank: rank, raw: s, conn: transport.NewConn(s, transport.Config{}),
		in: make(chan *codec.Message, 1<<14),
	}
	c.talkers = append(c.talkers, p)
	go p.read()
	return p
}

func handshake(c *convo, s io.Reader) byte {
	c.Helper()
	var b [1]byte
	if _, err := io.ReadFull(s, b[:]); err != nil {
		c.Fatalf("handshake: %v", err)
	}
	return b[0]
}

func (p *talker) read() {
	defer close(p.in)
	for {
		m := new(codec.Message)
		if p.conn.Recv(m) != nil {
			return
		}
		p.in <- m
	}
}

func (p *talker) close() {
	p.conn.Close()
	for range p.in { // so that the reader ends
	}
}

func (p *talker) send(list ...*codec.Message) {
	p.c.Helper()
	for _, m := range list {
		if err := p.conn.Send(p.c.Context(), m); err != nil {
			p.c.Fatalf("Send %s: %v", m.Topic, err)
		}
	}
}

// write sends bytes, whole frames or not. Nothing may be on its way by send.
func (p *talker) write(b []byte) { p.raw.Write(b) } // if the broker closed, that shows in what comes

// next is the next message that comes, of any kind.
func (p *talker) next() *codec.Message {
	p.c.Helper()
	if len(p.kept) > 0 {
		m := p.kept[0]
		p.kept = p.kept[1:]
		return m
	}
	return p.receive()
}

func (p *talker) receive() *codec.Message {
	p.c.Helper()
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case m, ok := <-p.in:
		if !ok {
			p.c.Fatalf("the connection at rank %d ended", p.rank)
		}
		return m
	case <-t.C:
		p.c.Fatalf("nothing came at rank %d", p.rank)
	}
	return nil
}

// ended waits for the broker to close the connection.
func (p *talker) ended() {
	p.c.Helper()
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case m, ok := <-p.in:
		if ok {
			p.c.Errorf("%s came, not the end", show(m))
		}
	case <-t.C:
		p.c.Errorf("the connection is still open")
	}
}

// fenceTag is the matchtag of the pings that show that nothing else comes.
const fenceTag = 0x7f00feed

// quiet fails the row if something has come, or comes as an answer to what was
// sent before, to this rank or those given.
func (p *talker) quiet(ranks ...uint32) {
	p.c.Helper()
	for _, rank := range append(ranks, p.rank) {
		p.send(at(request("broker.ping", fenceTag, obj{}), rank))
		for m := p.next(); m.Type != codec.TypeResponse || m.Matchtag != fenceTag; m = p.next() {
			p.c.Errorf("unexpected %s", show(m))
		}
	}
}

// ask sends a request, checks the next message as its answer and returns it.
func (p *talker) ask(req *codec.Message, w answer) *codec.Message {
	p.c.Helper()
	p.send(req)
	m := p.next()
	p.check(req, m, w)
	return m
}

// check compares a response with its request and with what it is to say.
func (p *talker) check(req, m *codec.Message, w answer) {
	p.c.Helper()
	user, roles, flags := owner, uint32(roleOwner|roleLocal),
		req.Flags&^codec.FlagPayload|codec.FlagTopic|codec.FlagRoute
	switch {
	case byRouter(req.Topic):
		user, roles, flags = codec.UserIDUnknown, roleOwner, codec.FlagTopic|codec.FlagRoute
	case req.Flags&codec.FlagUpstream != 0, req.NodeID != codec.NodeAny && req.NodeID != p.rank:
		roles = roleOwner
	}
	if w.roles != 0 {
		roles = w.roles
	}
	if m.HasPayload() {
		flags |= codec.FlagPayload
	}
	if m.Type != codec.TypeResponse || m.Topic != req.Topic || m.Matchtag != req.Matchtag || m.Errnum != w.errnum ||
		m.Flags != flags || m.UserID != user || m.Rolemask != roles || !m.Routes.Equal(req.Routes) {
		p.c.Errorf("got  %s\nwant response %s errnum=%d matchtag=%d flags=%s userid=%d rolemask=%d",
			describe(m), req.Topic, w.errnum, req.Matchtag, flags, user, roles)
	}
	if w.payload == nil {
		if m.HasPayload() {
			p.c.Errorf("payload %q, want none", m.Payload)
		}
	} else if err := w.payload(m); err != nil {
		p.c.Error(err)
	}
}

// describe shows all of a message.
func describe(m *codec.Message) string {
	return fmt.Sprintf("%s %s errnum=%d matchtag=%d flags=%s userid=%d rolemask=%d nodeid=%d hops=%d payload=%q",
		m.Type, m.Topic, m.Errnum, m.Matchtag, m.Flags, m.UserID, m.Rolemask, m.NodeID, m.Routes.Len(), m.Payload)
}

// byRouter tells the four requests that the connector answers by itself.
func byRouter(topic string) bool {
	return topic == "event.subscribe" || topic == "event.unsubscribe" || topic == "service.add" ||
		topic == "service.remove"
}

// subscribe subscribes and waits for that.
func (p *talker) subscribe(topics ...string) {
	p.c.Helper()
	for _, topic := range topics {
		p.ask(rq("event.subscribe", obj{"topic": topic}), ok())
	}
}

// register adds a service of a new name, which it returns.
func (p *talker) register() string {
	p.c.Helper()
	name := p.c.name()
	p.ask(rq("service.add", obj{"service": name}), ok())
	return name
}

// publish publishes an event and returns its number. Events that come before
// that are kept for next.
func (p *talker) publish(topic string, flags codec.Flags, payload ...string) uint32 {
	p.c.Helper()
	o := obj{"topic": topic, "flags": flags}
	if len(payload) > 0 {
		o["payload"] = payload[0]
	}
	p.send(at(rq("event.publish", o), 0))
	m := p.receive()
	for ; m.Type == codec.TypeEvent; m = p.receive() {
		p.kept = append(p.kept, m)
	}
	var v struct{ Seq uint32 }
	b, err := codec.JSONPayload(m.Payload)
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err != nil || m.Topic != "event.publish" || m.Errnum != 0 {
		p.c.Fatalf("publish %s: %s, %v", topic, describe(m), err)
	}
	return v.Seq
}

// into sends a request and decodes what comes next into v.
func (p *talker) into(req *codec.Message, v any) {
	p.c.Helper()
	m := p.call(req)
	b, err := codec.JSONPayload(m.Payload)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil || m.Errnum != 0 {
		p.c.Fatalf("%s: %v", describe(m), err)
	}
}

// want checks fields of a message that are not checked otherwise.
func (c *convo) want(what string, got, want any) {
	c.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		c.Errorf("%s is %v, want %v", what, got, want)
	}
}

// frame is the bytes of a message.
func (c *convo) frame(m *codec.Message) []byte {
	c.Helper()
	b, err := codec.Append(nil, m)
	if err != nil {
		c.Fatal(err)
	}
	return bytes.Clone(b)
}

func dec(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
