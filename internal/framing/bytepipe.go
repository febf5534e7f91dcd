package framing

import (
	"io"
	"sync"
)

// pipeBuffer is how many bytes one direction of a BytePipe holds before its
// writer waits, about what a socket does. With 0 nothing can be written.
const pipeBuffer = 208 << 10

// BytePipe returns two connected byte streams in this process, on nothing but
// memory and channels, so they work inside a synctest bubble. Each end may be
// read, written and closed concurrently. Closing one lets the other read what was
// written and then io.EOF.
func BytePipe() (Stream, Stream) {
	ab, ba := newPipeHalf(), newPipeHalf()
	return &pipeEnd{r: ba, w: ab}, &pipeEnd{r: ab, w: ba}
}

type pipeEnd struct{ r, w *pipeHalf }

func (e *pipeEnd) Read(p []byte) (int, error)     { return e.r.read(p) }
func (e *pipeEnd) TryWrite(p []byte) (int, error) { return e.w.tryWrite(p) }
func (e *pipeEnd) EndRead()                       { e.r.closeWrite() }

func (e *pipeEnd) Write(p []byte) (int, error) {
	done := 0
	for {
		n, err := e.w.tryWrite(p[done:])
		done += n
		if err != nil || done == len(p) {
			return done, err
		}
		<-e.w.room
	}
}

// Close ends both directions: the peer reads what is left and then io.EOF, and
// its writes fail.
func (e *pipeEnd) Close() error {
	e.w.closeWrite()
	e.r.closeRead()
	return nil
}

// pipeHalf is one direction of a pipe.
type pipeHalf struct {
	mu          sync.Mutex
	buf         []byte
	at          int
	eof, broken bool
	data, room  chan struct{} // one token each: something changed
}

func newPipeHalf() *pipeHalf {
	return &pipeHalf{data: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

func (h *pipeHalf) read(p []byte) (int, error) {
	for {
		h.mu.Lock()
		if n := copy(p, h.buf[h.at:]); n > 0 {
			h.at += n
			if h.at == len(h.buf) {
				h.buf, h.at = h.buf[:0], 0
			}
			h.mu.Unlock()
			signal(h.room)
			return n, nil
		}
		eof, broken := h.eof, h.broken
		h.mu.Unlock()
		switch {
		case broken:
			return 0, io.ErrClosedPipe
		case eof:
			signal(h.data) // for the next call
			return 0, io.EOF
		}
		<-h.data
	}
}

func (h *pipeHalf) tryWrite(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.eof || h.broken {
		return 0, io.ErrClosedPipe
	}
	if h.at > 0 && len(h.buf)+len(p) > cap(h.buf) {
		h.buf, h.at = append(h.buf[:0], h.buf[h.at:]...), 0
	}
	n := min(len(p), pipeBuffer-(len(h.buf)-h.at))
	h.buf = append(h.buf, p[:n]...)
	if n > 0 {
		signal(h.data)
	}
	return n, nil
}

// closeWrite is the writer's end of the direction.
func (h *pipeHalf) closeWrite() {
	h.mu.Lock()
	h.eof = true
	h.mu.Unlock()
	signal(h.data)
	signal(h.room)
}

// closeRead is the reader's: what is written is of no use any more.
func (h *pipeHalf) closeRead() {
	h.mu.Lock()
	h.broken = true
	h.buf, h.at = nil, 0
	h.mu.Unlock()
	signal(h.data)
	signal(h.room)
}

// Loop returns a byte stream from which what is written is read.
func Loop() Stream {
	half := newPipeHalf()
	return &pipeEnd{r: half, w: half}
}
