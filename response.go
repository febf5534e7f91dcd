package flux

import (
	"errors"

	"github.com/flux-sdk/flux/codec"
)

// Response is one response to a request, or the local error that stands in its
// place. It is a small value; copies share the same message, which nobody may
// change. All methods may be called concurrently.
//
// Every road to the payload returns the response's error first, so data cannot
// be used without meeting it.
type Response struct{ c *content } // nil in the zero Response

var errNoResponse = errors.New("flux: zero Response: received from a closed channel?")

// newReply makes the Response of a message; topic is that of its request. It
// belongs to the reader.
func (l *link) newReply(topic string, m *codec.Message, pc PayloadCodec) Response {
	c := &content{codec: pc, msg: *m, mem: l.memory()}
	if m.Errnum != 0 {
		c.err = remoteError(topic, m)
	}
	return Response{c}
}

// remoteError is what an error response says.
func remoteError(topic string, m *codec.Message) *Error {
	text, err := codec.TextPayload(m.Payload)
	if err != nil {
		text = "" // a payload that is no text counts as none
	}
	return &Error{Topic: topic, Errno: Errno(m.Errnum), Message: text}
}

// failed is the Response that stands for a local error.
func failed(err error) Response { return Response{&content{err: err}} }

// Err is nil for a success, an [*Error] for what the service said, and another
// error for what went wrong here.
func (r Response) Err() error {
	if r.c == nil {
		return errNoResponse
	}
	return r.c.err
}

// Decode decodes the JSON payload into v, as [json.Unmarshal] does: unknown
// members are ignored. Decode 64 bit numbers such as job ids into a uint64 or a
// [json.Number]; in an interface they become a float64, which cannot hold them.
// Without a payload the error matches [ErrNoPayload].
func (r Response) Decode(v any) error {
	if r.c == nil {
		return errNoResponse
	}
	return r.c.decode(v)
}

// DecodeStrict is Decode, but a member that v has no place for is an error. It
// always uses encoding/json.
func (r Response) DecodeStrict(v any) error {
	if r.c == nil {
		return errNoResponse
	}
	return r.c.decodeStrict(v)
}

// Bytes is the payload as it is on the wire, a trailing NUL included, shared
// and not to be changed. No payload is length 0 and no error.
func (r Response) Bytes() ([]byte, error) {
	if r.c == nil {
		return nil, errNoResponse
	}
	return r.c.bytes()
}

// Text is the payload as text, without its NUL. Without a payload the error
// matches [ErrNoPayload], without a NUL [codec.ErrPayload].
func (r Response) Text() (string, error) {
	if r.c == nil {
		return "", errNoResponse
	}
	return r.c.text()
}

// Message is the message behind the response, shared and not to be changed; nil
// if the response stands for a local error, or has been released.
func (r Response) Message() *codec.Message {
	if r.c == nil || r.c.msg.Type == 0 || r.c.mem == released {
		return nil
	}
	return &r.c.msg
}

// NewResponse makes a Response of a response message, for a stand-in of a
// Client in a test and for an [Interceptor] that answers by itself. An error
// response becomes an [*Error] with the message's topic; JSON is decoded by
// encoding/json. m must not be changed afterwards.
func NewResponse(m *codec.Message) Response {
	c := &content{codec: jsonCodec{}, msg: *m}
	if m.Errnum != 0 {
		c.err = remoteError(m.Topic, m)
	}
	return Response{c}
}

// NewErrorResponse makes the Response that stands for a local error, likewise.
func NewErrorResponse(err error) Response { return failed(err) }
