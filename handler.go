package flux

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/framing"
	"github.com/flux-sdk/flux/internal/wiretrace"
)

// Handler answers the requests to a service; see [Client.Serve] and [ServeMux].
//
// ServeFlux runs on a goroutine of its own for each request, unless its route
// is [Sequential]. What it returns is the end of the request: nil is an empty
// success if nothing was responded (for a streaming request, ENODATA, the
// regular end), and an error is sent as an error response. One that wraps an
// [Errno], an [*Error] or a syscall.Errno keeps its number and text; the errors
// of a ctx become ETIMEDOUT and ECANCELED; any other becomes EIO with its text.
// A panic is answered with EIO and logged; a call of runtime.Goexit is answered
// with EIO.
//
// ctx ends when the requester cancels ([ErrPeerCanceled]) or disconnects
// ([ErrPeerDisconnected]), when serving ends ([ErrServeEnded]) and when the
// connection is lost ([ErrConnLost]): context.Cause tells which. w and r may be
// used from any goroutine but not after ServeFlux has returned.
type Handler interface {
	ServeFlux(ctx context.Context, w Responder, r *Request) error
}

// HandlerFunc makes a [Handler] of a function, as http.HandlerFunc does.
type HandlerFunc func(ctx context.Context, w Responder, r *Request) error

// ServeFlux calls f.
func (f HandlerFunc) ServeFlux(ctx context.Context, w Responder, r *Request) error {
	return f(ctx, w, r)
}

// Responder sends the responses to one request. v is a payload as for
// [Client.Call]. An error says that this response was not sent: the payload
// cannot be encoded, the request has been answered, or its ctx has ended. To a
// request that wants no response nothing is sent, without an error.
type Responder interface {
	// Respond sends the one response. To a streaming request it sends an item,
	// after which only the end may follow. A second Respond is an error.
	Respond(v any) error
	// Send sends one of any number of responses to a streaming request. It
	// waits, within the handler's ctx, while the connection takes no more.
	Send(v any) error
}

// Request is a request as its handler gets it. Its methods may be called
// concurrently.
type Request struct {
	content
	unused *framing.Memory // released, to be recycled when the handler has returned
}

// Topic returns the full topic: "calc.add".
func (r *Request) Topic() string { return r.msg.Topic }

// UserID returns the sender's userid, as the broker vouches for it.
func (r *Request) UserID() uint32 { return r.msg.UserID }

// Roles returns the sender's roles. [RoleLocal] is set only for a sender connected
// to the same broker.
func (r *Request) Roles() Role { return Role(r.msg.Rolemask) }

// Streaming reports whether the sender expects many responses.
func (r *Request) Streaming() bool { return r.msg.Flags&codec.FlagStreaming != 0 }

// NoResponse reports whether the sender wants no response.
func (r *Request) NoResponse() bool { return r.msg.Flags&codec.FlagNoResponse != 0 }

// Sender identifies the connection the request came from: requests of one
// connection have the same.
func (r *Request) Sender() string { return r.msg.Routes.Origin() }

// Decode decodes the JSON payload into v; see [Response.Decode].
func (r *Request) Decode(v any) error { return r.content.decode(v) }

// DecodeStrict decodes as Decode does, but a member that v has no place for is an error.
func (r *Request) DecodeStrict(v any) error { return r.content.decodeStrict(v) }

// Bytes returns the payload as it is on the wire; see [Response.Bytes].
func (r *Request) Bytes() ([]byte, error) { return r.content.bytes() }

// Text returns the payload as text, without its NUL; see [Response.Text].
func (r *Request) Text() (string, error) { return r.content.text() }

// Message returns the message behind the request, shared and not to be changed.
func (r *Request) Message() *codec.Message { return &r.msg }

type requestKey struct{}

// RequestFrom returns the request that a handler's ctx belongs to, for a typed
// handler that wants more than its payload; nil for any other ctx.
func RequestFrom(ctx context.Context) *Request {
	r, _ := ctx.Value(requestKey{}).(*Request)
	return r
}

// Unary makes a [Handler] of a function from a request's payload to a
// response's. A Req of []byte is the payload's bytes, of string its text, and
// of struct{} takes any payload or none; any other is decoded from JSON, and a
// payload that does not decode is answered with EPROTO. A Resp of struct{} is
// sent as no payload.
func Unary[Req, Resp any](f func(context.Context, Req) (Resp, error)) Handler {
	if f == nil {
		panic("flux: Unary of a nil function")
	}
	return HandlerFunc(func(ctx context.Context, w Responder, r *Request) error {
		var req Req
		if err := r.decodeAs(&req); err != nil {
			return err
		}
		resp, err := f(ctx, req)
		if err != nil {
			return err
		}
		if _, none := any(resp).(struct{}); none {
			return nil
		}
		return w.Respond(resp)
	})
}

// ServerStream makes a [Handler] for streaming requests of a function from a
// request's payload to the items of the stream. An error that is yielded ends
// the stream with it; the end of the sequence ends it with ENODATA. A request
// without the streaming flag is answered with EPROTO. Req is as for [Unary].
func ServerStream[Req, Item any](f func(context.Context, Req) iter.Seq2[Item, error]) Handler {
	if f == nil {
		panic("flux: ServerStream of a nil function")
	}
	return HandlerFunc(func(ctx context.Context, w Responder, r *Request) error {
		if !r.Streaming() {
			return errNotStreaming
		}
		var req Req
		if err := r.decodeAs(&req); err != nil {
			return err
		}
		for item, err := range f(ctx, req) {
			if err != nil {
				return err
			}
			if err := w.Send(item); err != nil {
				return err
			}
		}
		return nil
	})
}

// errNotStreaming is what a streaming method answers to a plain request.
var errNotStreaming error = EPROTO

// decodeAs decodes the payload as its target's type asks for. An error is one
// to answer with: it keeps its text and has the number EPROTO.
func (r *Request) decodeAs(v any) (err error) {
	switch v := v.(type) {
	case *[]byte:
		*v, err = r.Bytes()
	case *string:
		*v, err = r.Text()
	case *struct{}:
	default:
		err = r.Decode(v)
	}
	if err != nil {
		return &protoError{err}
	}
	return nil
}

// protoError is an error in a request: EPROTO, in its own words.
type protoError struct{ err error }

func (e *protoError) Error() string   { return fmt.Sprintf("invalid request: %v", e.err) }
func (e *protoError) Unwrap() []error { return []error{EPROTO, e.err} }

// Role is a set of the roles a message's sender has (RFC 12).
type Role uint32

// The roles. A service lets a request through if any of the sender's roles is
// among those allowed.
const (
	RoleOwner Role = 1          // the user who runs the instance
	RoleUser  Role = 2          // a guest
	RoleLocal Role = 4          // connected to this very broker
	RoleAdmin Role = 8          // configured in access.roles
	RoleAll   Role = 0xffffffff // everybody
	RoleNone  Role = 0
)

// String names the roles, separated by commas: "owner,local".
func (r Role) String() string { return wiretrace.Roles(uint32(r)) }

// requestContext is the ctx of a handler. Most handlers never wait on theirs,
// so the context proper, which costs several allocations, is made for the first
// that does.
type requestContext struct {
	base context.Context // whose values it has; it never ends
	req  *Request

	ended atomic.Bool // whether cause is set: a flow asks for each item

	// Guarded by mu.
	mu    sync.Mutex
	cause error           // not nil once it has ended
	real  context.Context // nil until asked for
	end   context.CancelCauseFunc
}

// cancel ends the context. The first cause stays.
func (c *requestContext) cancel(cause error) {
	c.mu.Lock()
	if c.cause != nil {
		c.mu.Unlock()
		return
	}
	c.cause = cause
	c.ended.Store(true)
	end := c.end
	c.mu.Unlock()
	if end != nil {
		end(cause)
	}
}

func (c *requestContext) makeReal() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.real == nil {
		c.real, c.end = context.WithCancelCause(c.base)
		if c.cause != nil {
			c.end(c.cause)
		}
	}
	return c.real
}

// reason is context.Cause of it, for less.
func (c *requestContext) reason() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

func (c *requestContext) Deadline() (time.Time, bool) { return time.Time{}, false }

func (c *requestContext) Done() <-chan struct{} { return c.makeReal().Done() }

func (c *requestContext) Err() error {
	if c.ended.Load() {
		return context.Canceled
	}
	return nil
}

// Value also answers package context's own question, by which children and
// context.Cause find the context proper.
func (c *requestContext) Value(key any) any {
	if key == (requestKey{}) {
		return c.req
	}
	return c.makeReal().Value(key)
}
