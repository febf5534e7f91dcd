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

// inflight is one request that a handler has: it sees to exactly one terminal
// reply, or none where none is due.
type inflight struct {
	s     *server
	l     *session.Link
	req   Request
	route *Route
	ctx   requestContext

	// Guarded by s.mu.
	from       *sender
	prev, next *inflight // in accepted
	started    bool      // its turn has come

	mu       sync.Mutex
	over     error // not nil: nothing more is sent, and why
	answered bool  // Respond was called
	failed   error // what kept the one response from being sent
}

// Respond sends the one response, or an item of a stream.
func (f *inflight) Respond(v any) error { return f.send(v, true) }

// Send sends an item of a stream.
func (f *inflight) Send(v any) error {
	if !f.req.Streaming() && !f.req.NoResponse() {
		return errSendUnary
	}
	return f.send(v, false)
}

func (f *inflight) send(v any, respond bool) error {
	payload, err := codec.EncodePayload(v, f.s.c.codec.Marshal)
	if err != nil {
		return f.failing(err)
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
			return f.reason()
		}
		return err
	}
	if err := f.queue(payload, respond); err != nil || f.req.NoResponse() {
		return err
	}
	f.flush(!respond)
	return nil
}

// failing keeps what kept a response from being sent: a handler that ignores it
// and returns nil has not answered with an empty success.
func (f *inflight) failing(err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed = err
	return err
}

// flush starts the writing of what was queued, possibly with what follows soon.
// For the one response of an inline handler, server.nextInLane does that.
func (f *inflight) flush(soon bool) {
	if f.route.opts.inline && !f.req.Streaming() {
		return
	}
	f.l.FlushSoon(soon)
}

// reason is why the request is over, for a handler whose ctx has ended.
func (f *inflight) reason() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over != nil {
		return f.over
	}
	return f.ctx.reason()
}

// open reports whether the request has not been ended, as it has once it is
// answered, even if its handler has not returned.
func (f *inflight) open() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.over == nil
}

// queue accepts a response under the lock, so that none follows the terminal
// one; it does no I/O there.
func (f *inflight) queue(payload []byte, respond bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.over != nil:
		return f.over
	case f.answered:
		return errAnswered
	}
	if err := f.queueResponse(payload); err != nil {
		f.failed = err
		return err
	}
	if respond {
		f.answered = true
		if !f.req.Streaming() {
			f.over = errAnswered
		}
	}
	return nil
}

// queueResponse accepts a response with a payload. Called with mu held.
func (f *inflight) queueResponse(payload []byte) error {
	c, m := f.s.c, codec.NewResponse(&f.req.msg)
	m.Payload = payload
	if !c.sess.Fits(m) {
		return fmt.Errorf("%w: response with a payload of %d bytes, limit %d", codec.ErrTooLarge, len(payload), c.sess.MaxBody())
	}
	if f.req.NoResponse() {
		return nil
	}
	return c.sess.Queue(f.l, m)
}

// end queues the terminal reply, without waiting, unless it has been sent;
// reason is what the handler gets to hear if it goes on responding. It reports
// whether the request was still open. The caller flushes.
func (f *inflight) end(errno Errno, text string, reason error) (ended bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ended = f.over == nil
	if ended {
		f.s.c.answer(f.l, &f.req.msg, errno, text)
	}
	if ended || f.over == errAnswered {
		f.over = reason
	}
	return ended
}

// finish ends the request with what its handler returned and sends it.
func (f *inflight) finish(errno Errno, text string) {
	if f.end(errno, text, errHandlerEnded) && !f.req.NoResponse() {
		f.flush(false)
	}
}

// drop ends the request without a reply: nobody is there to get it.
func (f *inflight) drop(cause error) {
	f.mu.Lock()
	if f.over == nil {
		f.over = cause
	}
	f.mu.Unlock()
	f.ctx.cancel(cause)
}

// peerCanceled is the sender's own end of the request. The reply comes first: a
// handler that sees its ctx end must not get to answer before.
func (f *inflight) peerCanceled() {
	if f.req.Streaming() {
		f.end(ENODATA, "", ErrPeerCanceled)
	} else {
		f.end(ECANCELED, "", ErrPeerCanceled)
	}
	f.ctx.cancel(ErrPeerCanceled)
}

// serveEnded is the service's end of the request.
func (f *inflight) serveEnded() (ended bool) {
	ended = f.end(ECANCELED, f.s.endedText(), ErrServeEnded)
	f.ctx.cancel(ErrServeEnded)
	return ended
}

// outcome is the terminal reply to a request whose handler returned err.
func (f *inflight) outcome(err error) (Errno, string) {
	if err == nil && !f.req.Streaming() {
		f.mu.Lock()
		err = f.failed
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

// accepted are the requests that a server has taken and whose handlers have not
// returned. They are found by their sender, whose cancel and disconnect
// messages are dealt with on the reader however many requests there are.
type accepted struct {
	n     int
	peers map[string]*sender // by origin
	last  *sender            // of the newest request, which the next one often has too
	route []byte             // of that request
}

// sender is the connection that requests came over, and those of them that are
// being handled, by matchtag; further ones of the same tag are linked.
type sender struct {
	origin string
	tags   map[uint32]*inflight
}

func (a *accepted) add(f *inflight) {
	a.n++
	if a.last == nil || !bytes.Equal(a.route, f.req.msg.Routes) {
		a.find(f.req.msg.Routes)
	}
	f.from = a.last
	if len(f.from.tags) == 0 {
		a.peers[f.from.origin] = f.from
	}
	tag := f.req.msg.Matchtag
	if f.next = f.from.tags[tag]; f.next != nil {
		f.next.prev = f
	}
	f.from.tags[tag] = f
}

// find makes the sender with these routes the last one.
func (a *accepted) find(routes codec.Routes) {
	if a.peers == nil {
		a.peers = make(map[string]*sender)
	}
	a.route = append(a.route[:0], routes...)
	origin := routes.Origin()
	if a.last = a.peers[origin]; a.last == nil {
		a.last = &sender{origin, make(map[uint32]*inflight)}
	}
}

func (a *accepted) remove(f *inflight) {
	a.n--
	tags := f.from.tags
	switch {
	case f.prev != nil:
		f.prev.next = f.next
	case f.next != nil:
		tags[f.req.msg.Matchtag] = f.next
	default:
		delete(tags, f.req.msg.Matchtag)
		if len(tags) == 0 {
			delete(a.peers, f.from.origin)
		}
	}
	if f.next != nil {
		f.next.prev = f.prev
	}
	f.prev, f.next = nil, nil
}

// tagged lists the requests of one sender with one matchtag: more than one if
// the tag was used again after a response and before the handler's return.
func (a *accepted) tagged(origin string, tag uint32) (list []*inflight) {
	if p := a.peers[origin]; p != nil {
		for f := p.tags[tag]; f != nil; f = f.next {
			list = append(list, f)
		}
	}
	return list
}

// of lists the requests of one sender.
func (a *accepted) of(origin string) (list []*inflight) {
	if p := a.peers[origin]; p != nil {
		list = p.appendTo(list)
	}
	return list
}

// all lists every request.
func (a *accepted) all() []*inflight {
	list := make([]*inflight, 0, a.n)
	for _, p := range a.peers {
		list = p.appendTo(list)
	}
	return list
}

func (p *sender) appendTo(list []*inflight) []*inflight {
	for _, f := range p.tags {
		for ; f != nil; f = f.next {
			list = append(list, f)
		}
	}
	return list
}
