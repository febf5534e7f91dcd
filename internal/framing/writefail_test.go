package framing

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/flux-sdk/flux/codec"
)

// until calls Send until it fails and returns its error.
func until(c *Conn, size int) error {
	for {
		if err := c.Send(context.Background(), request("a.b", 1, pattern(size))); err != nil {
			return err
		}
	}
}

// peerCloses checks what a conn does whose peer goes away while it sends and
// receives: both end, and so does Close.
func peerCloses(t *testing.T, c *Conn, peer io.Closer, size int) {
	t.Helper()
	recvd := make(chan error, 1)
	go func() { recvd <- c.Recv(new(codec.Message)) }()
	sent := make(chan error, 1)
	go func() { sent <- until(c, size) }()
	peer.Close()
	if err := within(t, "Send to a peer that is gone", func() error { return <-sent }); err == ErrClosed {
		t.Errorf("Send: %v, though nobody closed this end", err)
	}
	if err := within(t, "Recv from a peer that is gone", func() error { return <-recvd }); err == nil || err == ErrClosed {
		t.Errorf("Recv: %v", err)
	}
	if err := within(t, "Close", c.Close); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := c.Recv(new(codec.Message)); err != ErrClosed {
		t.Errorf("Recv after Close: %v, want ErrClosed", err)
	}
}

// hidden is a stream of which nothing is known but the three methods.
type hidden struct{ io.ReadWriteCloser }

func tcpPair(t *testing.T) (net.Conn, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip("no TCP here: ", err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}

func TestPeerCloses(t *testing.T) {
	for _, size := range []int{10, 5000, 300_000} {
		t.Run("pipe", func(t *testing.T) {
			noLeaks(t)
			a, b := BytePipe()
			peerCloses(t, New(a, Config{}), b, size)
		})
		t.Run("hidden pipe", func(t *testing.T) {
			noLeaks(t)
			a, b := BytePipe()
			peerCloses(t, New(hidden{a}, Config{}), b, size)
		})
		t.Run("net.Pipe", func(t *testing.T) {
			noLeaks(t)
			a, b := net.Pipe()
			peerCloses(t, New(a, Config{}), b, size)
		})
		t.Run("tcp", func(t *testing.T) {
			noLeaks(t)
			a, b := tcpPair(t)
			peerCloses(t, New(a, Config{}), b, size)
		})
		t.Run("unix", func(t *testing.T) {
			a, b := connected(t)
			peerCloses(t, a, b, size)
		})
	}
}

// deaf is a stream whose writes fail while its reads wait for ever.
type deaf struct {
	err    error
	closed chan struct{}
	once   sync.Once
	closes int
}

func (d *deaf) Read([]byte) (int, error) {
	<-d.closed
	return 0, io.ErrClosedPipe
}
func (d *deaf) Write([]byte) (int, error) { return 0, d.err }
func (d *deaf) Close() error {
	d.closes++
	d.once.Do(func() { close(d.closed) })
	if d.closes > 1 {
		return errors.New("closed twice")
	}
	return nil
}

// A reader must not wait for answers to what could not be written.
func TestWriteErrorEndsRecv(t *testing.T) {
	noLeaks(t)
	mark := errors.New("cable cut")
	d := &deaf{err: mark, closed: make(chan struct{})}
	c := New(d, Config{})
	recvd := make(chan error, 1)
	go func() { recvd <- c.Recv(new(codec.Message)) }()
	if err := within(t, "Send", func() error { return until(c, 10) }); !errors.Is(err, mark) {
		t.Errorf("Send: %v, want the write error", err)
	}
	if err := within(t, "Recv after a write error", func() error { return <-recvd }); !errors.Is(err, mark) {
		t.Errorf("Recv: %v, want the write error", err)
	}
	if err := c.Close(); err != nil || d.closes != 1 {
		t.Errorf("Close: %v, and the stream was closed %d times", err, d.closes)
	}
}

// What had arrived before a write failed is still received, where the stream
// can close one direction.
func TestWriteErrorKeepsWhatArrived(t *testing.T) {
	for name, pair := range map[string]func(t *testing.T) (io.ReadWriteCloser, io.ReadWriteCloser){
		"unix": func(t *testing.T) (io.ReadWriteCloser, io.ReadWriteCloser) {
			a, b := socketPair(t)
			return a, b
		},
		"pipe": func(*testing.T) (io.ReadWriteCloser, io.ReadWriteCloser) {
			a, b := BytePipe()
			return a, b
		},
	} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			a, b := pair(t)
			c := New(a, Config{})
			m := request("last.words", 1, pattern(10_000))
			if _, err := b.Write(append(wire(t, m), wire(t, m)...)); err != nil {
				t.Fatal(err)
			}
			b.Close()
			if err := within(t, "Send", func() error { return until(c, 10) }); err == nil {
				t.Error("Send succeeds")
			}
			want(t, c, m)
			want(t, c, m)
			if err := within(t, "Recv", func() error { return c.Recv(new(codec.Message)) }); err == nil {
				t.Error("Recv succeeds")
			}
			c.Close()
		})
	}
}

// Senders that wait for room learn of a write error at once.
func TestWriteErrorWakesSend(t *testing.T) {
	noLeaks(t)
	a, b := BytePipe()
	c := New(a, Config{})
	fillUp(t, c)
	sent := make(chan error, 3)
	for range cap(sent) {
		go func() { sent <- c.Send(context.Background(), request("a.b", 1, nil)) }()
	}
	b.Close()
	for range cap(sent) {
		if err := within(t, "Send", func() error { return <-sent }); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("Send: %v", err)
		}
	}
	start := time.Now()
	c.Close()
	if time.Since(start) >= closeWait {
		t.Error("Close waits for what can not be written")
	}
}
