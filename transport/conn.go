package transport

import (
	"context"
	"io"
	"sync"

	"github.com/flux-sdk/flux/codec"
)

// rawIO is the seam below the framing: a byte stream whose writes can be tried
// without waiting.
type rawIO interface {
	// Read and Write wait, as those of io.ReadWriter; Close wakes them.
	Read(p []byte) (int, error)
	Write(p []byte) (int, error)
	// TryWrite writes what the stream takes at once, possibly nothing.
	TryWrite(p []byte) (int, error)
	// Abort makes Read end once what has arrived is read: nothing can be
	// written any more, so nobody must wait for an answer.
	Abort()
	Close() error
}

// plainIO is a byte stream that can not try: its writes all go through the
// drain goroutine.
type plainIO struct {
	io.ReadWriteCloser
	once sync.Once
	err  error
}

func (*plainIO) TryWrite([]byte) (int, error) { return 0, nil }

func (p *plainIO) Abort() {
	// Half a close, where there is one, leaves what has arrived to be read.
	if c, ok := p.ReadWriteCloser.(interface{ CloseRead() error }); !ok || c.CloseRead() != nil {
		p.Close()
	}
}

// Close closes the stream once: a second time is an error to many a stream.
func (p *plainIO) Close() error {
	p.once.Do(func() { p.err = p.ReadWriteCloser.Close() })
	return p.err
}

// streamConn is a Conn over a byte stream.
type streamConn struct {
	r reader
	w writer
}

// NewConn makes a Conn of a byte stream on which any handshake is over. The
// stream is the Conn's from then on. Its Read and Write must be independent of
// each other, and its Close must wake both.
func NewConn(rwc io.ReadWriteCloser, cfg Config) Conn {
	return newStreamConn(asRawIO(rwc), cfg)
}

func newStreamConn(raw rawIO, cfg Config) *streamConn {
	c := &streamConn{}
	c.r.init(raw, &c.w, cfg.MaxSize)
	c.w.init(raw, cfg.MaxSize)
	return c
}

func (c *streamConn) Send(ctx context.Context, m *codec.Message) error {
	if err := c.w.admit(ctx, sendLimit); err != nil {
		return err
	}
	if err := c.Queue(m, false); err != nil {
		return err
	}
	c.Flush()
	return nil
}

func (c *streamConn) Full() bool { return c.w.full() }

func (c *streamConn) Admit(ctx context.Context) error { return c.w.admit(ctx, sendLimit) }

func (c *streamConn) AdmitFlow(ctx context.Context) error { return c.w.admit(ctx, flowLimit) }

func (c *streamConn) Queue(m *codec.Message, flush bool) error {
	if m.Type == codec.TypeRequest && m.Flags&(codec.FlagNoResponse|codec.FlagStreaming) == 0 {
		c.r.rest.sending()
	}
	return c.w.put(m, flush)
}

func (c *streamConn) Flush() { c.w.writeQueued() }

func (c *streamConn) FlushByReader() { c.w.flush() }

func (c *streamConn) FlushSoon() { c.w.flushSoon() }

func (c *streamConn) Recv(m *codec.Message) error {
	if err := c.r.next(m); err != nil {
		return c.w.ended(err)
	}
	c.received(m)
	return nil
}

// received takes note of a message.
func (c *streamConn) received(m *codec.Message) {
	if c.r.rest.can {
		c.r.rest.received(m)
	}
}

func (c *streamConn) Buffered() bool { return c.r.buffered() }

func (c *streamConn) Close() error { return c.w.close() }
