package framing

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/flux-sdk/flux/codec"
)

// blockPair is a connected pair of which one end is a PollStream.
func blockPair(t *testing.T) (*PollStream, *net.UnixConn) {
	t.Helper()
	ours, peer := socketPair(t)
	b, err := takePollStream(ours)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close(); peer.Close() })
	return b, peer
}

// takePollStream takes over the descriptor of c, which is closed.
func takePollStream(c *net.UnixConn) (*PollStream, error) {
	f, err := c.File()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c.Close()
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		return nil, err
	}
	return NewPollStream(fd)
}

func TestPollStreamReadsAndWrites(t *testing.T) {
	b, peer := blockPair(t)
	if _, err := peer.Write([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 8)
	if n, err := b.Read(p); err != nil || string(p[:n]) != "abc" {
		t.Fatalf("Read = %q, %v", p[:n], err)
	}
	if n, err := b.TryWrite([]byte("defg")); n != 4 || err != nil {
		t.Fatalf("TryWrite = %d, %v", n, err)
	}
	if n, err := io.ReadFull(peer, p[:4]); err != nil || string(p[:n]) != "defg" {
		t.Fatalf("the peer read %q, %v", p[:n], err)
	}
	peer.Close()
	if n, err := b.Read(p); n != 0 || err != io.EOF {
		t.Fatalf("Read after the peer's close = %d, %v, want EOF", n, err)
	}
}

func TestPollStreamTryWriteDoesNotWait(t *testing.T) {
	b, peer := blockPair(t)
	data := bytes.Repeat([]byte("x"), 4<<20)
	n, err := b.TryWrite(data)
	if err != nil || n == 0 || n == len(data) {
		t.Fatalf("TryWrite of 4 MiB to a peer that does not read = %d, %v", n, err)
	}
	if n, err := b.TryWrite(data[:1<<20]); err != nil || n == 1<<20 {
		t.Fatalf("TryWrite to a full socket = %d, %v", n, err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := b.Write(data)
		done <- err
	}()
	go io.Copy(io.Discard, peer)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// Close wakes a Read and a Write that wait, and the descriptor is free after.
func TestPollStreamCloseWakes(t *testing.T) {
	for range 50 {
		b, _ := blockPair(t)
		var wg sync.WaitGroup
		entered := make(chan struct{}, 2)
		wg.Go(func() {
			entered <- struct{}{}
			if _, err := b.Read(make([]byte, 1)); err == nil {
				t.Error("Read returned without an error")
			}
		})
		wg.Go(func() {
			entered <- struct{}{}
			if _, err := b.Write(make([]byte, 8<<20)); err == nil {
				t.Error("Write returned without an error")
			}
		})
		<-entered
		<-entered
		b.Close()
		wg.Wait()
		if b.users != 0 || !b.closed {
			t.Fatalf("%d users after Close", b.users)
		}
		if _, err := b.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("Read after Close: %v", err)
		}
	}
}

func TestPollStreamAbortEndsReadAfterWhatArrived(t *testing.T) {
	b, peer := blockPair(t)
	if _, err := peer.Write([]byte("last")); err != nil {
		t.Fatal(err)
	}
	b.EndRead()
	got, err := io.ReadAll(b)
	if err != nil || string(got) != "last" {
		t.Fatalf("read %q, %v", got, err)
	}
}

// A conn on a PollStream tells its reader what it needs to know to rest.
func TestPollStreamRests(t *testing.T) {
	b, peer := blockPair(t)
	c := New(b, Config{})
	defer c.Close()
	other := New(peer, Config{})
	if !c.r.throttle.on {
		t.Fatal("its reader never rests")
	}
	send(t, other, codec.NewEvent("flow.event"))
	recv(t, c)
	if c.r.throttle.flow != 1 {
		t.Errorf("the flow is %d messages long after an event", c.r.throttle.flow)
	}
	asking := request("some.call", 1, nil)
	for _, m := range []*codec.Message{{}, asking} {
		isCall := m == asking
		if !isCall {
			*m = *asking
			m.Flags |= codec.FlagStreaming
		}
		send(t, c, m)
		if got := c.r.throttle.asked.Load(); got != isCall {
			t.Errorf("after a request with flags %v a call has begun: %v", m.Flags, got)
		}
	}
}

// sleeps is how often a thread has gone to sleep, and whether it is asleep.
func sleeps(t *testing.T, tid int) (n int, asleep bool) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/status", tid))
	if err != nil {
		t.Skip("no /proc here: ", err)
	}
	n = -1
	for line := range strings.Lines(string(b)) {
		asleep = asleep || strings.HasPrefix(line, "State:\tS")
		fmt.Sscanf(line, "voluntary_ctxt_switches: %d", &n)
	}
	if n < 0 {
		t.Skip("the system does not say how often a thread has slept")
	}
	return n, asleep
}

// A Read that waits sleeps on while the peer takes what was written to it.
func TestPollStreamWakesForArrivalsOnly(t *testing.T) {
	b, peer := blockPair(t)
	p := make([]byte, 8)
	thread := make(chan int, 1)
	read := make(chan error)
	go func() {
		runtime.LockOSThread() // never undone: the thread ends with the goroutine
		thread <- syscall.Gettid()
		_, err := b.Read(make([]byte, 8))
		read <- err
	}()
	tid := <-thread
	before, asleep := sleeps(t, tid)
	for !asleep {
		runtime.Gosched()
		before, asleep = sleeps(t, tid)
	}
	const n = 1000
	for range n {
		if _, err := b.TryWrite(p); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(peer, p); err != nil {
			t.Fatal(err)
		}
	}
	if after, _ := sleeps(t, tid); after-before > n/20 {
		t.Errorf("the peer took %d messages and woke the reader %d times", n, after-before)
	}
	peer.Write(p)
	if err := <-read; err != nil {
		t.Fatal(err)
	}
}

// A connection gives back its descriptor.
func TestPollStreamDescriptor(t *testing.T) {
	refersTo := func(fd int) string {
		name, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		return name
	}
	b, _ := blockPair(t)
	socket := refersTo(b.fd)
	if socket == "" {
		t.Skip("no /proc here")
	}
	b.Close()
	if got := refersTo(b.fd); got == socket {
		t.Errorf("descriptor %d is still %s", b.fd, got)
	}
}

// What is queued when the reader comes to wait is written by it.
func TestPollStreamReaderWrites(t *testing.T) {
	b, peer := blockPair(t)
	c := New(b, Config{})
	defer c.Close()
	if err := c.Queue(request("some.call", 1, nil)); err != nil {
		t.Fatal(err)
	}
	go c.Recv(new(codec.Message))
	peer.SetReadDeadline(time.Now().Add(patience))
	want(t, New(peer, Config{}), request("some.call", 1, nil))
}
