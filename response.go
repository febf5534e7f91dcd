package flux

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/framing"
)

// Response is one response to a request, or the local error that stands in its
// place. It is a small value; copies share the same message, which nobody may
// change. All methods may be called concurrently.
//
// Every method that returns the payload returns the response's error first, so
// data cannot be used while an error is overlooked.
type Response struct{ c *content } // nil in the zero Response

var errNoResponse = errors.New("flux: zero Response: received from a closed channel?")

// newReply makes the Response of a reply; topic is that of the request. It
// belongs to the reader.
func newReply(topic string, m *codec.Message, mem *framing.Memory, pc PayloadCodec) Response {
	c := &content{codec: pc, msg: *m, mem: mem}
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

// Err returns nil for a success, an [*Error] for what the service said, and another
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

// DecodeStrict decodes as Decode does, but a member that v has no place for is an error. It
// always uses encoding/json.
func (r Response) DecodeStrict(v any) error {
	if r.c == nil {
		return errNoResponse
	}
	return r.c.decodeStrict(v)
}

// Bytes returns the payload as it is on the wire, a trailing NUL included, shared
// and not to be changed. No payload is length 0 and no error.
func (r Response) Bytes() ([]byte, error) {
	if r.c == nil {
		return nil, errNoResponse
	}
	return r.c.bytes()
}

// Text returns the payload as text, without its NUL. Without a payload the error
// matches [ErrNoPayload], without a NUL [codec.ErrPayload].
func (r Response) Text() (string, error) {
	if r.c == nil {
		return "", errNoResponse
	}
	return r.c.text()
}

// Message returns the message behind the response, shared and not to be changed; nil
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

// PayloadCodec turns Go values into the JSON objects that Flux payloads are,
// and back; see [WithPayloadCodec]. Both methods may be called concurrently.
type PayloadCodec interface {
	// Marshal returns a JSON object, without the trailing NUL. The bytes are
	// the caller's from then on.
	Marshal(v any) ([]byte, error)
	// Unmarshal decodes a JSON object into v. It must not keep data.
	Unmarshal(data []byte, v any) error
}

type jsonCodec struct{}

func (jsonCodec) Marshal(v any) ([]byte, error)      { return json.Marshal(v) }
func (jsonCodec) Unmarshal(data []byte, v any) error { return json.Unmarshal(data, v) }

// ownJSON encodes one of the library's own requests, which is not for the
// user's codec. v must be something that can be encoded.
func ownJSON(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// decodeOwn decodes the response to one of the library's own requests.
func (r Response) decodeOwn(v any) error {
	if r.c == nil {
		return errNoResponse
	}
	return r.c.decodeBy(json.Unmarshal, v)
}

// content is what a Response, an Event and a Request are made of: a received
// message, or the local error that stands in its place. Each method that
// returns the payload returns err first.
type content struct {
	err   error // what the message says went wrong, or what went wrong here
	codec PayloadCodec
	msg   codec.Message   // zero for a local error
	mem   *framing.Memory // what msg refers to, if it can be used again; released
}

func (c *content) bytes() ([]byte, error) {
	if c.err != nil {
		return nil, c.err
	}
	if c.mem == released {
		return nil, ErrReleased
	}
	return c.msg.Payload, nil
}

func (c *content) text() (string, error) {
	switch {
	case c.err != nil:
		return "", c.err
	case c.mem == released:
		return "", ErrReleased
	case !c.msg.HasPayload():
		return "", ErrNoPayload
	}
	return codec.TextPayload(c.msg.Payload)
}

func (c *content) decodeBy(unmarshal func([]byte, any) error, into any) error {
	switch {
	case c.err != nil:
		return c.err
	case c.mem == released:
		return fmt.Errorf("decode into %T: %w", into, ErrReleased)
	case !c.msg.HasPayload():
		return fmt.Errorf("decode into %T: %w", into, ErrNoPayload)
	}
	b, err := codec.JSONPayload(c.msg.Payload)
	if err != nil {
		return fmt.Errorf("decode into %T: %w", into, err)
	}
	if _, ok := into.(*json.RawMessage); ok {
		unmarshal = json.Unmarshal // JSON as it is has no need of a codec
	}
	if err := unmarshal(b, into); err != nil {
		return fmt.Errorf("decode %.60q into %T: %w", b, into, err)
	}
	return nil
}

func (c *content) decode(into any) error {
	if c.err != nil {
		return c.err // an item without a message has no codec either
	}
	return c.decodeBy(c.codec.Unmarshal, into)
}

// decodeStrict refuses members that there is no place for, as an unpack format
// that ends in "!" does in libflux.
func (c *content) decodeStrict(into any) error {
	return c.decodeBy(func(b []byte, into any) error {
		d := json.NewDecoder(bytes.NewReader(b))
		d.DisallowUnknownFields()
		if err := d.Decode(into); err != nil {
			return err
		}
		// Decoder.More does not see a closing bracket.
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return errors.New("data after the JSON object")
		}
		return nil
	}, into)
}

// released stands for the memory of a payload that has been released.
var released = new(framing.Memory)

// Release lets later messages use the memory of the payload, which spares the
// garbage collector much where payloads are large: a small one gains nothing. It
// need not be called. Where hooks or a trace are shown all messages, payloads keep
// their memory.
//
// Nothing that refers to the payload may be used afterwards: not what Bytes or
// Message returned, nor a []byte that [CallAs] made of it. Of the Response and
// its copies, Bytes, Text and the Decode methods fail with [ErrReleased], Message
// is nil, and Err says what it did before. Nobody else may use them while Release
// is called; it may be called again.
func (r Response) Release() {
	if r.c == nil || r.c.msg.Type == 0 {
		return
	}
	m := release(&r.c.mem)
	r.c.msg.Payload = nil
	m.Recycle()
}

// Release says that the handler needs the payload no more: later messages use
// its memory once the handler has returned. It is for large payloads, as
// [Response.Release] is, and after it Bytes, Text and the Decode methods fail
// with [ErrReleased]. It may be called before or after responding, on the
// handler's goroutine, and the request must not be kept beyond the handler.
func (r *Request) Release() {
	m := release(&r.mem)
	r.msg.Payload = nil
	if m != nil {
		r.unused = m
	}
}

// recycle gives back what was released. Called when nothing uses the request any
// more.
func (r *Request) recycle() {
	r.unused.Recycle()
	r.unused = nil
}

// release returns the memory of a payload, which the caller takes away; nil if
// it has been released, or has none of its own.
func release(mem **framing.Memory) (m *framing.Memory) {
	if *mem != released {
		m, *mem = *mem, released
	}
	return m
}
