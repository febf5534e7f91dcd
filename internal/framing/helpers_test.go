package framing

import (
	"bytes"
	"context"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/flux-sdk/flux/codec"
)

// patience is how long a test waits in real time for what must happen soon.
const patience = 20 * time.Second

// request is a request with payload that wants a response.
func request(topic string, tag uint32, payload []byte) *codec.Message {
	m := codec.NewRequest(topic)
	m.Matchtag = tag
	m.SetPayload(payload)
	return m
}

// pattern is n bytes that are not all alike.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range min(n, 256) {
		b[i] = byte(31*i + 7)
	}
	for done := 256; done < n; done *= 2 {
		copy(b[done:], b[:done])
	}
	return b
}

// wire is m as a frame.
func wire(t testing.TB, m *codec.Message) []byte {
	t.Helper()
	b, err := codec.Append(nil, m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func send(t testing.TB, c *Conn, m *codec.Message) {
	t.Helper()
	if err := c.Send(t.Context(), m); err != nil {
		t.Fatalf("Send: %v", err)
	}
}

func recv(t testing.TB, c *Conn) *codec.Message {
	t.Helper()
	var m codec.Message
	if err := c.Recv(&m); err != nil {
		t.Fatalf("Recv: %v", err)
	}
	return &m
}

// want receives a message from c and compares it with m.
func want(t testing.TB, c *Conn, m *codec.Message) {
	t.Helper()
	got := recv(t, c)
	if g, w := wire(t, got), wire(t, m); !bytes.Equal(g, w) {
		t.Fatalf("received %.100q (%d bytes), want %.100q (%d bytes)", g, len(g), w, len(w))
	}
}

// within fails the test if f has not returned in real time.
func within(t testing.TB, what string, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		buf := make([]byte, 1<<20)
		t.Fatalf("%s hangs\n%s", what, buf[:runtime.Stack(buf, true)])
		return nil
	}
}

// pipe is a pair of connected Conns in memory.
func pipe(cfg Config) (*Conn, *Conn) {
	a, b := BytePipe()
	return New(a, cfg), New(b, cfg)
}

// socketPair is a pair of connected sockets on the runtime's poller.
func socketPair(t testing.TB) (a, b *net.UnixConn) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	var conns [2]*net.UnixConn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "socketpair")
		c, err := net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		conns[i] = c.(*net.UnixConn)
	}
	return conns[0], conns[1]
}

// connected is a pair of Conns over a UNIX socket.
func connected(t testing.TB) (*Conn, *Conn) {
	t.Helper()
	a, b := socketPair(t)
	ca, cb := New(a, Config{}), New(b, Config{})
	t.Cleanup(func() { ca.Close(); cb.Close() })
	return ca, cb
}

// noLeaks fails the test if it ends with more goroutines than it has now.
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

// fillUp queues on c until Send would wait, and returns how many messages
// that took.
func fillUp(t *testing.T, c *Conn) uint32 {
	t.Helper()
	payload := pattern(64 << 10)
	n := uint32(0)
	for size := 0; size < sendLimit+pipeBuffer+len(payload); size += len(payload) {
		if err := c.Queue(request("fill.up", n, payload)); err != nil {
			t.Fatal(err)
		}
		c.Flush()
		n++
	}
	return n
}

// ended is a context that has ended, with cause.
func ended(cause error) context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	return ctx
}
