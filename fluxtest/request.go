package fluxtest

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest/internal/router"
)

var (
	// ErrDisconnected is the cause that ends the context of a scripted request
	// whose client has gone.
	ErrDisconnected = errors.New("fluxtest: the client has disconnected")
	// ErrCancelled is the cause when the client has cancelled the request.
	ErrCancelled = errors.New("fluxtest: the client has cancelled the request")
	// ErrAnswered is the cause when the request has had its last answer, and
	// the error of answering it once more with Respond, Fail or End.
	ErrAnswered = errors.New("fluxtest: the request has been answered")
)

// Request is a request at a script. Its methods may be called concurrently, and
// also after the script has returned: that is how to answer late. A request
// that is never answered stays so, as at a service that forgets; but one with
// the streaming flag that the client cancels is ended with ENODATA by the
// broker, unless a script for the cancel topic takes that over.
type Request struct {
	sc *script
	r  *router.Rank // where it is served
	m  codec.Message

	// Guarded by mu.
	mu    sync.Mutex
	ctx   context.Context // made when asked for
	stop  context.CancelCauseFunc
	cause error            // of its end
	ended bool             // nothing more is to be said
	late  bool             // the script has returned
	out   []codec.Message  // answers of an inline script that has not
	first [1]codec.Message // usually enough for out
}

func (s *scripts) begin(sc *script, r *router.Rank, m codec.Message) *Request {
	req := &Request{sc: sc, r: r, m: m}
	req.out = req.first[:0]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active == nil {
		s.active = make(map[*Request]struct{})
		s.running = make(map[*Request]struct{})
	}
	s.active[req] = struct{}{}
	s.running[req] = struct{}{}
	return req
}

func (s *scripts) returned(r *Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, r)
}

func (r *Request) run() {
	defer r.sc.b.scripts.returned(r)
	r.sc.f(r)
	if r.m.Flags&codec.FlagNoResponse != 0 {
		r.end(ErrAnswered) // nothing can follow
	}
}

// runInline is run in the reader's goroutine, in whose batch the answers go.
func (r *Request) runInline(b *router.Batch) {
	r.run()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.out {
		r.r.RouteResponse(&r.out[i], b)
	}
	r.out, r.late = nil, true
}

// Context ends with the request: when it has had its last answer, when the
// client cancels or disconnects, and when the broker closes. Its cause says
// which of them.
func (r *Request) Context() context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx == nil {
		r.ctx, r.stop = context.WithCancelCause(r.sc.b.done)
		if r.cause != nil {
			r.stop(r.cause)
		}
	}
	return r.ctx
}

// Topic is the topic of the request.
func (r *Request) Topic() string { return r.m.Topic }

// Rank is the rank where it is served.
func (r *Request) Rank() uint32 { return r.r.Number() }

// Message is the request as the service sees it: with the credentials filled
// in and the routes back. It must not be changed.
func (r *Request) Message() *codec.Message { return &r.m }

// Streaming says whether more than one response is expected.
func (r *Request) Streaming() bool { return r.m.Flags&codec.FlagStreaming != 0 }

// Decode unmarshals the JSON payload. The error is about the payload and
// matches [codec.ErrPayload] if it is not JSON at all.
func (r *Request) Decode(v any) error {
	b, err := codec.JSONPayload(r.m.Payload)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

// Respond answers with success. The payload is encoded as by
// [codec.EncodePayload]. A streaming request may be answered so any number of
// times and ends with Fail or End; any other has ended then, and a second
// answer is ErrAnswered. Whether the client is still there makes no difference.
func (r *Request) Respond(payload any) error {
	p, err := codec.EncodePayload(payload, json.Marshal)
	if err != nil {
		return err
	}
	return r.answer(0, p, !r.Streaming())
}

// Fail answers with an error, as a handler of [flux.Client.Serve] does that
// returns err: with the errno of the [flux.Errno] or syscall.Errno in it, ETIMEDOUT
// or ECANCELED for the errors of a context, and EIO for any other. The text is
// that of err; a bare Errno has none, and a [*flux.Error] its Message alone. It
// ends the request. A nil err panics.
func (r *Request) Fail(err error) error {
	errno, text := wireError(err)
	var p []byte
	if text != "" {
		p = append([]byte(text), 0)
	}
	return r.answer(errno, p, true)
}

// End ends a stream the regular way, with ENODATA.
func (r *Request) End() error { return r.Fail(flux.ENODATA) }

func (r *Request) answer(errno flux.Errno, payload []byte, last bool) error {
	m := codec.NewResponse(&r.m)
	m.Errnum = uint32(errno)
	m.SetPayload(payload)
	return r.answerWith(m, last)
}

func (r *Request) answerWith(m *codec.Message, last bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return ErrAnswered
	}
	if last {
		r.ended = true
		r.finishLocked(ErrAnswered)
	}
	if r.m.Flags&codec.FlagNoResponse == 0 {
		r.sendLocked(m)
	}
	return nil
}

// Send sends any response, whatever was sent before: for answers that no
// service should give. A message made with [codec.NewResponse] finds its way;
// unset credentials are filled in. m is not changed.
func (r *Request) Send(m *codec.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sendLocked(m)
}

// sendLocked sends an answer. mu keeps the answers of a request in order.
func (r *Request) sendLocked(m *codec.Message) {
	resp := *m
	resp.Flags |= codec.FlagRoute
	if resp.UserID == codec.UserIDUnknown {
		resp.UserID = r.sc.b.cfg.owner
	}
	if resp.Rolemask == codec.RoleNone {
		resp.Rolemask = uint32(flux.RoleOwner | flux.RoleLocal)
	}
	r.r.Counters.TxResponse.Add(1)
	if r.sc.inline && !r.late {
		r.out = append(r.out, resp)
		return
	}
	var b router.Batch
	r.r.RouteResponse(&resp, &b)
	b.Flush()
}

// cancel is what the client's cancel does. A request without the streaming flag
// is left to the script to answer.
func (r *Request) cancel() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	r.finishLocked(ErrCancelled)
	if r.Streaming() {
		r.ended = true
		m := codec.NewResponse(&r.m)
		m.Errnum = uint32(flux.ENODATA)
		r.sendLocked(m)
	}
}

// end makes an end of a request without an answer.
func (r *Request) end(cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finishLocked(cause)
}

// finishLocked forgets the request.
func (r *Request) finishLocked(cause error) {
	if r.cause == nil {
		r.cause = cause
	}
	if r.stop != nil {
		r.stop(r.cause)
	}
	s := &r.sc.b.scripts
	s.mu.Lock()
	delete(s.active, r)
	s.mu.Unlock()
}
