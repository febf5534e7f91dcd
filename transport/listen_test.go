package transport

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/flux-sdk/flux/codec"
)

func TestListenCred(t *testing.T) {
	l := listen(t)
	raw, err := net.DialUnix("unix", nil, socketAddr(strings.TrimPrefix(l.URI(), "local://")))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	in := accept(t, l)
	defer in.Close()
	cred, err := in.Cred()
	if err != nil || cred.UID != uint32(os.Geteuid()) {
		t.Errorf("Cred = %+v, %v, want uid %d", cred, err, os.Geteuid())
	}
	if runtime.GOOS == "linux" && cred.PID != os.Getpid() {
		t.Errorf("Cred = %+v, want pid %d", cred, os.Getpid())
	}
}

func TestListenCredOfClosed(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux asks the socket")
	}
	l := listen(t)
	raw, err := net.DialUnix("unix", nil, socketAddr(strings.TrimPrefix(l.URI(), "local://")))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	in := accept(t, l)
	in.Close()
	if cred, err := in.Cred(); err == nil {
		t.Errorf("Cred of a closed connection = %+v", cred)
	}
}

func TestListenRefuse(t *testing.T) {
	for errno, sent := range map[uint32]uint8{1: 1, 13: 13, 255: 255, 0: 1, 256: 1, 1 << 20: 1} {
		l := listen(t)
		refused := make(chan error, 1)
		go func() {
			_, err := Dial(t.Context(), l.URI(), Config{})
			refused <- err
		}()
		if err := accept(t, l).Refuse(errno); err != nil {
			t.Error(err)
		}
		if he, ok := errors.AsType[*HandshakeError](<-refused); !ok || he.Errno != sent {
			t.Errorf("Refuse(%d): Dial sees %v, want %d", errno, he, sent)
		}
	}
}

func TestListenDrop(t *testing.T) {
	l := listen(t)
	dropped := make(chan error, 1)
	go func() {
		_, err := Dial(t.Context(), l.URI(), Config{})
		dropped <- err
	}()
	accept(t, l).Close()
	if err := <-dropped; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("Dial: %v, want ECONNRESET", err)
	}
}

func TestListenClose(t *testing.T) {
	l := listen(t)
	path := strings.TrimPrefix(l.URI(), "local://")
	if _, err := Listen(path, Config{}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("second Listen: %v, want EADDRINUSE", err)
	}
	dialed := make(chan Conn, 1)
	go func() {
		c, err := Dial(t.Context(), l.URI(), Config{})
		if err != nil {
			t.Error(err)
		}
		dialed <- c
	}()
	broker, err := accept(t, l).Welcome()
	if err != nil {
		t.Fatal(err)
	}
	client := <-dialed
	accepted := make(chan error, 1)
	go func() {
		_, err := l.Accept()
		accepted <- err
	}()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := within(t, "Accept after Close", func() error { return <-accepted }); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept: %v, want net.ErrClosed", err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("socket after Close: %v", err)
	}
	// Who is in stays in.
	m := request("a.b", 1, nil)
	send(t, client, m)
	want(t, broker, m)
	send(t, broker, m)
	want(t, client, m)
	client.Close()
	broker.Close()
	if l, err = Listen(path, Config{}); err != nil {
		t.Fatalf("Listen again: %v", err)
	}
	l.Close()
}

func TestListenStream(t *testing.T) {
	l := listen(t)
	dialed := make(chan Conn, 1)
	go func() {
		c, err := Dial(t.Context(), l.URI(), Config{})
		if err != nil {
			t.Error(err)
		}
		dialed <- c
	}()
	raw, err := accept(t, l).Stream()
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	client := <-dialed
	defer client.Close()
	m := request("a.b", 1, pattern(10))
	if _, err := raw.Write(wire(t, m)); err != nil {
		t.Fatal(err)
	}
	want(t, client, m)
}

// The cap of a Listener is that of its connections.
func TestListenConfig(t *testing.T) {
	l, err := Listen(strings.TrimPrefix(listen(t).URI(), "local://")+"2", Config{MaxSize: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := Dial(t.Context(), l.URI(), Config{})
		if err != nil {
			t.Error(err)
			return
		}
		c.Send(context.Background(), request("a.b", 1, pattern(100)))
		c.Close()
	}()
	c, err := accept(t, l).Welcome()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Recv(new(codec.Message)); !errors.Is(err, codec.ErrTooLarge) {
		t.Errorf("Recv: %v, want ErrTooLarge", err)
	}
}

func TestWelcomeWhoHasLeft(t *testing.T) {
	l := listen(t)
	raw, err := net.DialUnix("unix", nil, socketAddr(strings.TrimPrefix(l.URI(), "local://")))
	if err != nil {
		t.Fatal(err)
	}
	raw.Close()
	if c, err := accept(t, l).Welcome(); err == nil {
		// Not every system tells so early; reading does.
		if err := c.Recv(new(codec.Message)); err == nil {
			t.Error("a message from nobody")
		}
		c.Close()
	}
}
