package framing

import (
	"io"

	"github.com/flux-sdk/flux/codec"
)

// reader splits a byte stream into messages. It reads as much as there is and
// copies each small body out, so that a message owns its memory.
type reader struct {
	raw     Stream
	w       *writer // of the same stream
	max     int
	dec     codec.Decoder
	buf     []byte
	at, end int
	block   []byte  // what is left of the last block
	big     bigRead // the body that is being read

	interruptible bool    // the goroutine that reads does so by RecvOr
	borrows       bool    // or by RecvBorrowed
	mem           *Memory // of the last body, if it can be used again
	throttle      readThrottle
	afterLarge    bool // the last body was large
	taken         int  // messages out of the buffer since the last wait
	err           error
}

func (r *reader) init(raw Stream, w *writer, maxSize int) {
	r.raw, r.w, r.max = raw, w, maxSize
	r.buf = make([]byte, firstBuffer)
	_, r.throttle.on = raw.(threadStream)
}

// buffered reports whether a whole message is in the buffer, or the next call
// of next fails at once.
func (r *reader) buffered() bool {
	if r.err != nil {
		return true
	}
	if r.end-r.at < codec.PrefixSize {
		return false
	}
	n, err := codec.ParsePrefix(r.buf[r.at:r.end], r.max)
	return err != nil || r.end-r.at >= codec.PrefixSize+n
}

// next decodes the next message.
func (r *reader) next(m *codec.Message) error {
	if r.err != nil {
		return r.err
	}
	body, borrowed, err := r.body()
	if err == errInterrupted {
		return err
	}
	if err == nil {
		err = r.dec.Decode(m, body)
	}
	if r.taken++; r.taken%flushEvery == 0 {
		r.w.writeQueued()
	}
	if err == nil && borrowed && !r.borrows {
		r.own(m)
	}
	if r.err = err; err != nil {
		r.w.awake.Store(false) // nobody reads on
		r.w.writeQueued()
	}
	return err
}

// own gives what m refers to memory of its own.
func (r *reader) own(m *codec.Message) {
	n := len(m.Routes)
	b := r.alloc(n + len(m.Payload))
	if n > 0 {
		copy(b, m.Routes)
		m.Routes = codec.Routes(b[:n:n])
	}
	if len(m.Payload) > 0 {
		m.Payload = b[n : n+copy(b[n:], m.Payload)]
	} else if m.Payload != nil {
		m.Payload = []byte{}
	}
}

// body returns the next body. A borrowed one is in the reader's buffer.
func (r *reader) body() (body []byte, borrowed bool, err error) {
	if r.big.size > 0 { // an interruption came in between
		body, err = r.bigBody()
		return body, false, err
	}
	if err := r.fill(codec.PrefixSize); err != nil {
		return nil, false, err
	}
	n, err := codec.ParsePrefix(r.buf[r.at:r.end], r.max)
	if err != nil {
		return nil, false, err
	}
	whole := codec.PrefixSize + n
	if n > bigFrame && r.end-r.at < whole {
		r.at += codec.PrefixSize
		r.big.start(r, n)
		body, err = r.bigBody()
		return body, false, err
	}
	if err := r.fill(whole); err != nil {
		return nil, false, unexpected(err)
	}
	r.afterLarge = n >= largeFrame
	body = r.buf[r.at+codec.PrefixSize : r.at+whole : r.at+whole]
	r.at += whole
	return body, true, nil
}

// alloc returns memory for a body. Small bodies that arrive together share a
// block.
func (r *reader) alloc(n int) []byte {
	r.mem = nil
	if n <= blockSize/4 {
		if len(r.block) < n {
			r.block = make([]byte, min(n+r.end-r.at, blockSize))
		}
		b := r.block[:n:n]
		r.block = r.block[n:]
		return b
	}
	if n < recycleMin || n > recycleMax {
		return make([]byte, n)
	}
	r.mem = newMemory(n)
	return r.mem.b[:n:n]
}

// bigRead is a body that is read straight into its own memory, which grows.
type bigRead struct {
	size int // of the whole body; 0 if there is none
	body []byte
	have int
}

// start begins with what is in the buffer.
func (b *bigRead) start(r *reader, n int) {
	*b = bigRead{size: n, body: r.alloc(min(n, claimStep))}
	b.have = copy(b.body, r.buf[r.at:r.end])
	r.at += b.have
}

// bigBody reads the rest of it.
func (r *reader) bigBody() ([]byte, error) {
	b := &r.big
	r.beforeWait()
	defer r.woken()
	for {
		for b.have < len(b.body) {
			k, err := r.read(b.body[b.have:])
			b.have += k
			if err == errInterrupted {
				return nil, err
			}
			if err != nil && b.have < b.size {
				return nil, unexpected(err)
			}
		}
		if b.have == b.size {
			body := b.body
			*b = bigRead{}
			r.afterLarge = true
			return body, nil
		}
		grown := make([]byte, min(b.size, 2*len(b.body)))
		copy(grown, b.body)
		b.body, r.mem = grown, nil
	}
}

// fill reads until n bytes are in the buffer, with n at most readBuffer.
func (r *reader) fill(n int) error {
	if r.end-r.at >= n {
		return nil
	}
	if len(r.buf) < readBuffer && (r.end == len(r.buf) || n > len(r.buf)) {
		// It was full, or is too small.
		buf := make([]byte, readBuffer)
		r.end = copy(buf, r.buf[r.at:r.end])
		r.buf, r.at = buf, 0
	}
	if r.at == r.end {
		r.at, r.end = 0, 0
	} else if len(r.buf)-r.end < shortRead || r.at+n > len(r.buf) {
		r.end = copy(r.buf, r.buf[r.at:r.end])
		r.at = 0
	}
	r.beforeWait()
	if r.throttle.on && !r.interruptible && r.throttle.due() {
		nap(throttlePause)
	}
	for r.end-r.at < n {
		room := r.buf[r.end:]
		if r.afterLarge && len(room) > shortRead && n <= shortRead {
			room = room[:shortRead]
		}
		k, err := r.read(room)
		r.end += k
		switch {
		case r.end-r.at >= n:
			r.woken()
		case err == errInterrupted:
			return err
		case err != nil && r.end > r.at:
			return unexpected(err)
		case err != nil:
			return err
		}
	}
	return nil
}

func (r *reader) read(p []byte) (int, error) {
	if r.interruptible {
		return r.raw.(interruptStream).ReadOr(p)
	}
	return r.raw.Read(p)
}

// beforeWait comes before a wait for the peer. A caller that reads has woken
// nobody who had to go first.
func (r *reader) beforeWait() {
	if r.interruptible {
		r.w.writeQueued()
	} else {
		r.w.beforeWait()
	}
}

// woken says that a wait for the peer is over: until the next one the reader
// writes what is queued. A caller that reads may not wait again.
func (r *reader) woken() {
	r.w.awake.Store(!r.interruptible)
	r.taken = 0
}

// unexpected turns the end of the stream inside a message into what it is.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
