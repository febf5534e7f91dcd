// Package peertest is the broker's end of a connection, played by a test.
package peertest

import (
	"context"
	"io"
	"testing"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/framing"
	"github.com/flux-sdk/flux/transport"
)

// Peer is the broker's end of a connection. A test plays it step by step, with
// Recv, Respond and so on, or gives Serve a function that does.
type Peer struct {
	T    testing.TB
	Conn transport.Conn

	serving chan struct{} // closed when Serve's goroutine is done; nil without one
}

// Pipe returns a client's end of a connection, with a cap on the size of a message
// or 0, and the Peer at the other end. It works inside a synctest bubble. The
// caller closes both.
func Pipe(tb testing.TB, maxSize int) (transport.Conn, *Peer) {
	near, far := framing.BytePipe()
	p := &Peer{T: tb, Conn: transport.NewConn(far, transport.Config{})}
	return transport.NewConn(near, transport.Config{MaxSize: maxSize}), p
}

// RawPipe returns a client's end of a connection whose other end is a stream of
// bytes.
func RawPipe(cfg transport.Config) (transport.Conn, io.ReadWriteCloser) {
	near, far := framing.BytePipe()
	return transport.NewConn(near, cfg), far
}

// Serve makes a goroutine call handler for every message, in order, until the
// connection ends.
func (p *Peer) Serve(handler func(p *Peer, m *codec.Message)) {
	p.serving = make(chan struct{})
	go func() {
		defer close(p.serving)
		for {
			m := new(codec.Message)
			if p.Conn.Recv(m) != nil {
				return
			}
			handler(p, m)
		}
	}()
}

// Echo is a handler for Serve. Every request that wants a response gets its own
// payload.
func Echo(p *Peer, m *codec.Message) {
	if m.Type == codec.TypeRequest && m.Flags&codec.FlagNoResponse == 0 {
		p.Respond(m, m.Payload)
	}
}

// Close ends the connection from the peer's side.
func (p *Peer) Close() {
	p.Conn.Close()
	if p.serving != nil {
		<-p.serving
	}
}

// Recv returns the next message from the client.
func (p *Peer) Recv() *codec.Message {
	p.T.Helper()
	m := new(codec.Message)
	if err := p.Conn.Recv(m); err != nil {
		p.T.Fatalf("peer: receive: %v", err)
	}
	return m
}

// Want is Recv of a request with the given topic.
func (p *Peer) Want(topic string) *codec.Message {
	p.T.Helper()
	m := p.Recv()
	if m.Type != codec.TypeRequest || m.Topic != topic {
		p.T.Fatalf("peer: received %s %q, want request %q", m.Type, m.Topic, topic)
	}
	return m
}

// Sender is a client, as far as WantNothing needs it.
type Sender interface {
	Send(ctx context.Context, m *codec.Message) error
}

// WantNothing fails the test if the client has sent anything that was not received
// yet.
func (p *Peer) WantNothing(c Sender) {
	p.T.Helper()
	marker := codec.NewEvent("test.marker")
	if err := c.Send(context.Background(), marker); err != nil {
		p.T.Fatalf("send the marker: %v", err)
	}
	if m := p.Recv(); m.Type != codec.TypeEvent || m.Topic != marker.Topic {
		p.T.Fatalf("peer: received %s %q %q, want nothing", m.Type, m.Topic, m.Payload)
	}
}

// Send sends a message as it is. If the peer serves, the client may be gone, which
// is for the client's side of the test to notice.
func (p *Peer) Send(m *codec.Message) {
	p.T.Helper()
	if err := p.Conn.Send(context.Background(), m); err != nil && p.serving == nil {
		p.T.Errorf("peer: send %s %q: %v", m.Type, m.Topic, err)
	}
}

// BrokerResponse returns the response to req as a broker's service makes it.
func BrokerResponse(req *codec.Message) *codec.Message {
	m := codec.NewResponse(req)
	m.UserID, m.Rolemask = 0, 5
	return m
}

// Respond answers req with a payload that is spelled as Call's argument is.
func (p *Peer) Respond(req *codec.Message, payload any) {
	p.T.Helper()
	m := BrokerResponse(req)
	b, err := codec.EncodePayload(payload, nil)
	if err != nil {
		p.T.Errorf("peer: encode %v: %v", payload, err)
	}
	m.Payload = b
	p.Send(m)
}

// Refuse answers req with an error, without text if it is "".
func (p *Peer) Refuse(req *codec.Message, errnum uint32, text string) {
	p.T.Helper()
	m := BrokerResponse(req)
	m.Errnum = errnum
	if text != "" {
		m.Payload = append([]byte(text), 0)
	}
	p.Send(m)
}

// Event sends an event as a broker does.
func (p *Peer) Event(topic string, seq uint32, payload []byte, flags codec.Flags) {
	p.T.Helper()
	m := codec.NewEvent(topic)
	m.Flags |= flags
	m.UserID, m.Rolemask, m.Sequence = 0, 5, seq
	m.Routes = codec.MakeRoutes("63c2cf00-a775-487a-8128-7f1c7fc9eef0")
	m.Payload = payload
	p.Send(m)
}

// PlainConn is a foreign connection. It can do no more than it must.
type PlainConn struct{ C transport.Conn }

// Send sends on C.
func (p PlainConn) Send(ctx context.Context, m *codec.Message) error { return p.C.Send(ctx, m) }

// Recv receives from C.
func (p PlainConn) Recv(m *codec.Message) error { return p.C.Recv(m) }

// Close closes C.
func (p PlainConn) Close() error { return p.C.Close() }

// Pattern returns the payload of the recorded echo conversations.
func Pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(31*i + 7)
	}
	return b
}
