package transport

import (
	"bytes"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// sinkIO takes all that is written and counts the writes. It panics if two write
// at a time.
type sinkIO struct {
	rawIO
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

func sinkWriter(waiting int32) (*writer, *sinkIO) {
	raw, inflight := &sinkIO{}, new(atomic.Int32)
	inflight.Store(waiting)
	w := &writer{}
	w.init(raw, 0, inflight)
	return w, raw
}

// What is sent while the reader gives way is written by it, at once, unless next
// to nothing else is under way.
func TestCover(t *testing.T) {
	frame := wire(t, request("some.topic", 7, []byte("abc")))
	call := func(w *writer) error { return w.put(request("some.topic", 7, []byte("abc")), true) }
	queue := func(w *writer) error { return w.put(request("some.topic", 7, []byte("abc")), false) }
	async := func(w *writer) error { defer w.flushAsync(); return queue(w) }
	flushed := func(w *writer) error { defer w.flush(); return queue(w) }
	for _, c := range []struct {
		name    string
		waiting int32
		send    func(w *writer) error
		writes  int // before the reader's
	}{
		{"calls, of many", 2, call, 0},
		{"calls, of two", 1, call, 3},
		{"a call alone", 0, call, 3},
		{"Go, of many", 2, async, 0},
		{"Go alone", 1, async, 3},
		{"messages that are flushed", 2, flushed, 3},
	} {
		w, raw := sinkWriter(c.waiting)
		w.covered.Store(true) // as if the reader gave way now
		for range 3 {
			if err := c.send(w); err != nil {
				t.Fatal(err)
			}
		}
		if raw.writes != c.writes {
			t.Errorf("%s: %d writes while the reader gives way, want %d", c.name, raw.writes, c.writes)
		}
		w.cover()
		if want := max(c.writes, 1); raw.writes != want || !bytes.Equal(raw.got.Bytes(), bytes.Repeat(frame, 3)) {
			t.Errorf("%s: %d writes of %d bytes after that, want %d of %d", c.name, raw.writes, raw.got.Len(), want, 3*len(frame))
		}
		if w.covered.Load() || w.flushing {
			t.Errorf("%s: covered %v, flushing %v with the reader gone", c.name, w.covered.Load(), w.flushing)
		}
	}
}

// With many requests under way, whoever sends next writes.
func TestCoverFewOnly(t *testing.T) {
	for _, waiting := range []int32{0, coverMost, coverMost + 1} {
		w, _ := sinkWriter(waiting)
		var seen, over atomic.Bool
		var watcher sync.WaitGroup
		watcher.Go(func() {
			for !over.Load() {
				if w.covered.Load() {
					seen.Store(true)
				}
				runtime.Gosched()
			}
		})
		few := waiting <= coverMost
		for i := 0; i < 1_000 || few && !seen.Load() && i < 1_000_000; i++ {
			w.cover()
		}
		over.Store(true)
		watcher.Wait()
		if seen.Load() != few {
			t.Errorf("with %d requests under way, what is sent is left to the reader: %v", waiting, seen.Load())
		}
	}
}

// Nothing that was sent while the reader gave way, or was about to, or had just
// done so, stays behind.
func TestCoverLeavesNothing(t *testing.T) {
	const senders = 4
	want := senders * len(wire(t, request("some.topic", 7, nil)))
	for range 5_000 {
		w, raw := sinkWriter(2)
		var wg sync.WaitGroup
		wg.Go(w.cover)
		for i := range senders {
			wg.Go(func() {
				if i%2 == 0 {
					w.put(request("some.topic", 7, nil), true)
				} else {
					w.put(request("some.topic", 7, nil), false)
					w.flushAsync()
				}
			})
		}
		wg.Wait()
		w.mu.Lock()
		if w.flushing { // by a goroutine of flushAsync
			drained := make(chan struct{})
			w.drained = drained
			w.mu.Unlock()
			<-drained
			w.mu.Lock()
		}
		left := w.q.size
		w.mu.Unlock()
		if raw.got.Len() != want {
			t.Fatalf("%d bytes were written and %d left, want %d written", raw.got.Len(), left, want)
		}
	}
}
