package transport

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A broker listens with a small backlog and accepts one by one: a storm of
// clients must wait for their turn, as they do in a blocking connect.
func TestLocalFullBacklog(t *testing.T) {
	t.Setenv(RetryCountEnv, "0")
	path := filepath.Join(socketDir(t), "s")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "listener")
	defer f.Close()
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	var early []net.Conn
	for {
		c, err := net.DialUnix("unix", nil, socketAddr(path))
		if errors.Is(err, syscall.EAGAIN) {
			break
		}
		if err != nil || len(early) > 100 {
			t.Fatalf("%d connections, then %v", len(early), err)
		}
		defer c.Close()
		early = append(early, c)
	}
	dialed := make(chan error, 1)
	go func() {
		c, err := Dial(t.Context(), "local://"+path, Config{})
		if err == nil {
			c.Close()
		}
		dialed <- err
	}()
	l, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for range len(early) + 1 {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.Write([]byte{0})
	}
	if err := within(t, "Dial", func() error { return <-dialed }); err != nil {
		t.Error(err)
	}
}
