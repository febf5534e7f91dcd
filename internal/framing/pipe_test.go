package framing

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
)

func TestPipeOrderBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe(Config{})
		const n = 2000
		var wg sync.WaitGroup
		for _, c := range []*Conn{a, b} {
			wg.Go(func() {
				for i := range uint32(n) {
					send(t, c, request("a.b", i, pattern(int(i))))
				}
			})
			wg.Go(func() {
				for i := range uint32(n) {
					m := recv(t, c)
					if m.Matchtag != i || len(m.Payload) != int(i) {
						t.Errorf("message %d has tag %d and %d bytes", i, m.Matchtag, len(m.Payload))
						return
					}
				}
			})
		}
		wg.Wait()
		if err := errors.Join(a.Close(), b.Close()); err != nil {
			t.Error(err)
		}
	})
}

// Messages of one sender keep their order among those of others.
func TestPipeOrderPerSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe(Config{})
		const senders, each = 8, 300
		var wg sync.WaitGroup
		for s := range senders {
			topic := fmt.Sprintf("s.%d", s)
			wg.Go(func() {
				for i := range uint32(each) {
					m := request(topic, i, pattern(int(i)))
					if i%3 == 0 {
						if err := a.Queue(m); err != nil {
							t.Error(err)
						}
						continue
					}
					send(t, a, m)
				}
				a.Flush()
			})
		}
		next := map[string]uint32{}
		for range senders * each {
			m := recv(t, b)
			if m.Matchtag != next[m.Topic] {
				t.Fatalf("%s: message %d, want %d", m.Topic, m.Matchtag, next[m.Topic])
			}
			next[m.Topic]++
		}
		wg.Wait()
		a.Close()
		b.Close()
	})
}

func TestPipeBigBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe(Config{})
		sizes := []int{pipeBuffer - 100, pipeBuffer, pipeBuffer + 1, 3 << 20, 9 << 20}
		var wg sync.WaitGroup
		for _, c := range []*Conn{a, b} {
			wg.Go(func() {
				for _, n := range sizes {
					send(t, c, request("big.one", 1, pattern(n)))
				}
			})
			wg.Go(func() {
				for _, n := range sizes {
					want(t, c, request("big.one", 1, pattern(n)))
				}
			})
		}
		wg.Wait()
		a.Close()
		b.Close()
	})
}

func TestPipeClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe(Config{})
		for i := range uint32(3) {
			send(t, a, request("a.b", i, nil))
		}
		if err := a.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := a.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
		if err := a.Send(t.Context(), request("a.b", 4, nil)); err != ErrClosed {
			t.Errorf("Send after Close: %v, want ErrClosed", err)
		}
		if err := a.Queue(request("a.b", 4, nil)); err != ErrClosed {
			t.Errorf("Queue after Close: %v, want ErrClosed", err)
		}
		a.Flush()
		var m codec.Message
		if err := a.Recv(&m); err != ErrClosed {
			t.Errorf("Recv after Close: %v, want ErrClosed", err)
		}
		for i := range uint32(3) {
			want(t, b, request("a.b", i, nil))
		}
		for range 3 {
			if err := b.Recv(&m); err != io.EOF {
				t.Errorf("Recv after the peer's Close: %v, want io.EOF", err)
			}
		}
		if !b.Buffered() {
			t.Error("Recv fails at once, but Buffered is false")
		}
		b.Send(t.Context(), request("a.b", 5, nil)) // may be accepted
		if err := b.Send(t.Context(), request("a.b", 6, nil)); err == nil {
			t.Error("Send to a closed peer keeps succeeding")
		}
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := b.Send(t.Context(), request("a.b", 7, nil)); err != ErrClosed {
			t.Errorf("Send after a write error and Close: %v, want ErrClosed", err)
		}
	})
}

// Close wakes a Recv that waits, on both ends.
func TestPipeCloseWakesRecv(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe(Config{})
		var ofA, ofB error
		var wg sync.WaitGroup
		wg.Go(func() { ofA = a.Recv(new(codec.Message)) })
		wg.Go(func() { ofB = b.Recv(new(codec.Message)) })
		synctest.Wait()
		a.Close()
		wg.Wait()
		if ofA != ErrClosed || ofB != io.EOF {
			t.Errorf("Recv: %v on the closing end, %v on the other", ofA, ofB)
		}
		b.Close()
	})
}

func TestPipeMalformed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		raw, b := BytePipe()
		c := New(b, Config{})
		m := request("a.b", 1, nil)
		raw.Write(append(wire(t, m), "this is no frame"...))
		want(t, c, m)
		for range 3 {
			if err := c.Recv(m); !errors.Is(err, codec.ErrMalformed) {
				t.Errorf("Recv: %v, want ErrMalformed", err)
			}
		}
		// The other direction is for the caller to end.
		send(t, c, request("a.b", 2, nil))
		c.Close()
		raw.Close()
	})
}

// The bytes below a Pipe behave as a socket's do.
func TestBytePipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := BytePipe()
		data := pattern(3*pipeBuffer + 17)
		var wg sync.WaitGroup
		wg.Go(func() {
			if n, err := a.Write(data); n != len(data) || err != nil {
				t.Errorf("Write = %d, %v", n, err)
			}
			a.Close()
		})
		synctest.Wait() // the writer is stuck by now
		got, err := io.ReadAll(b)
		if err != nil || string(got) != string(data) {
			t.Errorf("read %d bytes, %v, want %d", len(got), err, len(data))
		}
		wg.Wait()
		if _, err := b.Write([]byte{1}); err == nil {
			t.Error("Write to a closed peer succeeds")
		}
		if n, err := a.Read(data); n != 0 || err == nil {
			t.Errorf("Read after Close = %d, %v", n, err)
		}
		b.Close()
	})
}

func TestBytePipeCloseWakesWrite(t *testing.T) {
	for _, own := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			a, b := BytePipe()
			var wg sync.WaitGroup
			wg.Go(func() {
				n, err := a.Write(pattern(pipeBuffer + 1))
				if n != pipeBuffer || !errors.Is(err, io.ErrClosedPipe) {
					t.Errorf("Write = %d, %v", n, err)
				}
			})
			synctest.Wait()
			if own {
				a.Close()
			} else {
				b.Close()
			}
			wg.Wait()
		})
	}
}
