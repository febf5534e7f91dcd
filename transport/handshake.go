package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"
)

// HandshakeError says that the broker refused the connection.
type HandshakeError struct {
	Errno uint8 // Linux errno; 1 (EPERM) is what a user without access gets
}

func (e *HandshakeError) Error() string {
	if e.Errno == 1 {
		return "connection refused by the broker: EPERM (this user has no access to the instance)"
	}
	return fmt.Sprintf("connection refused by the broker: errno %d", e.Errno)
}

// deadliner is what the handshake needs to be cut short by a ctx: a deadline in
// the past.
type deadliner interface {
	io.ReadWriteCloser
	SetReadDeadline(t time.Time) error
}

// shake reads the broker's one byte verdict, for as long as ctx lasts.
func shake(ctx context.Context, c deadliner) error {
	stop := context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Unix(1, 0)) })
	var b [1]byte
	_, err := io.ReadFull(c, b[:])
	if !stop() {
		// AfterFunc has run or is running: the deadline is not ours to trust.
		return context.Cause(ctx)
	}
	switch {
	case errors.Is(err, io.EOF):
		return fmt.Errorf("handshake: broker closed the connection: %w", syscall.ECONNRESET)
	case err != nil:
		return fmt.Errorf("handshake: %w", err)
	case b[0] != 0:
		return &HandshakeError{Errno: b[0]}
	}
	return nil
}
