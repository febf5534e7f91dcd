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
	// ArmHangup prepares AwaitHangup and takes back an earlier WakeHangup. The
	// error says why hangups cannot be waited for.
	ArmHangup() error
	// WakeHangup ends AwaitHangup. It does not wait.
	WakeHangup()
}

// Interruptible reports whether RecvOr, Interrupt and the methods around hangups
// may be used.
func (c *Conn) Interruptible() bool {
	_, ok := c.r.raw.(interruptStream)
	return ok
}

// RecvOr is Recv that Interrupt ends. It then reports false, and nothing is lost: the
// next RecvOr or Recv goes on where it ended. Only one goroutine at a time may call
// RecvOr or Recv. A caller of RecvOr need not call it again, because FlushByReader
// leaves nothing to it. It must flush what it queues after RecvOr has returned.
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
// to RecvOr. An error says why hangups cannot be waited for on this connection.
func (c *Conn) ArmHangup() error { return c.r.raw.(interruptStream).ArmHangup() }

// AwaitHangup waits until the peer has closed or WakeHangup is called. It first writes
// what is queued. From then on, each sender writes what it queues.
func (c *Conn) AwaitHangup() {
	c.w.leaveToSenders()
	c.r.raw.(interruptStream).AwaitHangup()
}

// WakeHangup ends AwaitHangup. It does not wait.
func (c *Conn) WakeHangup() { c.r.raw.(interruptStream).WakeHangup() }
