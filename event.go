package flux

import (
	"errors"

	"github.com/flux-sdk/flux/codec"
)

// Event is one published event as a subscriber receives it, or an error that
// stands in its place: a [*GapError] where events are missing, or the end of
// the subscription. It is a small value; all subscribers share the message
// behind it, which nobody may change. All methods may be called concurrently.
type Event struct{ e *event }

// event is what an Event points to.
type event struct{ content }

var errNoEvent = errors.New("flux: zero Event: received from a closed channel?")

// newEvent makes the Event of a message.
func newEvent(m *codec.Message, pc PayloadCodec) Event {
	return Event{&event{content{codec: pc, msg: *m}}}
}

func failedEvent(err error) Event { return Event{&event{content{err: err}}} }

// Err is nil for an event that was published. A [*GapError] says that events
// are missing here and the subscription goes on; any other error is its end.
func (e Event) Err() error {
	if e.e == nil {
		return errNoEvent
	}
	return e.e.err
}

// Topic is the event's topic; "" for an error.
func (e Event) Topic() string { return e.message().Topic }

// Seq is the number that rank 0 gave the event, from 1, one sequence for the
// whole instance (RFC 12): events of other topics leave holes in it.
func (e Event) Seq() uint32 { return e.message().Sequence }

// Private reports whether the event goes only to the instance owner and to its
// publisher's userid.
func (e Event) Private() bool { return e.message().Flags&codec.FlagPrivate != 0 }

// UserID is the publisher's userid.
func (e Event) UserID() uint32 { return e.message().UserID }

// Roles are the publisher's roles.
func (e Event) Roles() Role { return Role(e.message().Rolemask) }

// Decode decodes the JSON payload into v; see [Response.Decode].
func (e Event) Decode(v any) error {
	if e.e == nil {
		return errNoEvent
	}
	return e.e.decode(v)
}

// DecodeStrict is Decode, but a member that v has no place for is an error.
func (e Event) DecodeStrict(v any) error {
	if e.e == nil {
		return errNoEvent
	}
	return e.e.decodeStrict(v)
}

// Bytes is the payload as it was published; see [Response.Bytes].
func (e Event) Bytes() ([]byte, error) {
	if e.e == nil {
		return nil, errNoEvent
	}
	return e.e.bytes()
}

// Text is the payload as text, without its NUL; see [Response.Text].
func (e Event) Text() (string, error) {
	if e.e == nil {
		return "", errNoEvent
	}
	return e.e.text()
}

// Message is the message behind the event, shared and not to be changed; nil
// for an error.
func (e Event) Message() *codec.Message {
	if e.e == nil || e.e.msg.Type == 0 {
		return nil
	}
	return &e.e.msg
}

var noMessage codec.Message

func (e Event) message() *codec.Message {
	if e.e == nil {
		return &noMessage
	}
	return &e.e.msg
}
