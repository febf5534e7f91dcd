package framing

import (
	"errors"

	"github.com/flux-sdk/flux/codec"
)

// errInterrupted is the error of a read that was interrupted. It is not kept.
var errInterrupted = errors.New("interrupted")

// interruptStream is a Stream whose waits can be interrupted, so that a goroutine
// that waits for other things as well may read it by itself.
type interruptStream interface {
	Stream
	// ReadOr is Read that Interrupt ends with errInterrupted.
	ReadOr(p []byte) (int, error)
	// Interrupt ends the ReadOr that waits, or the next one. It does not wait.
	Interrupt()
	// AwaitHangup returns when the peer has closed or when WakeHangup is called
	// after ArmHangup. It sees nothing of what arrives.
	AwaitHangup()
	// ArmHangup makes an earlier WakeHangup undone. The error says that hangups
	// can not be waited for.
	ArmHangup() error
	WakeHangup()
}

// Interruptible reports whether RecvOr, Interrupt and the methods around hangups
// may be used.
func (c *Conn) Interruptible() bool {
	_, ok := c.r.raw.(interruptStream)
	return ok
}

// RecvOr is Recv that Interrupt ends: it then reports false, and nothing is lost.
// It belongs to the goroutine that calls Recv. Unlike Recv it need not be called
// again soon: what is queued is not left to it.
func (c *Conn) RecvOr(m *codec.Message) (came bool, err error) {
	c.r.interruptible = true
	err = c.r.next(m)
	c.r.interruptible = false
	switch {
	case err == errInterrupted:
		return false, nil
	case err != nil:
		return false, c.w.ended(err)
	}
	c.r.throttle.received(m)
	return true, nil
}

// Interrupt ends the RecvOr that waits, or the next one. It does not wait.
func (c *Conn) Interrupt() {
	if s, ok := c.r.raw.(interruptStream); ok {
		s.Interrupt()
	}
}

// ArmHangup prepares AwaitHangup, which returns when the peer has closed, or when
// WakeHangup is called afterwards. While it waits the messages that arrive are left
// to RecvOr. An error says that this connection can not wait so.
func (c *Conn) ArmHangup() error { return c.r.raw.(interruptStream).ArmHangup() }

// AwaitHangup waits for what [Conn.ArmHangup] says. It writes what is queued before,
// and from then on nothing is left to be written by the reader.
func (c *Conn) AwaitHangup() {
	c.w.leftAlone()
	c.r.raw.(interruptStream).AwaitHangup()
}

// WakeHangup ends AwaitHangup. It does not wait.
func (c *Conn) WakeHangup() { c.r.raw.(interruptStream).WakeHangup() }
