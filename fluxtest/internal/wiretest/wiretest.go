// Package wiretest has what the tests of fluxtest speak to a broker with: a
// connection in a synctest bubble that sends and takes messages as they are.
package wiretest

import (
	"context"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/transport"
)

// Bubble runs f with a broker in process.
func Bubble(t *testing.T, f func(t *testing.T, b *fluxtest.Broker), opts ...fluxtest.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f(t, fluxtest.New(t, append([]fluxtest.Option{fluxtest.InProcess(), fluxtest.Owner(0)}, opts...)...))
	})
}

// Hops lists the routes of a message, the most recent first.
func Hops(m *codec.Message) []string { return slices.Collect(m.Routes.All()) }

// Wire is the client's end of a connection in a bubble: bytes go out as they
// are, and what comes is there after synctest.Wait.
type Wire struct {
	t *testing.T
	s io.ReadWriteCloser
	// Conn is the connection, to be closed or sent on directly.
	Conn transport.Conn

	mu  sync.Mutex
	got []*codec.Message
	err error // how reading ended
}

// Dial connects a wire in a bubble, which is closed with the test.
func Dial(t *testing.T, b *fluxtest.Broker, opts ...fluxtest.DialOption) *Wire {
	t.Helper()
	s, err := b.DialBytes(context.Background(), opts...)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	w := &Wire{t: t, s: s, Conn: transport.NewConn(s, transport.Config{})}
	go w.read()
	t.Cleanup(func() { w.Conn.Close() })
	return w
}

func (w *Wire) read() {
	for {
		m := new(codec.Message)
		err := w.Conn.Recv(m)
		w.mu.Lock()
		if err != nil {
			w.err = err
		} else {
			w.got = append(w.got, m)
		}
		w.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Write sends bytes and waits until everything has come to rest.
func (w *Wire) Write(p []byte) {
	w.t.Helper()
	w.s.Write(p) // the broker may have closed: that shows in what comes
	synctest.Wait()
}

// Send sends messages and waits until everything has come to rest.
func (w *Wire) Send(list ...*codec.Message) {
	w.t.Helper()
	var p []byte
	for _, m := range list {
		var err error
		if p, err = codec.Append(p, m); err != nil {
			w.t.Fatalf("Append %s: %v", m.Topic, err)
		}
	}
	w.Write(p)
}

// Take returns the next message that has come, nil if there is none.
func (w *Wire) Take() *codec.Message {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.got) == 0 {
		return nil
	}
	m := w.got[0]
	w.got = w.got[1:]
	return m
}

// Next is take for a message that must have come.
func (w *Wire) Next() *codec.Message {
	w.t.Helper()
	m := w.Take()
	if m == nil {
		w.t.Fatalf("nothing came")
	}
	return m
}

// None fails the test if something has come.
func (w *Wire) None() {
	w.t.Helper()
	if m := w.Take(); m != nil {
		w.t.Fatalf("unexpected %s", Show(m))
	}
}

// Ended says whether the broker has closed the connection.
func (w *Wire) Ended() bool {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err != nil
}

// Call sends a request and returns the one message that comes.
func (w *Wire) Call(m *codec.Message) *codec.Message {
	w.t.Helper()
	w.Send(m)
	return w.Next()
}

// Request makes a request with a payload encoded as by [codec.EncodePayload].
func Request(topic string, tag uint32, payload any) *codec.Message {
	m := codec.NewRequest(topic)
	m.Matchtag = tag
	p, err := codec.EncodePayload(payload, nil)
	if err != nil {
		panic(err)
	}
	m.SetPayload(p)
	return m
}

// At addresses a request to a rank.
func At(m *codec.Message, nodeid uint32) *codec.Message {
	m.NodeID = nodeid
	return m
}

// Flagged sets flags of a message.
func Flagged(m *codec.Message, f codec.Flags) *codec.Message {
	m.Flags |= f
	return m
}

// Advance moves the clock of the bubble.
func Advance(d time.Duration) { <-time.After(d) }

// Obj is a JSON object.
type Obj = map[string]any

// Show describes a message in the errors of tests.
func Show(m *codec.Message) string {
	text, err := codec.TextPayload(m.Payload)
	if err != nil {
		text = string(m.Payload)
	}
	return m.Type.String() + " " + m.Topic + " errnum=" + Errnum(m) + " payload=" + text
}

// Errnum is the errno of a message in digits.
func Errnum(m *codec.Message) string {
	const digits = "0123456789"
	n, s := m.Errnum, ""
	for ok := true; ok; ok = n > 0 {
		s, n = string(digits[n%10])+s, n/10
	}
	return s
}

// Want checks a response's errno and text; "" is no payload.
func Want(t *testing.T, m *codec.Message, errnum uint32, text string) {
	t.Helper()
	got := ""
	if m.HasPayload() {
		var err error
		if got, err = codec.TextPayload(m.Payload); err != nil {
			t.Errorf("%s: payload %q: %v", m.Topic, m.Payload, err)
		}
	}
	if m.Type != codec.TypeResponse || m.Errnum != errnum || got != text {
		t.Errorf("%s, want a response with errno %d and %q", Show(m), errnum, text)
	}
}

// DialURI connects as any program does.
func DialURI(t *testing.T, uri string) transport.Conn {
	t.Helper()
	c, err := transport.Dial(t.Context(), uri, transport.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Publish makes the request that publishes an event; payload is base64.
func Publish(topic string, flags int, payload string) *codec.Message {
	o := Obj{"topic": topic, "flags": flags}
	if payload != "" {
		o["payload"] = payload
	}
	return At(Request("event.publish", 9, o), 0)
}

// Subscribed subscribes a wire to topics.
func Subscribed(t *testing.T, w *Wire, topics ...string) {
	t.Helper()
	for _, topic := range topics {
		Want(t, w.Call(Request("event.subscribe", 1, Obj{"topic": topic})), 0, "")
	}
}

// HangUp closes the connection.
func (w *Wire) HangUp() {
	w.Conn.Close()
	synctest.Wait()
}

// PutBack has messages taken again.
func (w *Wire) PutBack(list []*codec.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = append(list, w.got...)
}
