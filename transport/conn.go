package transport

import (
	"io"

	"github.com/flux-sdk/flux/internal/framing"
)

// ErrClosed is the error of using a Conn after its Close.
var ErrClosed = framing.ErrClosed

// NewConn makes a Conn of a byte stream on which any handshake is over. The
// stream is the Conn's from then on. Its Read and Write must be independent of
// each other, and its Close must wake both.
func NewConn(rwc io.ReadWriteCloser, cfg Config) Conn {
	return framing.New(rwc, framing.Config{MaxSize: cfg.MaxSize})
}
