package transport

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/flux-sdk/flux/codec"
)

// patience is how long a test waits in real time for what must happen soon.
const patience = 20 * time.Second

// TestMain lets the test binary play the programs that the ssh tests run.
func TestMain(m *testing.M) {
	if mode := os.Getenv(standInEnv); mode != "" {
		os.Exit(standIn(mode))
	}
	os.Exit(m.Run())
}

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

func send(t testing.TB, c Conn, m *codec.Message) {
	t.Helper()
	if err := c.Send(t.Context(), m); err != nil {
		t.Fatalf("Send: %v", err)
	}
}

func recv(t testing.TB, c Conn) *codec.Message {
	t.Helper()
	var m codec.Message
	if err := c.Recv(&m); err != nil {
		t.Fatalf("Recv: %v", err)
	}
	return &m
}

// want receives a message from c and compares it with m.
func want(t testing.TB, c Conn, m *codec.Message) {
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

// socketDir is a directory whose paths are short enough for sockets.
func socketDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "flux")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func listen(t testing.TB) *Listener {
	t.Helper()
	l, err := Listen(filepath.Join(socketDir(t), "s"), Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// accept takes the next connection on l.
func accept(t testing.TB, l *Listener) *Incoming {
	t.Helper()
	var in *Incoming
	if err := within(t, "Accept", func() (err error) { in, err = l.Accept(); return }); err != nil {
		t.Fatal(err)
	}
	return in
}

// rawPair is a pair of connected sockets as bare descriptors.
func rawPair(t testing.TB) (a, b int) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fds[0], fds[1]
}

// unsetenv removes a variable for the length of the test.
func unsetenv(t testing.TB, name string) {
	t.Helper()
	t.Setenv(name, "")
	os.Unsetenv(name)
}

// ended is a context that has ended, with cause.
func ended(cause error) context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	return ctx
}
