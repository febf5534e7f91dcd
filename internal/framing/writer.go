package framing

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flux-sdk/flux/codec"
)

// writer is the queue of encoded frames and the way they are written: the first
// goroutine to queue writes for all that queue meanwhile, without ever waiting
// for the peer. While the reader is awake, between two waits for the peer, it
// writes for all before it waits again. Where the stream takes no more, a
// goroutine takes over until all is written.
type writer struct {
	raw     Stream
	max     int
	awake   atomic.Bool  // the reader will write what is queued now
	backlog atomic.Int64 // bytes accepted and not written; far below 0 once nothing is accepted

	mu        sync.Mutex
	q         frames // accepted, not taken
	writing   int    // bytes taken, not written
	flushing  bool   // somebody is at the stream
	cork      cork
	err       error         // sticky: nothing is accepted any more
	space     chan struct{} // closed when Send may go on; nil while nobody waits
	drained   chan struct{} // closed when nothing is left; nil while nobody waits
	closing   chan struct{} // closed when the first close is done
	closed    atomic.Bool   // a close has begun
	closeErr  error
	closeWait time.Duration // for the queue to be written
}

func (w *writer) init(raw Stream, maxSize int) {
	w.raw, w.max = raw, maxSize
	w.closing, w.closeWait = make(chan struct{}), closeWait
}

func (w *writer) full() bool { return w.backlog.Load() >= sendLimit }

// noBacklog is what nothing that is still counted gets near.
const noBacklog = math.MinInt64 / 2

// admit waits until less than limit is queued.
func (w *writer) admit(ctx context.Context, limit int) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if w.backlog.Load() < int64(limit) {
		return nil
	}
	for {
		w.mu.Lock()
		if w.err != nil || w.q.size+w.writing < limit {
			w.mu.Unlock()
			return nil
		}
		if !w.flushing {
			// All that was queued without a flush: nobody else may write it.
			w.mu.Unlock()
			w.writeQueued()
			continue
		}
		if w.space == nil {
			w.space = make(chan struct{})
		}
		space := w.space
		w.mu.Unlock()
		select {
		case <-space:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// put encodes m into the queue.
func (w *writer) put(m *codec.Message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	before := w.q.size
	err := w.q.add(m, w.max)
	w.backlog.Add(int64(w.q.size - before))
	return err
}

// claim reports whether the caller is to write the queue: there is something in
// it, and nobody else is at the stream.
func (w *writer) claim() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.flushing || w.q.size == 0 {
		return false
	}
	w.flushing = true
	return true
}

// beforeWait says that the reader is about to wait for the peer. It lets those
// run first whom it has woken, and writes what they and others have queued: they
// are likely to be the ones that the peer is waiting for.
func (w *writer) beforeWait() {
	w.writeQueued()
	runtime.Gosched()
	w.awake.Store(false) // first: a message that is queued with awake set is in the queue by now
	w.writeQueued()
}

// leaveToSenders writes the queue. From then on, each sender writes what it queues,
// because the reader may not come back.
func (w *writer) leaveToSenders() {
	w.awake.Store(false) // first, as in beforeWait
	w.writeQueued()
}

// flushByReader leaves the writing to the reader, if that is awake: it clears
// awake before it looks at the queue for the last time.
func (w *writer) flushByReader() {
	if !w.awake.Load() {
		w.writeQueued()
	}
}

// writeQueued writes the queue, unless somebody else does.
func (w *writer) writeQueued() {
	if w.claim() {
		w.write()
	}
}

// write writes the queue as far as the stream takes it at once, for one turn.
func (w *writer) write() {
	for turn := 0; ; {
		b := w.take()
		if b == nil {
			return
		}
		n, err := w.raw.TryWrite(b)
		turn += n
		if err != nil {
			w.fail(err)
			return
		}
		if n < len(b) || turn >= writeTurn {
			go w.drain(b, n)
			return
		}
		w.wrote(b)
	}
}

// drain writes the rest of b and then the queue until it is empty, waiting for
// the peer as long as it takes.
func (w *writer) drain(b []byte, done int) {
	for b != nil {
		if done < len(b) {
			if _, err := w.raw.Write(b[done:]); err != nil {
				w.fail(err)
				return
			}
		}
		w.wrote(b)
		b, done = w.take(), 0
	}
}

// take takes the queue for writing; nil says that it is empty and that the
// caller is no longer at the stream.
func (w *writer) take() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.q.take()
	if w.writing = len(b); b == nil {
		w.flushing = false
		if w.drained != nil {
			close(w.drained)
			w.drained = nil
		}
	}
	return b
}

func (w *writer) wrote(b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writing = 0
	w.backlog.Add(-int64(len(b)))
	w.q.recycle(b)
	if w.space != nil {
		close(w.space)
		w.space = nil
	}
}

// fail ends sending; what is queued is lost.
func (w *writer) fail(err error) {
	defer w.raw.EndRead() // after w.err is set, for ended to find it
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flushing = false
	if w.err == nil {
		w.err = fmt.Errorf("write: %w", err)
	}
	w.q, w.writing = frames{}, 0
	w.backlog.Store(noBacklog)
	for _, ch := range []*chan struct{}{&w.space, &w.drained} {
		if *ch != nil {
			close(*ch)
			*ch = nil
		}
	}
}

// ended is why reading ended with err: where this side ended the stream, err
// says no more than that.
func (w *writer) ended(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.err == ErrClosed:
		return ErrClosed
	case w.err != nil && (errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, os.ErrClosed)):
		return w.err
	}
	return err
}

// close accepts nothing more, waits a bounded time, within ctx, for the queue to be
// written and closes the stream.
func (w *writer) close(ctx context.Context, after func()) error {
	if w.closed.CompareAndSwap(false, true) {
		w.mu.Lock()
		w.err = ErrClosed
		w.backlog.Store(noBacklog)
		if w.space != nil { // those that wait see w.err
			close(w.space)
			w.space = nil
		}
		w.mu.Unlock()
		w.writeQueued()
		w.mu.Lock()
		var drained chan struct{}
		if w.flushing {
			w.drained = make(chan struct{})
			drained = w.drained
		}
		w.mu.Unlock()
		var unwritten error
		if drained != nil {
			t := time.NewTimer(w.closeWait)
			select {
			case <-drained:
			case <-t.C:
			case <-ctx.Done():
				select {
				case <-drained:
				default:
					unwritten = ctx.Err()
				}
			}
			t.Stop()
		}
		w.closeErr = cmp.Or(unwritten, w.raw.Close())
		if after != nil {
			after()
		}
		close(w.closing)
	}
	<-w.closing
	return w.closeErr
}
