package framing

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/flux-sdk/flux/codec"
)

// A message that came alone has memory to give back if it is not small.
func TestMemory(t *testing.T) {
	a, b := pipe(Config{})
	defer a.Close()
	defer b.Close()
	head := codec.FrameSize(request("some.topic", 1, []byte{0})) - codec.PrefixSize - 1
	for _, tt := range []struct {
		body int
		want bool
	}{
		// Of a small body, the payload and the routes are kept, of a large one all.
		{100, false}, {recycleMin - 1, false}, {head + 4 + recycleMin, true},
		{readBuffer, true}, {recycleMax, true}, {recycleMax + 1, false},
		{100, false},
	} {
		m := request("some.topic", 1, pattern(tt.body-head-len(fat(tt.body))))
		sent := make(chan error, 1)
		go func() { sent <- a.Send(t.Context(), m) }()
		got := recv(t, b)
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		if size := codec.FrameSize(m) - codec.PrefixSize; size != tt.body {
			t.Fatalf("a body of %d bytes, want %d", size, tt.body)
		}
		mem := b.Memory()
		if (mem != nil) != tt.want {
			t.Errorf("a body of %d bytes has memory to give back: %v", tt.body, mem != nil)
		}
		if !bytes.Equal(got.Payload, m.Payload) {
			t.Errorf("the payload of %d bytes is not what was sent", len(m.Payload))
		}
		mem.Recycle()
	}
}

// fat is what a part of a large body takes more than one of a small.
func fat(body int) []byte {
	if body > 255 {
		return make([]byte, 4)
	}
	return nil
}

// Memory is as large as asked for, and used by one message at a time.
func TestNewMemory(t *testing.T) {
	var used []*Memory
	owner := make(map[*byte]int)
	for n := range 10_000 {
		size := recycleMin + rand.IntN(recycleMax-recycleMin+1)
		if n%2 == 0 {
			size = 64<<10 + n%3
		}
		m := newMemory(size)
		if len(m.b) != size {
			t.Fatalf("memory of %d bytes, want %d", len(m.b), size)
		}
		if at, taken := owner[&m.b[0]]; taken {
			t.Fatalf("memory of %d is that of %d as well", n, at)
		}
		owner[&m.b[0]] = n
		if used = append(used, m); len(used) > 5 {
			i := rand.IntN(len(used))
			delete(owner, &used[i].b[0])
			used[i].Recycle()
			used[i] = used[len(used)-1]
			used = used[:len(used)-1]
		}
	}
}

// What was given back is used again.
func TestRecycle(t *testing.T) {
	const size = 100_000
	again := 0
	for range 100 {
		m := newMemory(size)
		p := &m.b[0]
		m.Recycle()
		m = newMemory(size + 1) // in the same pages
		if &m.b[0] == p {
			again++
		}
	}
	if again < 20 { // the race detector and the garbage collector take their part
		t.Errorf("memory was used again %d times of 100", again)
	}
}

// A reader that gives memory back allocates none for large messages.
func BenchmarkRecvLarge(b *testing.B) {
	for _, recycle := range []bool{false, true} {
		b.Run(map[bool]string{false: "kept", true: "recycled"}[recycle], func(b *testing.B) {
			near, far := pipe(Config{})
			defer near.Close()
			defer far.Close()
			m := request("some.topic", 1, pattern(64<<10))
			var got codec.Message
			b.SetBytes(64 << 10)
			b.ReportAllocs()
			for b.Loop() {
				if err := near.Send(b.Context(), m); err != nil {
					b.Fatal(err)
				}
				if err := far.Recv(&got); err != nil {
					b.Fatal(err)
				}
				if recycle {
					far.Memory().Recycle()
				}
			}
		})
	}
}

// askedIO notes how much each read asks for.
type askedIO struct {
	Stream
	asked []int
}

func (a *askedIO) Read(p []byte) (int, error) {
	a.asked = append(a.asked, len(p))
	return a.Stream.Read(p)
}

// Behind a large message little is read ahead, for the next one's body to be
// read to where it belongs; behind a small one much.
func TestReadAhead(t *testing.T) {
	ours, theirs := BytePipe()
	raw := &askedIO{Stream: ours}
	a, b := New(raw, Config{}), New(theirs, Config{})
	defer a.Close()
	defer b.Close()
	small, large := request("some.topic", 1, pattern(100)), request("some.topic", 1, pattern(3*largeFrame))
	for n, tt := range []struct {
		m       *codec.Message
		atLeast int // that the first read asks for
		atMost  int
	}{
		{large, firstBuffer, readBuffer},
		{large, 1, shortRead},
		{small, 1, shortRead},
		{small, shortRead + 1, readBuffer},
		{large, shortRead + 1, readBuffer},
		{small, 1, shortRead},
	} {
		raw.asked = nil
		sent := make(chan error, 1)
		go func() { sent <- b.Send(t.Context(), tt.m) }()
		want(t, a, tt.m)
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		if got := raw.asked[0]; got < tt.atLeast || got > tt.atMost {
			t.Errorf("message %d: the first read asks for %d bytes, want %d to %d", n, got, tt.atLeast, tt.atMost)
		}
		if tt.m == large && len(raw.asked) < 2 {
			t.Errorf("message %d: its body is not read by itself", n)
		}
	}
}
