package flux

import (
	"errors"
	"sync/atomic"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/transport"
)

// Response is one response to a request, or the local error that stands in its
// place. It is a small value; copies share the same message, which nobody may
// change. All methods may be called concurrently.
//
// Every road to the payload returns the response's error first, so data cannot
// be used without meeting it.
type Response struct {
	r   *reply // nil in the zero Response
	gen uint32 // of r; it has another once it is released
}

// reply is what a Response points to. There may be very many of them: what they
// have in common is in one place.
type reply struct {
	fail    *failure // nil of a success
	payload []byte
	mem     *transport.Memory // what payload refers to, if it can be used again
	of      *origin           // nil for a local error
	slab    *replySlab        // that it is in, if any

	userid, rolemask, matchtag uint32
	gen                        atomic.Uint32
	flags                      codec.Flags
}

// failure is what a response says went wrong, or what went wrong here.
type failure struct {
	err    error
	errnum uint32 // of the message
}

// origin is what all responses to requests for one topic have in common.
type origin struct {
	topic string
	codec PayloadCodec
	given *codec.Message // of a Response that was made of a message by hand
}

// originMax bounds how many origins a link remembers.
const originMax = 256

var errNoResponse = errors.New("flux: zero Response: received from a closed channel?")

// newReply makes the Response of a message; topic is that of its request. It
// belongs to the reader.
func (l *link) newReply(topic string, m *codec.Message, pc PayloadCodec) Response {
	r := l.replies.next(len(m.Payload), l.follows)
	r.set(topic, m, l.originOf(m.Topic, pc))
	r.mem = l.memory()
	return r.response()
}

func (r *reply) response() Response { return Response{r, r.gen.Load()} }

// originOf returns the origin for a topic. It belongs to the reader.
func (l *link) originOf(topic string, pc PayloadCodec) *origin {
	if l.origin != nil && l.origin.topic == topic {
		return l.origin
	}
	o := l.origins[topic]
	if o == nil {
		o = &origin{topic: topic, codec: pc}
		if l.origins == nil {
			l.origins = make(map[string]*origin)
		}
		if len(l.origins) < originMax {
			l.origins[topic] = o
		}
	}
	l.origin = o
	return o
}

func (r *reply) set(topic string, m *codec.Message, of *origin) {
	r.of, r.payload = of, m.Payload
	r.userid, r.rolemask, r.matchtag, r.flags = m.UserID, m.Rolemask, m.Matchtag, m.Flags
	if m.Errnum != 0 {
		r.fail = &failure{remoteError(topic, m), m.Errnum}
	}
}

// released reports whether r has been released. It is not the zero Response.
func (r Response) released() bool { return r.r.gen.Load() != r.gen }

func (r Response) view() view {
	p := r.r
	if r.released() {
		return view{mem: released, codec: jsonCodec{}}
	}
	v := view{payload: p.payload, has: p.flags&codec.FlagPayload != 0 || len(p.payload) > 0}
	if p.fail != nil {
		v.err = p.fail.err
	}
	if p.of != nil {
		v.codec = p.of.codec
	}
	return v
}

// message is the message that r was made of, less the payload of an error that
// has been released.
func (r *reply) message() *codec.Message {
	if r.of.given != nil {
		m := *r.of.given
		m.Payload = r.payload
		return &m
	}
	m := &codec.Message{
		Type: codec.TypeResponse, Flags: r.flags, UserID: r.userid, Rolemask: r.rolemask,
		Matchtag: r.matchtag, Topic: r.of.topic, Payload: r.payload,
	}
	if r.fail != nil {
		m.Errnum = r.fail.errnum
	}
	return m
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
func failed(err error) Response { return Response{r: &reply{fail: &failure{err: err}}} }

// Err is nil for a success, an [*Error] for what the service said, and another
// error for what went wrong here.
func (r Response) Err() error {
	if r.r == nil {
		return errNoResponse
	}
	if r.released() || r.r.fail == nil {
		return nil // what has failed is never released
	}
	return r.r.fail.err
}

// Decode decodes the JSON payload into v, as [json.Unmarshal] does: unknown
// members are ignored. Decode 64 bit numbers such as job ids into a uint64 or a
// [json.Number]; in an interface they become a float64, which cannot hold them.
// Without a payload the error matches [ErrNoPayload].
func (r Response) Decode(v any) error {
	if r.r == nil {
		return errNoResponse
	}
	return r.view().decode(v)
}

// DecodeStrict is Decode, but a member that v has no place for is an error. It
// always uses encoding/json.
func (r Response) DecodeStrict(v any) error {
	if r.r == nil {
		return errNoResponse
	}
	return r.view().decodeStrict(v)
}

// Bytes is the payload as it is on the wire, a trailing NUL included, shared
// and not to be changed. No payload is length 0 and no error.
func (r Response) Bytes() ([]byte, error) {
	if r.r == nil {
		return nil, errNoResponse
	}
	return r.view().bytes()
}

// Text is the payload as text, without its NUL. Without a payload the error
// matches [ErrNoPayload], without a NUL [codec.ErrPayload].
func (r Response) Text() (string, error) {
	if r.r == nil {
		return "", errNoResponse
	}
	return r.view().text()
}

// Message is the message behind the response, made anew by each call, with the
// payload shared and not to be changed; nil if the response stands for a local
// error, or has been released.
func (r Response) Message() *codec.Message {
	if r.r == nil || r.r.of == nil || r.released() {
		return nil
	}
	return r.r.message()
}

// NewResponse makes a Response of a response message, for a stand-in of a
// Client in a test and for an [Interceptor] that answers by itself. An error
// response becomes an [*Error] with the message's topic; JSON is decoded by
// encoding/json. m must not be changed afterwards.
func NewResponse(m *codec.Message) Response {
	r := new(reply)
	r.set(m.Topic, m, &origin{topic: m.Topic, codec: jsonCodec{}, given: m})
	return r.response()
}

// NewErrorResponse makes the Response that stands for a local error, likewise.
func NewErrorResponse(err error) Response { return failed(err) }
