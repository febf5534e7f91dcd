package router

import (
	"encoding/binary"
	"io"
	"sync"
	"sync/atomic"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/framing"
)

// stream is the bytes of one connection. It counts the frames that pass and is
// the place of all faults that concern bytes.
type stream struct {
	framing.Stream
	b       *Broker
	in, out frameCounter
	gate    gate
	faults  atomic.Pointer[byteFaults]
	closed  chan struct{}
	once    sync.Once
}

func newStream(b *Broker, s framing.Stream) *stream {
	return &stream{Stream: s, b: b, closed: make(chan struct{})}
}

// wait holds until neither the broker nor the connection is stalled; false says
// that the stream was closed meanwhile.
func (s *stream) wait(d Dir) bool {
	return s.b.gate.wait(d, s.closed) && s.gate.wait(d, s.closed)
}

func (s *stream) Read(p []byte) (int, error) {
	s.wait(Reads)
	n, err := s.Stream.Read(p)
	s.in.count(p[:n])
	s.wait(Reads) // a stall may have begun while this was reading
	if f := s.faults.Load(); f != nil {
		f.pause(s.closed)
	}
	return n, err
}

func (s *stream) TryWrite(p []byte) (int, error) {
	if s.faults.Load() != nil || s.b.gate.shut(Writes) || s.gate.shut(Writes) {
		return 0, nil // Write will do it, and may wait
	}
	n, err := s.Stream.TryWrite(p)
	s.out.count(p[:n])
	return n, err
}

func (s *stream) Write(p []byte) (int, error) {
	if !s.wait(Writes) {
		return 0, io.ErrClosedPipe
	}
	if f := s.faults.Load(); f != nil {
		return f.write(s, p)
	}
	n, err := s.Stream.Write(p)
	s.out.count(p[:n])
	return n, err
}

func (s *stream) Close() error {
	var err error
	s.once.Do(func() {
		close(s.closed)
		err = s.Stream.Close()
	})
	return err
}

// frameCounter counts the frames in one direction of a stream.
type frameCounter struct {
	frames atomic.Int64 // complete ones
	length uint32       // that the last prefix claims
	left   uint64       // bytes of the frame at hand that are to come
	have   int
	prefix [codec.PrefixSize]byte
}

func (f *frameCounter) count(p []byte) {
	done := int64(0)
	for len(p) > 0 {
		if f.left == 0 && f.have == 0 && len(p) >= codec.PrefixSize {
			// Of a frame that is here whole there is nothing to keep.
			f.length = binary.BigEndian.Uint32(p[4:])
			if whole := codec.PrefixSize + uint64(f.length); whole <= uint64(len(p)) {
				p = p[whole:]
				done++
				continue
			}
		}
		if f.left == 0 {
			n := copy(f.prefix[f.have:], p)
			f.have += n
			p = p[n:]
			if f.have < codec.PrefixSize {
				break
			}
			f.have = 0
			f.length = binary.BigEndian.Uint32(f.prefix[4:])
			f.left = uint64(f.length)
		}
		n := min(f.left, uint64(len(p)))
		p = p[n:]
		f.left -= n
		if f.left == 0 {
			done++
		}
	}
	if done > 0 {
		f.frames.Add(done)
	}
}
