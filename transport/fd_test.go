package transport

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestFD(t *testing.T) {
	noLeaks(t)
	ours, theirs := rawPair(t)
	peer := os.NewFile(uintptr(theirs), "peer")
	defer peer.Close()
	m := request("a.b", 1, []byte("hello"))
	if _, err := peer.Write(append([]byte{0}, wire(t, m)...)); err != nil {
		t.Fatal(err)
	}
	c, err := Dial(t.Context(), fmt.Sprintf("fd://%d", ours), Config{})
	if err != nil {
		t.Fatal(err)
	}
	want(t, c, m)
	send(t, c, m)
	back := make([]byte, len(wire(t, m)))
	if _, err := peer.Read(back); err != nil || string(back) != string(wire(t, m)) {
		t.Errorf("peer read %q, %v", back, err)
	}
	// A Close must wake a Recv that waits.
	recvd := make(chan error, 1)
	go func() { recvd <- c.Recv(request("", 0, nil)) }()
	if err := within(t, "Close", c.Close); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := within(t, "Recv after Close", func() error { return <-recvd }); err != ErrClosed {
		t.Errorf("Recv after Close: %v", err)
	}
	if n, err := peer.Read(back); n != 0 || err == nil {
		t.Errorf("peer read %d bytes, %v after Close", n, err)
	}
}

func TestFDRefused(t *testing.T) {
	ours, theirs := rawPair(t)
	peer := os.NewFile(uintptr(theirs), "peer")
	defer peer.Close()
	peer.Write([]byte{13})
	_, err := Dial(t.Context(), fmt.Sprintf("fd://%d", ours), Config{})
	if he, ok := errors.AsType[*HandshakeError](err); !ok || he.Errno != 13 {
		t.Errorf("Dial: %v, want errno 13", err)
	}
	if n, err := peer.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("descriptor is still open after a refusal: %d, %v", n, err)
	}
}

func TestFDCtx(t *testing.T) {
	noLeaks(t)
	ours, theirs := rawPair(t)
	peer := os.NewFile(uintptr(theirs), "peer")
	defer peer.Close()
	mark := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	dialed := make(chan error, 1)
	go func() {
		_, err := Dial(ctx, fmt.Sprintf("fd://%d", ours), Config{})
		dialed <- err
	}()
	cancel(mark)
	if err := within(t, "Dial after its ctx ended", func() error { return <-dialed }); err != mark {
		t.Errorf("Dial: %v, want the cause", err)
	}
	if n, err := peer.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("descriptor is still open: %d, %v", n, err)
	}
}

func TestFDInvalid(t *testing.T) {
	for _, uri := range []string{"fd", "fd://", "fd://x", "fd://-1", "fd://1x", "fd:// 1", "fd://0x1", "fd://99999999999"} {
		if _, err := Dial(t.Context(), uri, Config{}); !errors.Is(err, ErrInvalidURI) || !strings.Contains(err.Error(), "fd://N") {
			t.Errorf("Dial(%q): %v, want ErrInvalidURI", uri, err)
		}
	}
}

func TestFDClosed(t *testing.T) {
	// Far above what the process has open, so that nobody gets it meanwhile.
	_, err := Dial(t.Context(), "fd://54321", Config{})
	if !errors.Is(err, syscall.EBADF) || !strings.Contains(err.Error(), "descriptor 54321") {
		t.Errorf("Dial: %v, want EBADF", err)
	}
}

// Not only sockets: what an inherited descriptor is, is the parent's choice.
func TestFDOther(t *testing.T) {
	m := request("a.b", 1, []byte("hello"))
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, append([]byte{0}, wire(t, m)...), 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Open(path, syscall.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Dial(t.Context(), fmt.Sprintf("fd://%d", fd), Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	want(t, c, m)
}
