package framing

import (
	"bytes"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/flux-sdk/flux/codec"
)

// sinkIO takes all that is written and counts the writes. It panics if two write
// at a time.
type sinkIO struct {
	Stream
	users  atomic.Int32
	writes int
	got    bytes.Buffer
}

func (s *sinkIO) TryWrite(p []byte) (int, error) {
	if s.users.Add(1) != 1 {
		panic("two goroutines write a stream")
	}
	defer s.users.Add(-1)
	runtime.Gosched()
	s.writes++
	return s.got.Write(p)
}

func sinkWriter() (*writer, *sinkIO) {
	raw := &sinkIO{}
	w := &writer{}
	w.init(raw, 0)
	return w, raw
}

// What is queued while the reader is awake is written by it, at once, before it
// waits; what is queued while it waits is written by whoever queues it.
func TestReaderWrites(t *testing.T) {
	frame := wire(t, request("some.topic", 7, []byte("abc")))
	put := func(w *writer) error { return w.put(request("some.topic", 7, []byte("abc"))) }
	for _, tt := range []struct {
		name string
		send func(w *writer) error
	}{
		{"FlushByReader", func(w *writer) error { defer w.flushByReader(); return put(w) }},
		{"FlushSoon", func(w *writer) error { defer w.flushSoon(); return put(w) }},
	} {
		for _, awake := range []bool{true, false} {
			w, raw := sinkWriter()
			w.awake.Store(awake)
			for range 3 {
				if err := tt.send(w); err != nil {
					t.Fatal(err)
				}
			}
			if want := map[bool]int{true: 0, false: 3}[awake]; raw.writes != want {
				t.Errorf("%s, reader awake %v: %d writes, want %d", tt.name, awake, raw.writes, want)
			}
			w.beforeWait()
			if want := map[bool]int{true: 1, false: 3}[awake]; raw.writes != want || !bytes.Equal(raw.got.Bytes(), bytes.Repeat(frame, 3)) {
				t.Errorf("%s, reader awake %v: %d writes of %d bytes in the end, want %d of %d", tt.name, awake, raw.writes, raw.got.Len(), want, 3*len(frame))
			}
			if w.awake.Load() || w.flushing {
				t.Errorf("%s: awake %v, flushing %v while the reader waits", tt.name, w.awake.Load(), w.flushing)
			}
		}
	}
}

// Nothing that is sent while the reader is awake, is about to wait, or has just
// begun to, stays behind.
func TestReaderWritesAll(t *testing.T) {
	const senders = 4
	want := senders * len(wire(t, request("some.topic", 7, nil)))
	for range 5_000 {
		w, raw := sinkWriter()
		w.awake.Store(true)
		var wg sync.WaitGroup
		wg.Go(w.beforeWait)
		for range senders {
			wg.Go(func() {
				w.put(request("some.topic", 7, nil))
				w.flushByReader()
			})
		}
		wg.Wait()
		if raw.got.Len() != want {
			t.Fatalf("%d bytes were written and %d left, want %d written", raw.got.Len(), w.q.size, want)
		}
	}
}

// A reader that waits for the rest of a large body is not awake.
func TestReaderWaitsInBody(t *testing.T) {
	ours, theirs := BytePipe()
	a := New(ours, Config{})
	defer a.Close()
	frame := wire(t, codec.NewEvent("some.event"))
	large := codec.NewEvent("large.event")
	large.Payload = pattern(3 * bigFrame)
	b := wire(t, large)
	half := len(b) / 2
	if _, err := theirs.Write(append(frame, b[:half]...)); err != nil {
		t.Fatal(err)
	}
	recv(t, a)
	got := make(chan *codec.Message)
	go func() { got <- recv(t, a) }()
	send(t, a, request("some.call", 1, nil))
	p := make([]byte, 1<<10)
	if _, err := theirs.Read(p); err != nil { // while the reader waits for the rest
		t.Fatal(err)
	}
	if _, err := theirs.Write(b[half:]); err != nil {
		t.Fatal(err)
	}
	if m := <-got; !bytes.Equal(m.Payload, large.Payload) {
		t.Error("the large payload is another")
	}
}
