package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// bareListener listens where nothing of this package answers.
func bareListener(t *testing.T) (*net.UnixListener, string) {
	t.Helper()
	path := filepath.Join(socketDir(t), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, path
}

// answer accepts one connection on l, writes b, and hands it over.
func answer(t *testing.T, l *net.UnixListener, b []byte) <-chan *net.UnixConn {
	accepted := make(chan *net.UnixConn, 1)
	go func() {
		c, err := l.AcceptUnix()
		if err != nil {
			return
		}
		t.Cleanup(func() { c.Close() })
		c.Write(b)
		accepted <- c
	}()
	return accepted
}

func TestLocalHandshake(t *testing.T) {
	for _, tt := range []struct {
		name  string
		sent  []byte
		errno uint8
	}{
		{"welcome", []byte{0}, 0},
		{"EPERM", []byte{1}, 1},
		{"EPERM and junk", []byte{1, 2, 3}, 1},
		{"255", []byte{255}, 255},
	} {
		t.Run(tt.name, func(t *testing.T) {
			noLeaks(t)
			l, path := bareListener(t)
			accepted := answer(t, l, tt.sent)
			c, err := Dial(t.Context(), "local://"+path, Config{})
			if tt.errno == 0 {
				if err != nil {
					t.Fatal(err)
				}
				c.Close()
				return
			}
			he, ok := errors.AsType[*HandshakeError](err)
			if !ok || he.Errno != tt.errno || c != nil {
				t.Fatalf("Dial = %v, %v, want errno %d", c, err, tt.errno)
			}
			if tt.errno == 1 && !strings.Contains(err.Error(), "EPERM") {
				t.Errorf("error %q does not say EPERM", err)
			}
			gone(t, <-accepted)
		})
	}
}

// gone fails the test unless the peer of c closes.
func gone(t *testing.T, c net.Conn) {
	t.Helper()
	err := within(t, "reading until the peer closes", func() error {
		_, err := io.Copy(io.Discard, c)
		return err
	})
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Error(err)
	}
}

func TestLocalEOFBeforeHandshake(t *testing.T) {
	l, path := bareListener(t)
	go func() {
		if c, err := l.AcceptUnix(); err == nil {
			c.Close()
		}
	}()
	_, err := Dial(t.Context(), "local://"+path, Config{})
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("Dial: %v, want ECONNRESET", err)
	}
}

func TestLocalHandshakeAndFramesInOneRead(t *testing.T) {
	l, path := bareListener(t)
	one, two := request("a.b", 1, []byte("first")), request("c.d", 2, pattern(300))
	answer(t, l, append([]byte{0}, append(wire(t, one), wire(t, two)...)...))
	c, err := Dial(t.Context(), "local://"+path, Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	want(t, c, one)
	if !c.(interface{ Buffered() bool }).Buffered() {
		t.Error("second message of one write is not Buffered")
	}
	want(t, c, two)
	if c.(interface{ Buffered() bool }).Buffered() {
		t.Error("Buffered with nothing there")
	}
}

func TestLocalCtxDuringHandshake(t *testing.T) {
	noLeaks(t)
	l, path := bareListener(t)
	accepted := answer(t, l, nil)
	mark := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	dialed := make(chan error, 1)
	go func() {
		_, err := Dial(ctx, "local://"+path, Config{})
		dialed <- err
	}()
	peer := <-accepted
	cancel(mark)
	if err := within(t, "Dial after its ctx ended", func() error { return <-dialed }); err != mark {
		t.Errorf("Dial: %v, want the cause", err)
	}
	gone(t, peer) // the descriptor is closed
}

func TestLocalCtxAlreadyEnded(t *testing.T) {
	_, path := bareListener(t)
	mark := errors.New("enough")
	if _, err := Dial(ended(mark), "local://"+path, Config{}); err != mark {
		t.Errorf("Dial: %v, want the cause", err)
	}
}

func TestLocalInvalid(t *testing.T) {
	t.Setenv(RetryCountEnv, "0")
	long := "/" + strings.Repeat("x", maxSocketPath)
	for uri, text := range map[string]string{
		"local":           "local://PATH",
		"local://":        "local://PATH",
		"local:// \t":     "local://PATH",
		"local://" + long: "path of 108 bytes, a socket's has 107 at most",
	} {
		_, err := Dial(t.Context(), uri, Config{})
		if !errors.Is(err, ErrInvalidURI) || !strings.Contains(err.Error(), text) {
			t.Errorf("Dial(%.20q): %v, want %q", uri, err, text)
		}
	}
	if _, err := Listen(long, Config{}); err == nil {
		t.Error("Listen on a path of 108 bytes")
	}
	if _, err := Listen("", Config{}); err == nil {
		t.Error("Listen on an empty path")
	}
}

func TestLocalLongestPath(t *testing.T) {
	dir := socketDir(t)
	path := filepath.Join(dir, strings.Repeat("x", maxSocketPath-len(dir)-1))
	if len(path) != 107 {
		t.Fatalf("path of %d bytes", len(path))
	}
	pingThrough(t, path)
}

// Package net takes a leading @ for a name outside the file system.
func TestLocalPathWithAt(t *testing.T) {
	t.Chdir(socketDir(t))
	pingThrough(t, "@name")
	if _, err := os.Lstat("@name"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("socket after Close: %v", err)
	}
}

// pingThrough listens on path and sends one message through it.
func pingThrough(t *testing.T, path string) {
	t.Helper()
	l, err := Listen(path, Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		in, err := l.Accept()
		if err != nil {
			return
		}
		c, err := in.Welcome()
		if err != nil {
			return
		}
		c.Send(context.Background(), request("x.y", 1, nil))
		c.Close()
	}()
	c, err := Dial(t.Context(), l.URI(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	want(t, c, request("x.y", 1, nil))
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
}

func TestLocalErrors(t *testing.T) {
	t.Setenv(RetryCountEnv, "0")
	dir := socketDir(t)
	missing := filepath.Join(dir, "missing")
	_, err := Dial(t.Context(), "local://"+missing, Config{})
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "broker socket "+missing+" was not found") {
		t.Errorf("missing socket: %v", err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Dial(t.Context(), "local://"+file, Config{}); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("plain file: %v", err)
	}
}

func TestRetryCountEnv(t *testing.T) {
	unsetenv(t, RetryCountEnv)
	if n, err := retries(); n != 5 || err != nil {
		t.Errorf("unset: %d, %v, want 5", n, err)
	}
	for value, want := range map[string]int{"0": 0, "1": 1, "12": 12} {
		t.Setenv(RetryCountEnv, value)
		if n, err := retries(); n != want || err != nil {
			t.Errorf("%q: %d, %v, want %d", value, n, err, want)
		}
	}
	for _, value := range []string{"", "x", "-1", "1x", "1.5", "99999999999999999999"} {
		t.Setenv(RetryCountEnv, value)
		if _, err := Dial(t.Context(), "local:///nonexistent", Config{}); !errors.Is(err, ErrInvalidURI) || !strings.Contains(err.Error(), RetryCountEnv) {
			t.Errorf("%q: %v, want ErrInvalidURI that names the variable", value, err)
		}
	}
}

func TestRetryPolicy(t *testing.T) {
	for count, total := range map[int]time.Duration{
		0: 0,
		1: 16 * time.Millisecond,
		5: 496 * time.Millisecond,
		9: (16 + 32 + 64 + 128 + 256 + 512 + 1024 + 2000 + 2000) * time.Millisecond,
	} {
		synctest.Test(t, func(t *testing.T) {
			tries := 0
			start := time.Now()
			_, err := connectRetry(t.Context(), count, func(context.Context) (*net.UnixConn, error) {
				tries++
				return nil, syscall.ECONNREFUSED
			})
			if err != syscall.ECONNREFUSED || tries != count+1 || time.Since(start) != total {
				t.Errorf("count %d: %v after %d tries and %v, want %d and %v", count, err, tries, time.Since(start), count+1, total)
			}
		})
	}
}

// A full backlog is the broker being busy: as with a blocking connect it does
// not use up the tries.
func TestRetryFullBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		start := time.Now()
		_, err := connectRetry(t.Context(), 0, func(context.Context) (*net.UnixConn, error) {
			if tries++; tries <= 100 {
				return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EAGAIN)}
			}
			return nil, syscall.ECONNREFUSED
		})
		if err != syscall.ECONNREFUSED || tries != 101 || time.Since(start) != 1600*time.Millisecond {
			t.Errorf("%v after %d tries and %v", err, tries, time.Since(start))
		}
	})
}

func TestRetryCtx(t *testing.T) {
	mark := errors.New("enough")
	for _, errno := range []error{syscall.ENOENT, syscall.EAGAIN} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(100*time.Millisecond, func() { cancel(mark) })
			start := time.Now()
			_, err := connectRetry(ctx, 1000, func(context.Context) (*net.UnixConn, error) { return nil, errno })
			if err != mark || time.Since(start) != 100*time.Millisecond {
				t.Errorf("%v after %v, want the cause at once", err, time.Since(start))
			}
		})
	}
}

func TestRetryFindsLateSocket(t *testing.T) {
	path := filepath.Join(socketDir(t), "s")
	var l *net.UnixListener
	c, err := connectRetry(t.Context(), 5, func(ctx context.Context) (*net.UnixConn, error) {
		var d net.Dialer
		c, err := d.DialUnix(ctx, "unix", nil, socketAddr(path))
		if err != nil && l == nil {
			var lerr error
			if l, lerr = net.ListenUnix("unix", socketAddr(path)); lerr != nil {
				t.Fatal(lerr)
			}
		}
		return c, err
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	l.Close()
}

// What a client writes before the handshake byte is there when the broker
// comes to read it.
func TestPrehandshakeFramesAreKept(t *testing.T) {
	l := listen(t)
	raw, err := net.DialUnix("unix", nil, socketAddr(strings.TrimPrefix(l.URI(), "local://")))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	m := request("x.y", 3, pattern(1000))
	if _, err := raw.Write(wire(t, m)); err != nil {
		t.Fatal(err)
	}
	c, err := accept(t, l).Welcome()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	want(t, c, m)
	var b [1]byte
	if _, err := io.ReadFull(raw, b[:]); err != nil || !bytes.Equal(b[:], []byte{0}) {
		t.Errorf("handshake %v, %v", b, err)
	}
}
