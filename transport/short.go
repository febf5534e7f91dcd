package transport

import (
	"errors"
	"time"

	"github.com/flux-sdk/flux/codec"
)

// shortWait is for how long RecvShort waits for bytes.
const shortWait = 5 * time.Millisecond

// ShortReceiver is what a [Conn] has, besides, that can wait for a message for a
// short time only, at no extra cost: one who waits for other things as well may
// receive by himself.
type ShortReceiver interface {
	// ShortWaits reports whether RecvShort is for this connection.
	ShortWaits() bool
	// RecvShort is Recv for a small message that comes within some milliseconds.
	// It reports false, and nothing is lost, if none does. It belongs to the
	// goroutine that calls Recv.
	RecvShort(m *codec.Message) (came bool, err error)
}

// errLater is the error of a read that has waited for long enough, and of a
// message that is not for RecvShort. It is not kept.
var errLater = errors.New("not yet")

// shortIO is a rawIO that can also read for a short time.
type shortIO interface {
	// ReadShort is Read, but ends with errLater if nothing comes in shortWait.
	ReadShort(p []byte) (int, error)
}

func (c *streamConn) ShortWaits() bool { return c.r.brief != nil }

func (c *streamConn) RecvShort(m *codec.Message) (came bool, err error) {
	c.r.short = true
	err = c.recv(m, false)
	c.r.short = false
	if err == errLater {
		return false, nil
	}
	return err == nil, err
}
