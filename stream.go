package flux

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/outbox"
	"github.com/flux-sdk/flux/internal/session"
)

// Streamer is the interface of everything that can open a stream: a [Client], or a
// stand-in in a test.
type Streamer interface {
	Stream(ctx context.Context, topic string, req any, opts ...StreamOption) (<-chan Response, error)
}

// Stream sends a streaming request and returns a channel of its responses
// (flux_rpc(3) with FLUX_RPC_STREAMING). req is as for [Client.Call].
//
//	ctx, cancel := context.WithCancel(ctx)
//	defer cancel()
//	stream, err := client.Stream(ctx, "job-info.eventlog-watch", req)
//	if err != nil {
//		return err
//	}
//	for r := range stream {
//		if err := r.Decode(&v); err != nil {
//			return err
//		}
//	}
//
// The channel delivers in order of arrival and ends once. If it closes without an
// error item, the service has ended the stream (ENODATA). In every other case the
// last item carries the error: an [*Error] of the service, the end of ctx with its
// cause, [ErrConnLost], [ErrClosed], or [ErrSlowConsumer] when more was queued than
// [QueueLimit] allows. A response without a payload is an item like any other.
//
// The end of ctx ends the stream: it sends the service's cancel request, drops what
// is queued, and closes the channel. End a stream that is no longer read.
//
// The error that Stream itself returns is always local. What the broker says, such
// as that there is no such service, is an item.
func (cl *Client) Stream(ctx context.Context, topic string, req any, opts ...StreamOption) (<-chan Response, error) {
	o := newStreamOptions(opts)
	var m codec.Message
	if err := cl.build(ctx, "stream", &m, topic, req, o.nodeid); err != nil {
		return nil, err
	}
	m.Flags |= codec.FlagStreaming
	return cl.openStream(ctx, &m, o)
}

// DoStream sends a prepared request and returns the channel of its responses,
// as [Client.Stream] does. A matchtag is assigned; the rest, the streaming flag
// included, is sent as given. m is not changed or kept. Rank and Upstream have
// no effect: the message says where it goes.
func (cl *Client) DoStream(ctx context.Context, m *codec.Message, opts ...StreamOption) (<-chan Response, error) {
	if err := checkPrepared("stream", m); err != nil {
		return nil, err
	}
	own := *m
	return cl.openStream(ctx, &own, newStreamOptions(opts))
}

// StreamAs opens a stream and returns an iterator that decodes each response into a
// T, as [CallAs] does; see [Client.Stream]. Leaving the loop ends the stream. An
// error is yielded once. An error that ends the stream is the last item; an error
// of decoding a single response is not, so a loop may go on after it.
func StreamAs[T any](ctx context.Context, c Streamer, topic string, req any, opts ...StreamOption) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var zero T
		stream, err := c.Stream(ctx, topic, req, opts...)
		if err != nil {
			yield(zero, err)
			return
		}
		for r := range stream {
			var v T
			err := decodeAs(c, r, &v)
			if err != nil {
				v = zero
			}
			if !yield(v, err) {
				cancel()
				for range stream { // until the cancel is on its way
				}
				return
			}
		}
	}
}

func newStreamOptions(opts []StreamOption) callOptions {
	o := callOptions{nodeid: codec.NodeAny}
	for _, opt := range opts {
		opt.applyStream(&o)
	}
	return o
}

// stream is a request with many responses.
type stream struct {
	session.Request
	cl     *Client
	out    *outbox.Outbox[Response]
	cancel codec.Message // the request that cancels it; zero if there is none
}

// openStream passes a request through the interceptors, if there are any.
func (cl *Client) openStream(ctx context.Context, m *codec.Message, o callOptions) (<-chan Response, error) {
	last := func(ctx context.Context, m *codec.Message) (<-chan Response, error) {
		return cl.startStream(ctx, m, o)
	}
	return intercept(cl.c.opts.interceptors, Interceptor.WrapStream, last)(ctx, m)
}

// startStream sends the request and returns the channel.
func (cl *Client) startStream(ctx context.Context, m *codec.Message, o callOptions) (<-chan Response, error) {
	s := &stream{cl: cl, out: outbox.New[Response](orDefault(o.limit))}
	s.Request = session.Request{Owner: cl.owner, Topic: m.Topic, Streaming: true, Sink: s}
	s.cancel = cancelRequest(m, o.streamCancel(m.Topic))
	if ctx.Done() != nil {
		// Before the request is sent, so that everything that closes the channel
		// finds the AfterFunc to stop. It waits until Send has returned.
		sent := make(chan struct{})
		defer close(sent)
		stop := context.AfterFunc(ctx, func() {
			<-sent
			s.giveUp(failed(&opError{op: "stream", topic: s.Topic, err: ctxError(ctx)}), true)
		})
		s.out.WhenClosed(func() { stop() })
	}
	if err := cl.c.sess.Send(ctx, &s.Request, m); err != nil {
		s.out.Abort(nil)
		return nil, sendError("stream", m.Topic, err)
	}
	return s.out.Chan(), nil
}

// CancelMessage returns the request that cancels the stream.
func (s *stream) CancelMessage() *codec.Message { return &s.cancel }

// Reply delivers a response, or the end.
func (s *stream) Reply(m *codec.Message, final bool) {
	switch {
	case m.Errnum == uint32(ENODATA):
		s.finishChannel(nil)
	case m.Errnum != 0:
		r := newReply(s.Topic, m, s.Memory(), s.cl.c.codec)
		s.finishChannel(&r)
	case !s.out.Push(newReply(s.Topic, m, s.Memory(), s.cl.c.codec), itemSize(m)):
		s.tooSlow()
	case final:
		s.finishChannel(nil)
	default:
		s.cl.c.watch.queued(s.Topic, s.out.Depth)
	}
}

// tooSlow ends a stream whose consumer has let too much queue up.
func (s *stream) tooSlow() {
	s.cl.c.watch.slowConsumer(s.Topic)
	s.giveUp(failed(&opError{op: "stream", topic: s.Topic, err: ErrSlowConsumer}), false)
}

// finishChannel ends the channel behind what is queued.
func (s *stream) finishChannel(last *Response) {
	if !s.out.Finish(last) {
		s.cl.unread.remember(s)
	}
}

// abortClosed ends the channel at once with ErrClosed.
func (s *stream) abortClosed() {
	r := failed(&opError{op: "stream", topic: s.Topic, err: ErrClosed})
	s.out.Abort(&r)
}

func (s *stream) whenClosed(f func()) { s.out.WhenClosed(f) }

// itemOverhead is what an item counts for in bytes besides its payload.
const itemOverhead = 128

func itemSize(m *codec.Message) int { return len(m.Payload) + itemOverhead }

// Fail ends the stream with a local error. What was accepted is delivered first,
// unless the client was closed.
func (s *stream) Fail(err error) {
	r := failed(&opError{op: "stream", topic: s.Topic, err: err})
	if errors.Is(err, ErrClosed) {
		s.out.Abort(&r)
	} else {
		s.finishChannel(&r)
	}
}

// giveUp ends the stream from this side. The service is told, if it can be. The
// channel closes after last, with or without what is queued.
func (s *stream) giveUp(last Response, dropQueued bool) {
	c := s.cl.c
	if s.Registered() && c.sess.Abandon(&s.Request) {
		c.sess.Cancel(&s.Request, &s.cancel)
	}
	if dropQueued {
		s.out.Abort(&last)
	} else {
		s.finishChannel(&last)
	}
}

// cancelTopics says how a stream of a core service is cancelled: the topic of
// the cancel request, or "" for a method that has none. Source: the services'
// request handlers in flux-core 0.88 and its client code; RFC 6 describes the
// convention but not the names.
var cancelTopics = map[string]string{
	"log.dmesg":                  "log.cancel",
	"kvs-watch.lookup":           "kvs-watch.cancel",
	"job-info.eventlog-watch":    "job-info.eventlog-watch-cancel",
	"job-info.update-watch":      "job-info.update-watch-cancel",
	"job-manager.events-journal": "job-manager.events-journal-cancel",
	"resource.acquire":           "resource.acquire-cancel",
	"resource.journal":           "resource.journal-cancel",
	"sdbus.subscribe":            "sdbus.subscribe-cancel",

	"groups.get":            "",
	"state-machine.monitor": "",
	"overlay.monitor":       "",
	"overlay.trace":         "",
	"module.trace":          "",
	"job-list.job-stats":    "",
	"rexec.exec":            "",
	"sdexec.exec":           "",
}

// cancelTopic is the topic that cancels a stream of the given topic, or "" if
// nothing must be sent.
func cancelTopic(topic string) string {
	if t, ok := cancelTopics[topic]; ok {
		return t
	}
	service, _, _ := strings.Cut(topic, ".")
	if strings.HasPrefix(service, "sched") {
		return "" // there, cancel is an ordinary method that frees resources
	}
	return service + ".cancel"
}

// streamCancel is the topic that cancels a stream with these options.
func (o *callOptions) streamCancel(topic string) string {
	switch {
	case o.noCancel:
		return ""
	case o.cancelTopic != "":
		return o.cancelTopic
	}
	return cancelTopic(topic)
}

// cancelRequest is the request with the given topic that cancels m, less its
// payload: same place, same credentials. It is zero without a topic.
func cancelRequest(m *codec.Message, topic string) codec.Message {
	if topic == "" {
		return codec.Message{}
	}
	c := *codec.NewRequest(topic)
	c.Flags |= codec.FlagNoResponse | m.Flags&codec.FlagUpstream
	c.NodeID, c.UserID, c.Rolemask = m.NodeID, m.UserID, m.Rolemask
	return c
}

// unreadChannels are the channels of a client whose end stands behind items that
// their consumers have not received. Nothing else of the client knows them any
// more, and each has a goroutine, which Close must end.
type unreadChannels struct {
	// Guarded by mu.
	mu     sync.Mutex
	closed bool
	m      map[unreadChannel]struct{}
}

// unreadChannel is a stream or a subscription.
type unreadChannel interface {
	// abortClosed ends the channel at once with ErrClosed.
	abortClosed()
	// whenClosed has f called after the channel is closed, at once if it is.
	whenClosed(f func())
}

// remember keeps b until its channel closes.
func (l *unreadChannels) remember(b unreadChannel) {
	l.mu.Lock()
	closed := l.closed
	if !closed {
		if l.m == nil {
			l.m = make(map[unreadChannel]struct{})
		}
		l.m[b] = struct{}{}
	}
	l.mu.Unlock()
	if closed {
		b.abortClosed()
		return
	}
	b.whenClosed(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.m, b)
	})
}

// abortAll ends all there is and will be.
func (l *unreadChannels) abortAll() {
	l.mu.Lock()
	l.closed = true
	list := make([]unreadChannel, 0, len(l.m))
	for b := range l.m {
		list = append(list, b)
	}
	l.mu.Unlock()
	for _, b := range list {
		b.abortClosed()
	}
}
