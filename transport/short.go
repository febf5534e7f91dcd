package transport

import (
	"errors"
	"time"

	"github.com/flux-sdk/flux/codec"
)

// shortWait is for how long RecvShort waits for bytes, about: the system counts
// ticks, of 4 ms as a rule, and one of these may be over at once.
const shortWait = 5 * time.Millisecond

// ShortReceiver is what a [Conn] has, besides, that can wait for a message for a
// short time only, at no extra cost: one who waits for other things as well may
// receive by himself.
type ShortReceiver interface {
	// ShortWaits, while on, lets RecvShort be used. It reports false if that is
	// not for this connection. Recv works as ever, but wakes up in vain now and
	// then. It belongs to the goroutine that calls Recv.
	ShortWaits(on bool) bool
	// RecvShort is Recv for a small message that comes within some milliseconds.
	// It reports false, and nothing is lost, if none does. It belongs to the
	// goroutine that calls Recv.
	RecvShort(m *codec.Message) (came bool, err error)
}

// errLater is the error of a read that has waited for long enough, and of a
// message that is not for RecvShort. It is not kept.
var errLater = errors.New("not yet")

// shortIO is a rawIO whose Read can end with errLater.
type shortIO interface {
	// setReadWait limits how long a Read waits; 0 is for ever.
	setReadWait(d time.Duration) error
}

func (c *streamConn) ShortWaits(on bool) bool {
	s, ok := c.r.raw.(shortIO)
	if !ok {
		return false
	}
	var wait time.Duration
	if on {
		wait = shortWait
	}
	return s.setReadWait(wait) == nil
}

func (c *streamConn) RecvShort(m *codec.Message) (came bool, err error) {
	c.r.short = true
	err = c.recv(m, false)
	c.r.short = false
	if err == errLater {
		return false, nil
	}
	return err == nil, err
}
