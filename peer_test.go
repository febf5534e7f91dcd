package flux

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/framing"
	"github.com/flux-sdk/flux/transport"
)

// patience is how long a test outside a bubble waits for what must happen soon.
const patience = 30 * time.Second

// peer is the broker's end of a connection, played by a test: either step by
// step with recv, respond and so on, or by the function given to serve.
type peer struct {
	t       testing.TB
	conn    transport.Conn
	serving chan struct{} // closed when the serving goroutine is done; nil without one
}

// newPeer returns a client and the peer that it is connected to. Both are closed
// at the end of the test. It works inside a synctest bubble.
func newPeer(t testing.TB, opts ...DialOption) (*Client, *peer) {
	t.Helper()
	return newPeerSize(t, 0, opts...)
}

// newPeerSize is newPeer with a cap on the size of a message on the client's side.
func newPeerSize(t testing.TB, maxSize int, opts ...DialOption) (*Client, *peer) {
	t.Helper()
	near, far := framing.BytePipe()
	return startPeer(t, transport.NewConn(near, transport.Config{MaxSize: maxSize}),
		transport.NewConn(far, transport.Config{}), opts...)
}

func startPeer(t testing.TB, near, far transport.Conn, opts ...DialOption) (*Client, *peer) {
	c, p := NewClient(near, opts...), &peer{t: t, conn: far}
	t.Cleanup(func() {
		p.close()
		c.Close()
	})
	return c, p
}

// servePeer is a client whose peer answers by handler.
func servePeer(t testing.TB, handler func(p *peer, m *codec.Message), opts ...DialOption) (*Client, *peer) {
	t.Helper()
	c, p := newPeer(t, opts...)
	p.serve(handler)
	return c, p
}

// serve makes a goroutine call handler for every message, in order, until the
// connection ends.
func (p *peer) serve(handler func(p *peer, m *codec.Message)) {
	p.serving = make(chan struct{})
	go func() {
		defer close(p.serving)
		for {
			m := new(codec.Message)
			if p.conn.Recv(m) != nil {
				return
			}
			handler(p, m)
		}
	}()
}

// echo is a handler: every request that wants a response gets its own payload.
func echo(p *peer, m *codec.Message) {
	if m.Type == codec.TypeRequest && m.Flags&codec.FlagNoResponse == 0 {
		p.respond(m, m.Payload)
	}
}

// close ends the connection from the peer's side.
func (p *peer) close() {
	p.conn.Close()
	if p.serving != nil {
		<-p.serving
	}
}

// recv returns the next message from the client.
func (p *peer) recv() *codec.Message {
	p.t.Helper()
	m := new(codec.Message)
	if err := p.conn.Recv(m); err != nil {
		p.t.Fatalf("peer: receive: %v", err)
	}
	return m
}

// want is recv of a request with the given topic.
func (p *peer) want(topic string) *codec.Message {
	p.t.Helper()
	m := p.recv()
	if m.Type != codec.TypeRequest || m.Topic != topic {
		p.t.Fatalf("peer: received %s %q, want request %q", m.Type, m.Topic, topic)
	}
	return m
}

// wantNothing fails the test if the client has sent anything that was not
// received yet.
func (p *peer) wantNothing(c *Client) {
	p.t.Helper()
	marker := codec.NewEvent("test.marker")
	if err := c.Send(context.Background(), marker); err != nil {
		p.t.Fatalf("send the marker: %v", err)
	}
	if m := p.recv(); m.Type != codec.TypeEvent || m.Topic != marker.Topic {
		p.t.Fatalf("peer: received %s %q %q, want nothing", m.Type, m.Topic, m.Payload)
	}
}

// send sends a message as it is. The client may be gone if the peer serves: that
// is for the client's side of the test to notice.
func (p *peer) send(m *codec.Message) {
	p.t.Helper()
	if err := p.conn.Send(context.Background(), m); err != nil && p.serving == nil {
		p.t.Errorf("peer: send %s %q: %v", m.Type, m.Topic, err)
	}
}

// brokerResponse is the response to req as a broker's service makes it.
func brokerResponse(req *codec.Message) *codec.Message {
	m := codec.NewResponse(req)
	m.UserID, m.Rolemask = 0, 5
	return m
}

// respond answers req with a payload that is spelled as Call's argument is.
func (p *peer) respond(req *codec.Message, payload any) {
	p.t.Helper()
	m := brokerResponse(req)
	b, err := codec.EncodePayload(payload, nil)
	if err != nil {
		p.t.Errorf("peer: encode %v: %v", payload, err)
	}
	m.Payload = b
	p.send(m)
}

// refuse answers req with an error, without text if it is "".
func (p *peer) refuse(req *codec.Message, errno Errno, text string) {
	p.t.Helper()
	m := brokerResponse(req)
	m.Errnum = uint32(errno)
	if text != "" {
		m.Payload = append([]byte(text), 0)
	}
	p.send(m)
}

// plainConn is a connection from elsewhere: it can do no more than it must.
type plainConn struct{ c transport.Conn }

func (p plainConn) Send(ctx context.Context, m *codec.Message) error { return p.c.Send(ctx, m) }
func (p plainConn) Recv(m *codec.Message) error                      { return p.c.Recv(m) }
func (p plainConn) Close() error                                     { return p.c.Close() }

// rawPeer is a client whose peer is a bare stream of bytes, both ways.
func rawPeer(t testing.TB, cfg transport.Config, opts ...DialOption) (*Client, io.ReadWriteCloser) {
	t.Helper()
	near, far := framing.BytePipe()
	c := NewClient(transport.NewConn(near, cfg), opts...)
	t.Cleanup(func() {
		far.Close()
		c.Close()
	})
	return c, far
}

// pattern is the payload of the recorded echo conversations.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(31*i + 7)
	}
	return b
}

// noLeaks fails the test if it ends, cleanups included, with more goroutines
// than it has now. It must be the first call of the test.
func noLeaks(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for end := time.Now().Add(patience); runtime.NumGoroutine() > before; runtime.Gosched() {
			if time.Now().After(end) {
				buf := make([]byte, 1<<20)
				t.Errorf("%d goroutines at the start, %d at the end\n%s",
					before, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
				return
			}
		}
	})
}

// wantErr fails the test unless err matches every one of targets.
func wantErr(t testing.TB, err error, targets ...error) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that matches %v", targets)
	}
	for _, target := range targets {
		if !errors.Is(err, target) {
			t.Fatalf("error %q does not match %v", err, target)
		}
	}
}

// wantRemote fails the test unless err is what a service said.
func wantRemote(t testing.TB, err error, want Error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || *e != want {
		t.Fatalf("error %#v, want %#v", err, want)
	}
}

// wantBytes fails the test unless the payload of r is want.
func wantBytes(t testing.TB, r Response, want []byte) {
	t.Helper()
	got, err := r.Bytes()
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("payload is %.80q (%d bytes), %v, want %.80q (%d bytes)", got, len(got), err, want, len(want))
	}
}

// wantStats fails the test unless so many tags are live and retired.
func wantStats(t testing.TB, c *Client, live, retired int) {
	t.Helper()
	if s := c.Stats(); s.Live != live || s.Retired != retired {
		t.Fatalf("%d tags live, %d retired, want %d and %d: %+v", s.Live, s.Retired, live, retired, s)
	}
}

const plenty = math.MaxInt / 2 // bytes

// inBubble runs f in a bubble, where a goroutine that is left behind fails the test.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// count is the numbers from first to last.
func count(first, last int) []int {
	var s []int
	for i := first; i <= last; i++ {
		s = append(s, i)
	}
	return s
}

// rest receives until the channel closes.
func rest[T any](ch <-chan T) []T {
	var s []T
	for v := range ch {
		s = append(s, v)
	}
	return s
}

// ready receives as long as there is something to be had.
func ready[T any](ch <-chan T) []T {
	var s []T
	for {
		synctest.Wait()
		select {
		case v, ok := <-ch:
			if !ok {
				return s
			}
			s = append(s, v)
		default:
			return s
		}
	}
}

func wantItems[T comparable](t testing.TB, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("received %v, want %v", got, want)
	}
}

func TestQueueDefaults(t *testing.T) {
	for _, tt := range []struct{ given, want queueOption }{
		{queueOption{}, queueOption{65536, 64 << 20}},
		{queueOption{-1, -1}, queueOption{65536, 64 << 20}},
		{queueOption{0, 5}, queueOption{65536, 5}},
		{queueOption{5, 0}, queueOption{5, 64 << 20}},
	} {
		var o callOptions
		tt.given.applyStream(&o)
		if got := queueOption(orDefault(o.limit)); got != tt.want {
			t.Errorf("QueueLimit%v is %v, want %v", tt.given, got, tt.want)
		}
	}
}

// scriptedEvents is the events of a broker with one connection.
type scriptedEvents struct {
	mu   sync.Mutex
	subs map[string]int // use counts
	seq  uint32
	log  []string // the subscribe and unsubscribe requests
}

// eventBroker is a handler that serves events.
func eventBroker() func(p *peer, m *codec.Message) {
	return (&scriptedEvents{subs: make(map[string]int)}).handle
}

func newEventBroker() *scriptedEvents { return &scriptedEvents{subs: make(map[string]int)} }

func (b *scriptedEvents) handle(p *peer, m *codec.Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	payload, _ := codec.JSONPayload(m.Payload)
	var req publishRequest
	json.Unmarshal(payload, &req)
	switch {
	case m.Type == codec.TypeEvent:
		b.deliver(p, m.Topic, m.Payload, m.Flags&codec.FlagPrivate)
	case m.Topic == "event.subscribe":
		b.log = append(b.log, "+"+req.Topic)
		b.subs[req.Topic]++
		p.respond(m, nil)
	case m.Topic == "event.unsubscribe":
		b.log = append(b.log, "-"+req.Topic)
		if b.subs[req.Topic] == 0 {
			p.refuse(m, ENOENT, "")
			return
		}
		if b.subs[req.Topic]--; b.subs[req.Topic] == 0 {
			delete(b.subs, req.Topic)
		}
		p.respond(m, nil)
	case m.Topic == "event.publish":
		b.deliver(p, req.Topic, req.Payload, codec.Flags(req.Flags))
		p.respond(m, map[string]uint32{"seq": b.seq})
	default:
		echo(p, m)
	}
}

func (b *scriptedEvents) deliver(p *peer, topic string, payload []byte, flags codec.Flags) {
	b.seq++
	for prefix := range b.subs {
		if strings.HasPrefix(topic, prefix) {
			p.event(topic, b.seq, payload, flags)
			return
		}
	}
}

// event sends an event as a broker does.
func (p *peer) event(topic string, seq uint32, payload []byte, flags codec.Flags) {
	m := codec.NewEvent(topic)
	m.Flags |= flags
	m.UserID, m.Rolemask, m.Sequence = 0, 5, seq
	m.Routes = codec.MakeRoutes("63c2cf00-a775-487a-8128-7f1c7fc9eef0")
	m.Payload = payload
	p.send(m)
}

// requests returns the log of subscribe and unsubscribe requests and empties it.
func (b *scriptedEvents) requests() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	log := b.log
	b.log = nil
	return log
}
