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
	// longer than ctx lasts. After an error nothing of m is ever written. A client
	// closes a connection whose Send fails for another reason than ctx or m
	// (codec.ErrTooLarge, codec.ErrUnsendable).
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

// Config is what a connector needs to know beyond the URI. The zero value
// means the defaults.
type Config struct {
	// MaxSize caps the body of a message, in bytes, sent or received; 0 means
	// codec.DefaultMaxSize (1 GiB).
	MaxSize int
}

var (
	// ErrUnknownScheme matches the error of a URI whose scheme nobody registered.
	ErrUnknownScheme = errors.New("unknown connector")
	// ErrInvalidURI matches the error of a URI that has not the form its scheme wants.
	ErrInvalidURI = errors.New("invalid URI")
)
