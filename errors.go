package flux

import (
	"context"
	"errors"
	"fmt"

	"github.com/flux-sdk/flux/internal/session"
)

// Error is an error that a broker or a service sent in a response (RFC 6). It
// exists only for what came over the wire, so [errors.As] with an *Error tells
// a remote failure from a local one.
type Error struct {
	Topic   string // topic of the request
	Errno   Errno  // never 0
	Message string // the sender's text alone, often ""
}

// Error shows the topic, the sender's text or else that of the number, and the
// number's name.
func (e *Error) Error() string {
	text := e.Message
	if text == "" {
		text = e.Errno.Error()
	}
	return fmt.Sprintf("%s: %s (%s)", e.Topic, text, e.Errno.Name())
}

// Unwrap returns the Errno, so that errors.Is(err, flux.ENOENT) and
// errors.Is(err, fs.ErrNotExist) both match.
func (e *Error) Unwrap() error { return e.Errno }

var (
	// ErrClosed matches the error of everything that a local Close ended or
	// that was started after it.
	ErrClosed = session.ErrClosed
	// ErrConnLost matches the error of everything that the loss of the
	// connection ended. The error says and wraps what happened.
	ErrConnLost = session.ErrConnLost
	// ErrSlowConsumer is the last item of a stream or subscription whose reader
	// fell so far behind that a queue limit was passed. All that was accepted
	// before has been delivered.
	ErrSlowConsumer = errors.New("consumer too slow: queue limit passed")
	// ErrNoPayload is the error of decoding a response, event or request that
	// carries no payload.
	ErrNoPayload = errors.New("no payload")
	// ErrReleased is the error of using a payload after Release.
	ErrReleased = errors.New("payload used after Release")
)

// GapError is the error of an item that stands where messages of a
// subscription are missing. The subscription goes on after it.
type GapError struct {
	Dropped int   // how many are missing; -1 when it cannot be known
	Cause   error // why: ErrSlowConsumer, or what ended the old connection
}

func (e *GapError) Error() string {
	n := "an unknown number of"
	if e.Dropped >= 0 {
		n = fmt.Sprint(e.Dropped)
	}
	return fmt.Sprintf("gap: %s events missing: %v", n, e.Cause)
}

// Unwrap returns the cause.
func (e *GapError) Unwrap() error { return e.Cause }

// SafeToRetry reports whether an operation that failed with err may be repeated
// without the risk of doing it twice: true only if nothing of the request was
// accepted for sending. It is false for an error in the request itself, such as
// a payload that cannot be encoded. After [ErrClosed] it is true, but takes
// another client.
func SafeToRetry(err error) bool {
	var e *opError
	return errors.As(err, &e) && e.unsent
}

// opError is a local failure of one operation.
type opError struct {
	op, topic string
	err       error
	unsent    bool // nothing was accepted for sending, and that may change
}

func (e *opError) Error() string {
	if e.topic == "" {
		return fmt.Sprintf("flux: %s: %v", e.op, e.err)
	}
	return fmt.Sprintf("flux: %s %s: %v", e.op, e.topic, e.err)
}

func (e *opError) Unwrap() error { return e.err }

// ctxError returns the error of a ctx that has ended. It matches ctx.Err() and
// carries the cause.
func ctxError(ctx context.Context) error { return session.ContextError(ctx) }

// notEncoded says that a payload could not be encoded.
//
//go:noinline
func notEncoded(op, topic string, err error) error {
	return &opError{op: op, topic: topic, err: fmt.Errorf("encode the payload: %w", err)}
}
