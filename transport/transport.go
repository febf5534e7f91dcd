// Package transport is how Flux frames travel: the [Conn] that carries them,
// the connectors that a URI scheme names, and the listening side that a broker
// needs.
//
// [Dial] opens a connection by URI: local://PATH is the socket of a broker on
// this host, ssh://[user@]host[:port]/PATH one elsewhere, fd://N a descriptor
// that is connected already, and loop:// gives back what is sent. [Register]
// adds a scheme. [NewConn] makes a Conn of any byte stream, [Pipe] makes two
// that are connected in process, and [Listen] accepts local connections as a
// broker does.
package transport

import (
	"context"
	"errors"

	"github.com/flux-sdk/flux/codec"
)

// Conn carries whole messages in both directions.
//
// Send may be called from any goroutine, concurrently with itself, Recv and
// Close. Recv belongs to one goroutine at a time.
type Conn interface {
	// Send accepts m for sending, in the order of acceptance; a nil error says
	// accepted, not written. It copies what it needs of m before it returns. It
	// waits only while too much is accepted and not yet written, and then no
	// longer than ctx lasts. After an error nothing of m is ever written.
	Send(ctx context.Context, m *codec.Message) error

	// Recv waits for the next message and decodes it into m, replacing all of
	// it. The memory that m refers to is the caller's from then on. io.EOF
	// says that the peer closed between two messages. After an error Recv
	// keeps failing.
	Recv(m *codec.Message) error

	// Close writes what was accepted, for a bounded time, then releases the
	// connection and wakes Recv and Send. It may be called more than once.
	Close() error
}

// Queuer is what a [Conn] has, besides, that can accept without waiting: the
// reader of a connection answers and cancels through it, and it must never
// wait for the writer. All conns of this package are Queuers.
type Queuer interface {
	// Admit waits as Send does, within ctx, while too much is accepted and not
	// yet written.
	Admit(ctx context.Context) error
	// AdmitFlow is Admit for one of many messages by the same sender, which
	// waits with less queued.
	AdmitFlow(ctx context.Context) error
	// Full reports whether Admit would wait. It takes no lock.
	Full() bool
	// Queue accepts m as Send does, at once and however much is waiting. If
	// flush is false it does no I/O, so it may be called under a lock: the
	// message stays in memory until the next Send, Flush or flushing Queue,
	// and a burst of them is one write.
	Queue(m *codec.Message, flush bool) error
	// Flush starts writing what was queued. It does not wait.
	Flush()
	// FlushByReader is Flush for a connection that is always read, by one
	// goroutine that calls Recv again soon: while that deals with messages, what is
	// queued is written by it, before it waits for the next. A flushing Queue and
	// FlushSoon leave it to the reader likewise.
	FlushByReader()
	// FlushSoon is Flush for one of many messages that nobody waits for: while
	// they come fast, many of them leave together, a fraction of a millisecond
	// later.
	FlushSoon()
}

// Batcher tells whether Recv has the next message in memory already, so that a
// reader knows the end of a batch. All conns of this package are Batchers.
type Batcher interface {
	// Buffered reports whether the next Recv returns without waiting. It
	// belongs to the goroutine that calls Recv.
	Buffered() bool
}

// Config is what a connector needs to know beyond the URI. The zero value
// means the defaults.
type Config struct {
	// MaxSize caps the body of a message, in bytes, sent or received; 0 means
	// codec.DefaultMaxSize (1 GiB).
	MaxSize int
}

var (
	// ErrClosed is the error of using a Conn after its Close.
	ErrClosed = errors.New("connection closed")
	// ErrUnknownScheme matches the error of a URI whose scheme nobody registered.
	ErrUnknownScheme = errors.New("unknown connector")
	// ErrInvalidURI matches the error of a URI that has not the form its scheme wants.
	ErrInvalidURI = errors.New("invalid URI")
)
