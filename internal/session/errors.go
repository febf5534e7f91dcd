package session

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/mtag"
)

var (
	// ErrClosed is why a session ended that was closed on this side.
	ErrClosed = errors.New("client closed")
	// ErrConnLost is why everything ends that was under way on a lost connection.
	ErrConnLost = errors.New("connection to the broker lost")
	// ErrStopped is the error of a wait that its stop channel ended.
	ErrStopped = errors.New("stopped while waiting for the connection")
)

var (
	errNoMatchtag = fmt.Errorf("all %d matchtags are in use", mtag.Max)
	// errReplaced is why the old connection is over after Reconnect.
	errReplaced = fmt.Errorf("%w: replaced by Reconnect", ErrConnLost)
)

// LostError makes the error of everything that the loss of a connection ends.
func LostError(cause error) error {
	switch {
	case errors.Is(cause, ErrConnLost):
		return cause
	case errors.Is(cause, io.EOF):
		return fmt.Errorf("%w: the broker closed it", ErrConnLost)
	}
	return fmt.Errorf("%w: %w", ErrConnLost, cause)
}

// Unsendable reports whether err says that a message can never be sent, whatever
// the connection.
func Unsendable(err error) bool {
	return errors.Is(err, codec.ErrUnsendable) || errors.Is(err, codec.ErrTooLarge)
}

// ContextError returns the error of a ctx that has ended. It matches ctx.Err() and
// carries the cause.
func ContextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	switch {
	case cause == nil:
		return err
	case errors.Is(cause, err):
		return cause
	}
	return &causeError{err: err, cause: cause}
}

// causeError matches both the standard error of a ctx and the cause given for its
// end.
type causeError struct{ err, cause error }

func (e *causeError) Error() string   { return fmt.Sprintf("%v: %v", e.err, e.cause) }
func (e *causeError) Unwrap() []error { return []error{e.err, e.cause} }
