package transport

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"testing"

	"github.com/flux-sdk/flux/codec"
)

// shortPair is a connection that RecvShort is for, and its peer.
func shortPair(t *testing.T) (*streamConn, *net.UnixConn) {
	t.Helper()
	b, peer := blockPair(t)
	c := newStreamConn(b, Config{})
	if !c.ShortWaits() {
		t.Fatal("a blocking descriptor has no short waits")
	}
	return c, peer
}

// later fails the test unless RecvShort has nothing.
func later(t *testing.T, c *streamConn) {
	t.Helper()
	var m codec.Message
	if came, err := c.RecvShort(&m); came || err != nil {
		t.Fatalf("RecvShort = %v, %v; want nothing", came, err)
	}
}

func TestRecvShort(t *testing.T) {
	c, peer := shortPair(t)
	write := func(b []byte) {
		t.Helper()
		if _, err := peer.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	want := request("some.topic", 7, []byte("abc"))
	frame := wire(t, want)
	var m codec.Message

	later(t, c)
	write(frame)
	if came, err := c.RecvShort(&m); !came || err != nil || m.Topic != want.Topic || !bytes.Equal(m.Payload, want.Payload) {
		t.Fatalf("RecvShort = %v, %v, %+v", came, err, m)
	}

	// What has come of a message is kept, wherever it ends.
	for i := range frame {
		write(frame[:i])
		later(t, c)
		write(frame[i:])
		if i%2 == 0 {
			m = *recv(t, c)
		} else if came, err := c.RecvShort(&m); !came || err != nil {
			t.Fatalf("RecvShort = %v, %v", came, err)
		}
		if m.Topic != want.Topic || !bytes.Equal(m.Payload, want.Payload) {
			t.Fatalf("split at %d: %+v", i, m)
		}
	}

	// A large message is not for RecvShort, and not lost.
	large := request("some.topic", 7, pattern(200_000))
	written := make(chan struct{})
	go func() {
		defer close(written)
		peer.Write(wire(t, large))
		peer.Write(frame)
	}()
	for range 3 {
		later(t, c)
	}
	if m := recv(t, c); !bytes.Equal(m.Payload, large.Payload) {
		t.Fatalf("a payload of %d bytes came, want %d", len(m.Payload), len(large.Payload))
	}
	<-written
	if came, err := c.RecvShort(&m); !came || err != nil {
		t.Fatalf("RecvShort after a large message = %v, %v", came, err)
	}

	// Recv waits for as long as it takes.
	for range 2 {
		got := make(chan error, 1)
		go func() { got <- c.Recv(&m) }()
		for waited := 0; waited < 3; {
			// One wait of another connection that is as long.
			other, _ := shortPair(t)
			later(t, other)
			waited++
		}
		write(frame)
		if err := <-got; err != nil || !bytes.Equal(m.Payload, want.Payload) {
			t.Fatalf("Recv = %v, %+v", err, m)
		}
	}

	peer.Close()
	for range 2 {
		if came, err := c.RecvShort(&m); came || err != io.EOF {
			t.Fatalf("RecvShort after the peer's close = %v, %v; want EOF", came, err)
		}
	}
	if err := c.Recv(&m); err != io.EOF {
		t.Fatalf("Recv after that = %v, want EOF", err)
	}
}

// However a stream is cut and read, its messages come in order and whole.
func TestRecvShortAnyCut(t *testing.T) {
	c, peer := shortPair(t)
	const n = 300
	size := func(i int) int { return []int{i % 200, 4_000 + i, 30_000 + 1_000*(i%60)}[i%3] }
	go func() {
		var all []byte
		for i := range n {
			all = append(all, wire(t, request("some.topic", uint32(i+1), pattern(size(i))))...)
		}
		for len(all) > 0 {
			k := min(len(all), 1+rand.IntN([]int{10, 1_000, 100_000}[rand.IntN(3)]))
			peer.Write(all[:k])
			all = all[k:]
		}
		peer.Close()
	}()
	var m codec.Message
	for i := range n {
		for came := false; !came; {
			var err error
			if rand.IntN(3) == 0 {
				came, err = true, c.Recv(&m)
			} else {
				came, err = c.RecvShort(&m)
			}
			if err == nil && !came && size(i) > 10_000 {
				came, err = true, c.Recv(&m)
			}
			if err != nil {
				t.Fatalf("message %d: %v", i, err)
			}
		}
		if m.Matchtag != uint32(i+1) || !bytes.Equal(m.Payload, pattern(size(i))) {
			t.Fatalf("message %d has the matchtag %d and %d bytes", i, m.Matchtag, len(m.Payload))
		}
	}
	if came, err := c.RecvShort(&m); came || err != io.EOF {
		t.Errorf("after the last: %v, %v", came, err)
	}
}

// Close wakes RecvShort as it wakes Recv.
func TestRecvShortClose(t *testing.T) {
	c, _ := shortPair(t)
	ended := make(chan error)
	go func() {
		var m codec.Message
		for {
			if _, err := c.RecvShort(&m); err != nil {
				ended <- err
				return
			}
		}
	}()
	other, _ := shortPair(t)
	later(t, other)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != ErrClosed {
		t.Errorf("RecvShort ended with %v, want ErrClosed", err)
	}
}

// A connection on the poller has no short waits.
func TestNoShortWaits(t *testing.T) {
	a, b := Pipe(Config{})
	defer a.Close()
	defer b.Close()
	if a.(ShortReceiver).ShortWaits() {
		t.Error("a pipe has short waits")
	}
}
