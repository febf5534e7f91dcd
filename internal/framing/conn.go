// Package framing is whole messages over a byte stream: buffered reading,
// coalesced writing that never waits for the peer, and the memory of large
// messages.
package framing

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/flux-sdk/flux/codec"
)

// ErrClosed is the error of using a Conn after its Close.
var ErrClosed = errors.New("connection closed")

// Config is what a Conn needs to know beyond its stream. The zero value means the
// defaults.
type Config struct {
	// MaxSize caps the body of a message, in bytes, sent or received; 0 means
	// codec.DefaultMaxSize.
	MaxSize int
	// CloseWait is how long Close waits for what was accepted to be written;
	// 0 means closeWait, less than 0 not at all.
	CloseWait time.Duration
	// AfterClose is called once, at the end of Close.
	AfterClose func()
}

// Conn carries messages over a byte stream. Recv, Buffered and Memory belong to
// one goroutine at a time; all other methods may be called concurrently.
//
// A message is sent in two steps: Queue accepts it, and a Flush sees to it being
// written. Send does both and may wait for room in between.
type Conn struct {
	r          reader
	w          writer
	afterClose func()
}

// New makes a Conn of a byte stream on which any handshake is over. The stream is
// the Conn's from then on. Its Read and Write must be independent of each other,
// and its Close must wake both.
func New(rwc io.ReadWriteCloser, cfg Config) *Conn {
	c := &Conn{afterClose: cfg.AfterClose}
	s := asStream(rwc)
	c.r.init(s, &c.w, cfg.MaxSize)
	c.w.init(s, cfg.MaxSize)
	if cfg.CloseWait != 0 {
		c.w.closeWait = max(cfg.CloseWait, 0)
	}
	return c
}

// Send accepts m and starts writing it. It waits, within ctx, while too much is
// accepted and not yet written. After an error nothing of m is ever written.
func (c *Conn) Send(ctx context.Context, m *codec.Message) error {
	if err := c.w.admit(ctx, sendLimit); err != nil {
		return err
	}
	if err := c.Queue(m); err != nil {
		return err
	}
	c.Flush()
	return nil
}

// Full reports whether Admit would wait. It takes no lock.
func (c *Conn) Full() bool { return c.w.full() }

// Admit waits, within ctx, while too much is accepted and not yet written.
func (c *Conn) Admit(ctx context.Context) error { return c.w.admit(ctx, sendLimit) }

// AdmitFlow is Admit for one of many messages by the same sender, which waits
// with less queued.
func (c *Conn) AdmitFlow(ctx context.Context) error { return c.w.admit(ctx, flowLimit) }

// Queue accepts m, in the order of acceptance, at once and however much is
// waiting. It copies what it needs of m. It does no I/O, so it may be called under
// a lock.
func (c *Conn) Queue(m *codec.Message) error {
	if m.Type == codec.TypeRequest && m.Flags&(codec.FlagNoResponse|codec.FlagStreaming) == 0 {
		c.r.throttle.requested()
	}
	return c.w.put(m)
}

// Flush starts writing what was queued. It does not wait.
func (c *Conn) Flush() { c.w.writeQueued() }

// FlushByReader is Flush for a connection that is always read, by one goroutine
// that calls Recv again soon: while it deals with messages, what is queued is
// written by it, before it waits for the next.
func (c *Conn) FlushByReader() { c.w.flushByReader() }

// FlushSoon is FlushByReader for one of many messages that nobody waits for:
// while they come fast, many of them leave together, a fraction of a millisecond
// later.
func (c *Conn) FlushSoon() { c.w.flushSoon() }

// Recv waits for the next message and decodes it into m, replacing all of it. The
// memory that m refers to is the caller's from then on. io.EOF says that the peer
// closed between two messages. After an error Recv keeps failing.
func (c *Conn) Recv(m *codec.Message) error {
	if err := c.r.next(m); err != nil {
		return c.w.ended(err)
	}
	c.r.throttle.received(m)
	return nil
}

// Buffered reports whether the next Recv returns without waiting.
func (c *Conn) Buffered() bool { return c.r.buffered() }

// Memory is where the Routes and the Payload of the message are that Recv
// returned last; nil if it is not worth being used again.
func (c *Conn) Memory() *Memory { return c.r.mem }

// Close writes what was accepted, for a bounded time, then closes the stream and
// wakes Recv and Send. It may be called more than once.
func (c *Conn) Close() error { return c.CloseWithin(context.Background()) }

// CloseWithin is Close that stops writing when ctx ends. If something was not
// written then, it returns the error of ctx.
func (c *Conn) CloseWithin(ctx context.Context) error { return c.w.close(ctx, c.afterClose) }
