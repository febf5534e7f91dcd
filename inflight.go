package flux

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/session"
)

var (
	// ErrPeerCanceled is the cause of a handler's ctx when the requester sent
	// the service's cancel request.
	ErrPeerCanceled = errors.New("request canceled by its sender")
	// ErrPeerDisconnected is the cause when the requester's connection closed.
	ErrPeerDisconnected = errors.New("sender of the request disconnected")
	// ErrServeEnded is the cause when Serve ends or the client is closed.
	ErrServeEnded = errors.New("service ended")
)

var (
	errAnswered     = errors.New("request has been answered already")
	errSendUnary    = errors.New("Send on a request that is not streaming; use Respond")
	errHandlerEnded = errors.New("handler has returned")
)

// inflight is one request that was accepted. It is its handler's Responder, and
// sends exactly one terminal reply, or none where none is due.
type inflight struct {
	s     *server
	l     *session.Link
	req   Request
	route *Route
	ctx   requestContext

	// Guarded by s.mu.
	requester  *requester
	prev, next *inflight // of the same requester and matchtag
	started    bool      // its turn has come

	// Guarded by mu.
	mu       sync.Mutex
	endErr   error // not nil: nothing more is sent, and why
	answered bool  // Respond was called
	sendErr  error // what kept the one response from being sent
}

// Respond sends the one response, or an item of a stream.
func (f *inflight) Respond(v any) error { return f.respond(v, true) }

// Send sends an item of a stream.
func (f *inflight) Send(v any) error {
	if !f.req.Streaming() && !f.req.NoResponse() {
		return errSendUnary
	}
	return f.respond(v, false)
}

// respond encodes and queues a response. It waits while the connection takes no
// more.
func (f *inflight) respond(v any, respond bool) error {
	payload, err := codec.EncodePayload(v, f.s.c.codec.Marshal)
	if err != nil {
		return f.keepSendErr(err)
	}
	// A connection that takes no more holds up this handler only, and no longer
	// than the request lasts.
	if respond {
		err = f.l.WaitRoom(&f.ctx)
	} else {
		err = f.l.WaitFlowRoom(&f.ctx)
	}
	if err != nil {
		if f.ctx.Err() != nil {
			return f.endReason()
		}
		return err
	}
	if err := f.queueOnce(payload, respond); err != nil || f.req.NoResponse() {
		return err
	}
	f.flushResponse(!respond)
	return nil
}

// keepSendErr remembers why a response was not sent, because a handler that ignores
// the error and returns nil has not answered with an empty success.
func (f *inflight) keepSendErr(err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sendErr = err
	return err
}

// flushResponse starts the writing of what was queued, possibly with what follows soon.
// For the one response of an inline handler, server.nextOrdered does that.
func (f *inflight) flushResponse(soon bool) {
	if f.route.opts.inline && !f.req.Streaming() {
		return
	}
	f.l.FlushSoon(soon)
}

// endReason is why the request is over, for a handler whose ctx has ended.
func (f *inflight) endReason() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.endErr != nil {
		return f.endErr
	}
	return f.ctx.reason()
}

// isOpen reports whether the request has not been ended, as it has once it is
// answered, even if its handler has not returned.
func (f *inflight) isOpen() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.endErr == nil
}

// queueOnce accepts a response under the lock, so that none follows the terminal
// one; it does no I/O there.
func (f *inflight) queueOnce(payload []byte, respond bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.endErr != nil:
		return f.endErr
	case f.answered:
		return errAnswered
	}
	if err := f.queueResponseLocked(payload); err != nil {
		f.sendErr = err
		return err
	}
	if respond {
		f.answered = true
		if !f.req.Streaming() {
			f.endErr = errAnswered
		}
	}
	return nil
}

// queueResponseLocked accepts a response with a payload.
func (f *inflight) queueResponseLocked(payload []byte) error {
	c, m := f.s.c, codec.NewResponse(&f.req.msg)
	m.Payload = payload
	if !c.sess.Fits(m) {
		return fmt.Errorf("%w: response with a payload of %d bytes, limit %d",
			codec.ErrTooLarge, len(payload), c.sess.MaxBody())
	}
	if f.req.NoResponse() {
		return nil
	}
	return c.sess.Queue(f.l, m)
}

// endWith queues the terminal reply, without waiting, unless it has been sent;
// reason is what the handler gets to hear if it goes on responding. It reports
// whether the request was still open. The caller flushes.
func (f *inflight) endWith(errno Errno, text string, reason error) (ended bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ended = f.endErr == nil
	if ended {
		f.s.c.answer(f.l, &f.req.msg, errno, text)
	}
	if ended || f.endErr == errAnswered {
		f.endErr = reason
	}
	return ended
}

// finishHandled ends the request with what its handler returned and sends it.
func (f *inflight) finishHandled(errno Errno, text string) {
	if f.endWith(errno, text, errHandlerEnded) && !f.req.NoResponse() {
		f.flushResponse(false)
	}
}

// endSilently ends the request without a reply, because the requester is gone.
func (f *inflight) endSilently(cause error) {
	f.mu.Lock()
	if f.endErr == nil {
		f.endErr = cause
	}
	f.mu.Unlock()
	f.ctx.cancel(cause)
}

// peerCanceled is the sender's own end of the request. The reply comes first: a
// handler that sees its ctx end must not get to answer before.
func (f *inflight) peerCanceled() {
	if f.req.Streaming() {
		f.endWith(ENODATA, "", ErrPeerCanceled)
	} else {
		f.endWith(ECANCELED, "", ErrPeerCanceled)
	}
	f.ctx.cancel(ErrPeerCanceled)
}

// serveEnded is the service's end of the request.
func (f *inflight) serveEnded() (ended bool) {
	ended = f.endWith(ECANCELED, f.s.endedText(), ErrServeEnded)
	f.ctx.cancel(ErrServeEnded)
	return ended
}

// terminalReply is the terminal reply to a request whose handler returned err.
func (f *inflight) terminalReply(err error) (Errno, string) {
	if err == nil && !f.req.Streaming() {
		f.mu.Lock()
		err = f.sendErr
		f.mu.Unlock()
	}
	switch {
	case err == nil && f.req.Streaming():
		return ENODATA, ""
	case err == nil:
		return 0, ""
	}
	errno, text := wireError(err)
	if f.ctx.reason() == ErrServeEnded && (errors.Is(err, ErrServeEnded) || errors.Is(err, context.Canceled)) {
		return ECANCELED, f.s.endedText()
	}
	return errno, text
}

// answer queues a response of an error, or of success with no payload, unless
// none is wanted. It neither waits nor writes.
func (c *conn) answer(l *session.Link, req *codec.Message, errno Errno, text string) {
	if req.Flags&codec.FlagNoResponse != 0 {
		return
	}
	m := codec.NewResponse(req)
	m.Errnum = uint32(errno)
	if text != "" {
		m.Payload = append([]byte(text), 0)
	}
	if c.sess.Fits(m) && !errors.Is(c.sess.Queue(l, m), codec.ErrTooLarge) {
		return
	}
	m.SetPayload(nil) // the number is what the requester waits for
	c.sess.Queue(l, m)
}

// wireError is what an error response says of a handler's error.
func wireError(err error) (Errno, string) {
	if e, ok := err.(*Error); ok && e.Errno != 0 {
		return e.Errno, cleanText(e.Message)
	}
	errno := errnoOf(err)
	switch {
	case errno != 0:
		if _, bare := err.(Errno); bare {
			return errno, ""
		}
	case errors.Is(err, context.DeadlineExceeded):
		errno = ETIMEDOUT
	case errors.Is(err, context.Canceled):
		errno = ECANCELED
	default:
		errno = EIO
	}
	return errno, cleanText(err.Error())
}

// cleanText keeps a text from having a NUL inside, where its receiver would cut
// it, and bytes that are not UTF-8, which the Python binding cannot decode.
func cleanText(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\\0"), "\ufffd")
}

// requestTable holds the requests that a server has accepted and whose handlers
// have not returned. It finds them by their sender, because the sender's cancel and
// disconnect messages are dealt with on the reader. Guarded by server.mu.
type requestTable struct {
	count         int
	requesters    map[string]*requester // by origin
	lastRequester *requester            // of the newest request, because the next often has the same
	lastRoute     []byte                // of that request
}

// requester is a connection that requests came over, with those that have not been
// handled, by matchtag. Further ones of the same tag are linked.
type requester struct {
	origin string
	byTag  map[uint32]*inflight
}

func (t *requestTable) addRequest(f *inflight) {
	t.count++
	if t.lastRequester == nil || !bytes.Equal(t.lastRoute, f.req.msg.Routes) {
		t.useRequester(f.req.msg.Routes)
	}
	f.requester = t.lastRequester
	if len(f.requester.byTag) == 0 {
		t.requesters[f.requester.origin] = f.requester
	}
	tag := f.req.msg.Matchtag
	if f.next = f.requester.byTag[tag]; f.next != nil {
		f.next.prev = f
	}
	f.requester.byTag[tag] = f
}

// useRequester makes the requester with these routes the last one.
func (t *requestTable) useRequester(routes codec.Routes) {
	if t.requesters == nil {
		t.requesters = make(map[string]*requester)
	}
	t.lastRoute = append(t.lastRoute[:0], routes...)
	origin := routes.Origin()
	if t.lastRequester = t.requesters[origin]; t.lastRequester == nil {
		t.lastRequester = &requester{origin, make(map[uint32]*inflight)}
	}
}

func (t *requestTable) removeRequest(f *inflight) {
	t.count--
	tags := f.requester.byTag
	switch {
	case f.prev != nil:
		f.prev.next = f.next
	case f.next != nil:
		tags[f.req.msg.Matchtag] = f.next
	default:
		delete(tags, f.req.msg.Matchtag)
		if len(tags) == 0 {
			delete(t.requesters, f.requester.origin)
		}
	}
	if f.next != nil {
		f.next.prev = f.prev
	}
	f.prev, f.next = nil, nil
}

// withTag lists the requests of one sender with one matchtag: more than one if
// the tag was used again after a response and before the handler's return.
func (t *requestTable) withTag(origin string, tag uint32) (list []*inflight) {
	if p := t.requesters[origin]; p != nil {
		for f := p.byTag[tag]; f != nil; f = f.next {
			list = append(list, f)
		}
	}
	return list
}

// fromOrigin lists the requests of one sender.
func (t *requestTable) fromOrigin(origin string) (list []*inflight) {
	if p := t.requesters[origin]; p != nil {
		list = p.appendTo(list)
	}
	return list
}

// list lists every request.
func (t *requestTable) list() []*inflight {
	list := make([]*inflight, 0, t.count)
	for _, p := range t.requesters {
		list = p.appendTo(list)
	}
	return list
}

func (p *requester) appendTo(list []*inflight) []*inflight {
	for _, f := range p.byTag {
		for ; f != nil; f = f.next {
			list = append(list, f)
		}
	}
	return list
}
