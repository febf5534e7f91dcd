package framing

import (
	"io"
	"net"
	"sync"
)

// Stream is a byte stream whose writes can be tried without waiting.
type Stream interface {
	// Read and Write wait, as those of io.ReadWriter; Close wakes them.
	io.ReadWriteCloser
	// TryWrite writes what the stream takes at once, possibly nothing.
	TryWrite(p []byte) (int, error)
	// EndRead makes Read end once what has arrived is read: nothing can be
	// written any more, so nobody must wait for an answer.
	EndRead()
}

// threadStream is a Stream of which each Read that waits is the wake-up of a
// thread.
type threadStream interface {
	Stream
	WakesThread()
}

// asStream finds the best way to do I/O on rwc.
func asStream(rwc io.ReadWriteCloser) Stream {
	switch c := rwc.(type) {
	case Stream:
		return c
	case *net.UnixConn:
		if s, ok := NewUnixStream(c).(Stream); ok {
			return s
		}
	}
	return &plainStream{ReadWriteCloser: rwc}
}

// plainStream is a byte stream that can not try: its writes all go through the
// drain goroutine.
type plainStream struct {
	io.ReadWriteCloser
	once sync.Once
	err  error
}

func (*plainStream) TryWrite([]byte) (int, error) { return 0, nil }

func (p *plainStream) EndRead() {
	// Half a close, where there is one, leaves what has arrived to be read.
	if c, ok := p.ReadWriteCloser.(interface{ CloseRead() error }); !ok || c.CloseRead() != nil {
		p.Close()
	}
}

// Close closes the stream once: a second time is an error to many a stream.
func (p *plainStream) Close() error {
	p.once.Do(func() { p.err = p.ReadWriteCloser.Close() })
	return p.err
}
