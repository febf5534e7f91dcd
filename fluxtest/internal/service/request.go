package service

import (
	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest/internal/jansson"
)

// Responder sends on behalf of the rank where a request is served. The router
// implements it.
type Responder interface {
	// SendResponse sends a response as the broker of the rank does: credentials are
	// filled in. It becomes the owner of m.
	SendResponse(m *codec.Message)
	// SendEvent publishes an event; see [Broker.Publish]. It becomes the owner
	// of m.
	SendEvent(m *codec.Message) uint32
	// FlushSent has what was sent so far written, without waiting.
	FlushSent()
	// Later returns the responder for after the method has returned, whose
	// methods may be called concurrently.
	Later() Responder
}

// Request is a request at a service. It belongs to the method that it was given
// to, and ends with the return of that; what [Request.Keep] returns lives on.
type Request struct {
	m    codec.Message
	rank uint32
	to   Responder
}

// MakeRequest makes the request of a message that is served on a rank.
func MakeRequest(m codec.Message, rank uint32, to Responder) Request {
	return Request{m: m, rank: rank, to: to}
}

// Keep returns the request for use after the method has returned, from any
// goroutine and concurrently. What is sent then is written at once.
func (r *Request) Keep() *Request {
	return &Request{m: r.m, rank: r.rank, to: r.to.Later()}
}

// KeepHeader is [Request.Keep] without the payload, for requests that wait in
// great numbers.
func (r *Request) KeepHeader() *Request {
	k := r.Keep()
	k.m.Payload = nil
	k.m.Flags &^= codec.FlagPayload
	return k
}

// Rank is the rank where the request is served, which need not be the one that
// its client is connected to.
func (r *Request) Rank() uint32 { return r.rank }

// Topic is the topic of the request.
func (r *Request) Topic() string { return r.m.Topic }

// UserID is who sent the request, as the broker of the sender knows.
func (r *Request) UserID() uint32 { return r.m.UserID }

// Roles are the roles of the sender. RoleLocal is among them only if it is
// connected to the rank where the request is served.
func (r *Request) Roles() flux.Role { return flux.Role(r.m.Rolemask) }

// Owner reports whether the sender has the role of the instance owner.
func (r *Request) Owner() bool { return r.Roles()&flux.RoleOwner != 0 }

// Streaming reports whether more than one response is expected.
func (r *Request) Streaming() bool { return r.m.Flags&codec.FlagStreaming != 0 }

// NoResponse reports whether no response is wanted. None is sent then.
func (r *Request) NoResponse() bool { return r.m.Flags&codec.FlagNoResponse != 0 }

// Message is the request as the broker has it: credentials filled in, routes
// back to the sender. It must not be changed.
func (r *Request) Message() *codec.Message { return &r.m }

// Payload is the payload as it was sent; nil if there is none. It must not be
// changed, and may be kept.
func (r *Request) Payload() []byte { return r.m.Payload }

// Object decodes the payload as a C service does, for its members to be asked
// for. It is nil if the payload is not a JSON object; a service answers EPROTO to
// what lacks a member or has one of another type.
func (r *Request) Object() jansson.Object { return jansson.Decode(r.m.Payload) }

// OK answers with success and no payload.
func (r *Request) OK() { r.RespondBytes(nil) }

// Respond answers with success and v as JSON. It panics if v cannot be encoded.
func (r *Request) Respond(v any) {
	if !r.NoResponse() {
		r.respond(0, jansson.Payload(v))
	}
}

// RespondBytes answers with success and a payload as it is: JSON and text need
// their NUL. nil is no payload. p must not be changed afterwards.
func (r *Request) RespondBytes(p []byte) { r.respond(0, p) }

// Fail answers with an error, and a text unless that is "".
func (r *Request) Fail(errno flux.Errno, text string) {
	var p []byte
	if text != "" {
		p = append([]byte(text), 0)
	}
	r.respond(errno, p)
}

// End ends a stream the regular way, with ENODATA.
func (r *Request) End() { r.Fail(flux.ENODATA, "") }

func (r *Request) respond(errno flux.Errno, payload []byte) {
	if r.NoResponse() {
		return
	}
	m := codec.NewResponse(&r.m)
	m.Errnum = uint32(errno)
	m.SetPayload(payload)
	r.to.SendResponse(m)
}

// Publish publishes an event, as [Broker.Publish] does. What the method sends
// afterwards comes after the event at a client that gets both.
func (r *Request) Publish(m *codec.Message) uint32 {
	ev := *m
	return r.to.SendEvent(&ev)
}

// Flush has what was answered so far written, without waiting. The broker does so
// soon by itself; it makes a difference for what counts as written.
func (r *Request) Flush() { r.to.FlushSent() }

// MayAct reports whether the sender of r may act on what belongs to a user: it
// is that user, or an owner.
func (r *Request) MayAct(userid uint32) bool { return MayAct(&r.m, userid) }

// MayAct is [Request.MayAct] for a message.
func MayAct(m *codec.Message, userid uint32) bool {
	roles := flux.Role(m.Rolemask)
	return roles&flux.RoleOwner != 0 ||
		roles&flux.RoleUser != 0 && m.UserID != codec.UserIDUnknown && m.UserID == userid
}

// SameClient reports whether a notice of a cancel or a disconnect is from the
// client that sent a request, and may act on it.
func SameClient(notice, req *codec.Message) bool {
	return notice.Routes.Origin() == req.Routes.Origin() && MayAct(notice, req.UserID)
}

// CancelTag is the matchtag in the payload of a cancel.
func CancelTag(m *codec.Message) (tag uint32, ok bool) {
	n, ok := jansson.Decode(m.Payload).Int("matchtag")
	return uint32(n), ok
}
