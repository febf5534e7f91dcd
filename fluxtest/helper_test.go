package fluxtest_test

import (
	"context"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/transport"
)

// wire is the client's end of a connection in a bubble: bytes go out as they
// are, and what comes is there after synctest.Wait.
type wire struct {
	t    *testing.T
	s    io.ReadWriteCloser
	conn transport.Conn

	mu  sync.Mutex
	got []*codec.Message
	err error // how reading ended
}

func dialWire(t *testing.T, b *fluxtest.Broker, opts ...fluxtest.DialOption) *wire {
	t.Helper()
	s, err := b.DialBytes(context.Background(), opts...)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	w := &wire{t: t, s: s, conn: fluxtest.NewConn(s, transport.Config{})}
	go w.read()
	t.Cleanup(func() { w.conn.Close() })
	return w
}

func (w *wire) read() {
	for {
		m := new(codec.Message)
		err := w.conn.Recv(m)
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

// write sends bytes and waits until everything has come to rest.
func (w *wire) write(p []byte) {
	w.t.Helper()
	w.s.Write(p) // the broker may have closed: that shows in what comes
	synctest.Wait()
}

// send sends messages and waits until everything has come to rest.
func (w *wire) send(list ...*codec.Message) {
	w.t.Helper()
	var p []byte
	for _, m := range list {
		var err error
		if p, err = codec.Append(p, m); err != nil {
			w.t.Fatalf("Append %s: %v", m.Topic, err)
		}
	}
	w.write(p)
}

// take returns the next message that has come, nil if there is none.
func (w *wire) take() *codec.Message {
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

// next is take for a message that must have come.
func (w *wire) next() *codec.Message {
	w.t.Helper()
	m := w.take()
	if m == nil {
		w.t.Fatalf("nothing came")
	}
	return m
}

// none fails the test if something has come.
func (w *wire) none() {
	w.t.Helper()
	if m := w.take(); m != nil {
		w.t.Fatalf("unexpected %s", show(m))
	}
}

// ended says whether the broker has closed the connection.
func (w *wire) ended() bool {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err != nil
}

// call sends a request and returns the one message that comes.
func (w *wire) call(m *codec.Message) *codec.Message {
	w.t.Helper()
	w.send(m)
	return w.next()
}

func request(topic string, tag uint32, payload any) *codec.Message {
	m := codec.NewRequest(topic)
	m.Matchtag = tag
	p, err := codec.EncodePayload(payload, nil)
	if err != nil {
		panic(err)
	}
	m.SetPayload(p)
	return m
}

func at(m *codec.Message, nodeid uint32) *codec.Message {
	m.NodeID = nodeid
	return m
}

func flagged(m *codec.Message, f codec.Flags) *codec.Message {
	m.Flags |= f
	return m
}

// advance moves the clock of the bubble.
func advance(d time.Duration) { <-time.After(d) }

type obj = map[string]any

func show(m *codec.Message) string {
	text, err := codec.TextPayload(m.Payload)
	if err != nil {
		text = string(m.Payload)
	}
	return m.Type.String() + " " + m.Topic + " errnum=" + errnum(m) + " payload=" + text
}

func errnum(m *codec.Message) string {
	const digits = "0123456789"
	n, s := m.Errnum, ""
	for ok := true; ok; ok = n > 0 {
		s, n = string(digits[n%10])+s, n/10
	}
	return s
}

// want checks a response's errno and text; "" is no payload.
func want(t *testing.T, m *codec.Message, errnum uint32, text string) {
	t.Helper()
	got := ""
	if m.HasPayload() {
		var err error
		if got, err = codec.TextPayload(m.Payload); err != nil {
			t.Errorf("%s: payload %q: %v", m.Topic, m.Payload, err)
		}
	}
	if m.Type != codec.TypeResponse || m.Errnum != errnum || got != text {
		t.Errorf("%s, want a response with errno %d and %q", show(m), errnum, text)
	}
}

func dialTest(t *testing.T, uri string) transport.Conn {
	t.Helper()
	c, err := transport.Dial(t.Context(), uri, transport.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
