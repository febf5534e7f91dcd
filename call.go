package flux

import (
	"context"
	"errors"
	"fmt"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/ctxwatch"
	"github.com/flux-sdk/flux/internal/session"
)

// Caller is the interface of everything that can call a service: a [Client], or a
// stand-in in a test.
type Caller interface {
	Call(ctx context.Context, topic string, req any, opts ...CallOption) (Response, error)
}

// Call sends a request and waits for its one response (flux_rpc(3)).
//
//	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
//	defer cancel()
//	response, err := client.Call(ctx, "broker.ping", map[string]any{"seq": 1})
//	if err != nil {
//		return err
//	}
//	err = response.Decode(&pong)
//
// The request's payload is made of req: nil is none, a []byte is sent as it is, a
// string is text with a NUL added, and any other value is encoded as a JSON object
// with a NUL added. Nothing of req is used after Call returns.
//
// When ctx ends, Call returns at once, with an error that matches ctx.Err() and
// carries the cause. Give every call a deadline, because Flux does not answer
// requests that were pending at a service that dies.
//
// What the broker or the service said is an [*Error], which is the Response's Err
// as well. Other errors are local: [ErrClosed], [ErrConnLost], an encoding error, or
// codec.ErrUnsendable for a request that must not be sent.
func (cl *Client) Call(ctx context.Context, topic string, req any, opts ...CallOption) (Response, error) {
	if len(opts) > 0 || len(cl.c.opts.interceptors) > 0 {
		return cl.callWith(ctx, topic, req, opts)
	}
	u := cl.newUnary()
	err := cl.build(ctx, "call", &u.m, topic, req, codec.NodeAny)
	if err == nil {
		err = u.send(ctx)
	}
	if err != nil {
		return u.unsent(err)
	}
	if u.MayRead() {
		u.c.sess.Read(ctx, &u.Request, u)
	}
	select {
	case r := <-u.ch:
		return u.answered(r)
	case <-ctx.Done():
		return u.giveUp(ctx, "")
	}
}

// callWith is Call with options or interceptors. It is kept apart, as are other
// rare cases, so that a call which waits does with the smallest stack: there may
// be very many of them.
//
//go:noinline
func (cl *Client) callWith(ctx context.Context, topic string, req any, opts []CallOption) (Response, error) {
	o := newCallOptions(opts)
	var m codec.Message
	if err := cl.build(ctx, "call", &m, topic, req, o.nodeid); err != nil {
		return failed(err), err
	}
	return cl.call(ctx, &m, o.cancelTopic)
}

// call passes a request through the interceptors, if there are any.
func (cl *Client) call(ctx context.Context, m *codec.Message, cancelTopic string) (Response, error) {
	list := cl.c.opts.interceptors
	if len(list) == 0 {
		return cl.exchange(ctx, m, cancelTopic)
	}
	return intercept(list, Interceptor.WrapCall, func(ctx context.Context, m *codec.Message) (Response, error) {
		return cl.exchange(ctx, m, cancelTopic)
	})(ctx, m)
}

// CallAs calls a service and decodes the response into a T; see [Client.Call].
// Unknown members are ignored. A T of []byte takes the payload's bytes, a string
// its text.
func CallAs[T any](ctx context.Context, c Caller, topic string, req any, opts ...CallOption) (T, error) {
	var v T
	r, err := c.Call(ctx, topic, req, opts...)
	if err != nil {
		return v, err
	}
	err = decodeAs(c, r, &v)
	return v, err
}

// decodeAs decodes a response that came by c as its target's type asks for. It
// is done with the payload then, unless that is what was asked for.
func decodeAs(c any, r Response, v any) (err error) {
	switch v := v.(type) {
	case *[]byte:
		*v, err = r.Bytes()
		return err
	case *string:
		*v, err = r.Text()
	default:
		err = r.Decode(v)
	}
	if cl, ok := c.(*Client); ok && len(cl.c.opts.interceptors) == 0 { // which may keep it
		r.Release()
	}
	return err
}

// Do sends a prepared request and waits for its one response
// (flux_rpc_message(3)). A matchtag is assigned; the rest is sent as given. m
// is not changed or kept.
func (cl *Client) Do(ctx context.Context, m *codec.Message) (Response, error) {
	own := *m
	if err := checkPrepared("do", m); err != nil {
		return failed(err), err
	}
	return cl.call(ctx, &own, "")
}

// Notify sends a request that wants no response (FLUX_RPC_NORESPONSE). A nil error
// says that it was accepted for sending; nothing more is ever known of it.
func (cl *Client) Notify(ctx context.Context, topic string, req any, opts ...CallOption) error {
	if answeredAnyway[topic] {
		return &opError{op: "notify", topic: topic, err: errNoNotify}
	}
	var m codec.Message
	if err := cl.build(ctx, "notify", &m, topic, req, newCallOptions(opts).nodeid); err != nil {
		return err
	}
	m.Flags |= codec.FlagNoResponse
	return cl.post(ctx, "notify", &m)
}

// Send sends any message as it is (flux_send(3)). A nil error says that it was
// accepted for sending. If the message is a request that wants a response, the
// response is dropped; use [Client.Do].
func (cl *Client) Send(ctx context.Context, m *codec.Message) error {
	own := *m
	return cl.post(ctx, "send", &own)
}

// post sends m and expects nothing.
func (cl *Client) post(ctx context.Context, op string, m *codec.Message) error {
	if err := cl.c.sess.Post(ctx, cl.owner, m); err != nil {
		return sendError(op, m.Topic, err)
	}
	return nil
}

// exchange sends m and waits for its response.
func (cl *Client) exchange(ctx context.Context, m *codec.Message, cancelTopic string) (Response, error) {
	u := cl.newUnary()
	u.m = *m
	if err := u.send(ctx); err != nil {
		return u.unsent(err)
	}
	if u.MayRead() {
		u.c.sess.Read(ctx, &u.Request, u)
	}
	select {
	case r := <-u.ch:
		return u.answered(r)
	case <-ctx.Done():
		return u.giveUp(ctx, cancelTopic)
	}
}

// send registers and sends the request.
func (u *unary) send(ctx context.Context) error {
	u.Topic = u.m.Topic
	if err := u.c.sess.Send(ctx, &u.Request, &u.m); err != nil {
		return sendError("call", u.Topic, err)
	}
	return nil
}

// answered ends a call that has its response.
//
//go:noinline
func (u *unary) answered(r Response) (Response, error) {
	u.release()
	return r, r.Err()
}

// unsent ends a call of which nothing was sent.
//
//go:noinline
func (u *unary) unsent(err error) (Response, error) {
	u.release()
	return failed(err), err
}

// giveUp ends a call whose ctx has ended.
//
//go:noinline
func (u *unary) giveUp(ctx context.Context, cancelTopic string) (Response, error) {
	defer u.release()
	if !u.c.sess.Abandon(&u.Request) {
		r := <-u.ch // the reply won the race and is on its way here
		return r, r.Err()
	}
	if cancelTopic != "" {
		cancel := cancelRequest(&u.m, cancelTopic)
		u.c.sess.Cancel(&u.Request, &cancel)
	}
	err := &opError{op: "call", topic: u.Topic, err: ctxError(ctx)}
	return failed(err), err
}

// unary is a call that waits on a channel. It goes back to the pool only when
// nobody can send on the channel any more. The pool is its connection's: the
// channel of one in a synctest bubble must not be met outside of it.
type unary struct {
	session.Request
	c  *conn
	m  codec.Message
	ch chan Response
}

func (cl *Client) newUnary() *unary {
	u, ok := cl.c.unaries.Get().(*unary)
	if !ok {
		u = &unary{c: cl.c, ch: make(chan Response, 1)}
	}
	u.Owner, u.Sink = cl.owner, u
	return u
}

func (u *unary) release() {
	u.Request, u.m = session.Request{}, codec.Message{}
	u.c.unaries.Put(u)
}

// Reply gives the response to the caller.
func (u *unary) Reply(m *codec.Message, _ bool) { u.ch <- newReply(u.Topic, m, u.Memory(), u.c.codec) }

// Fail gives the caller an error in place of a response.
func (u *unary) Fail(err error) {
	u.ch <- failed(&opError{op: "call", topic: u.Topic, err: err})
}

// Answered reports whether the caller has something to receive.
func (u *unary) Answered() bool { return len(u.ch) > 0 }

// Go starts a call and returns a channel that receives exactly one Response and is
// then closed. The channel is buffered, so nobody needs to receive. The rest is as
// for [Client.Call].
//
// Go itself waits, within ctx, only while too much is queued for sending, and with
// [Upstream] until the client's own rank is known.
func (cl *Client) Go(ctx context.Context, topic string, req any, opts ...CallOption) <-chan Response {
	g := &goCall{ch: make(chan Response, 1)}
	o := newCallOptions(opts)
	u := cl.newUnary() // for its message
	defer u.release()
	m := &u.m
	if err := cl.build(ctx, "call", m, topic, req, o.nodeid); err != nil {
		g.deliver(failed(err))
		return g.ch
	}
	if cl.mustWait() {
		own := *m
		go func() {
			r, err := cl.call(ctx, &own, o.cancelTopic)
			if err != nil && (r.c == nil || r.Err() == nil) {
				r = failed(err) // an interceptor's
			}
			g.deliver(r)
		}()
		return g.ch
	}
	var cancel any
	if o.cancelTopic != "" {
		request := cancelRequest(m, o.cancelTopic)
		cancel = &request
	}
	g.Request = session.Request{Owner: cl.owner, Topic: topic, Sink: g, Watched: ctx.Done() != nil}
	if err := cl.c.sess.Send(ctx, &g.Request, m); err != nil {
		g.deliver(failed(sendError("call", topic, err)))
		return g.ch
	}
	if g.Watched {
		cl.c.watches.Add(ctx, g, cancel)
	}
	return g.ch
}

// mustWait reports whether starting a call may take time: while the connection
// is being restored, and with interceptors, which may do anything.
func (cl *Client) mustWait() bool {
	c := cl.c
	if len(c.opts.interceptors) > 0 {
		return true
	}
	return cl.Err() == nil && c.sess.Restoring()
}

// goCall is a call whose channel belongs to the user. Programs leave very many
// of them unanswered, so it is kept small.
type goCall struct {
	session.Request
	ctxwatch.Entry[goCall]
	ch chan Response
}

func (g *goCall) conn() *conn { return g.Owner.Holder.(*Client).c }

// Reply sends the response to the channel.
func (g *goCall) Reply(m *codec.Message, _ bool) {
	g.deliver(newReply(g.Topic, m, g.Memory(), g.conn().codec))
}

// Fail sends an error to the channel.
func (g *goCall) Fail(err error) { g.deliver(failed(&opError{op: "call", topic: g.Topic, err: err})) }

// deliver sends the one Response and closes the channel.
func (g *goCall) deliver(r Response) {
	g.ch <- r
	close(g.ch)
	if g.Watched {
		g.conn().watches.Remove(g)
	}
}

// ContextEnded ends the call with its ctx. cancel is the request to send then, a
// *codec.Message, or nil.
func (g *goCall) ContextEnded(ctx context.Context, cancel any) {
	s := g.conn().sess
	if !s.Abandon(&g.Request) {
		return
	}
	if m, ok := cancel.(*codec.Message); ok {
		s.Cancel(&g.Request, m)
	}
	g.deliver(failed(&opError{op: "call", topic: g.Topic, err: ctxError(ctx)}))
}

// build makes m the request that Call, Go, Notify and Stream send.
func (cl *Client) build(ctx context.Context, op string, m *codec.Message, topic string, req any, nodeid uint32) error {
	payload, err := codec.EncodePayload(req, cl.c.codec.Marshal)
	if err != nil {
		return notEncoded(op, topic, err)
	}
	*m = codec.Message{
		Type: codec.TypeRequest, Flags: codec.FlagRoute,
		UserID: codec.UserIDUnknown, NodeID: nodeid, Topic: topic, Payload: payload,
	}
	if nodeid == codec.NodeUpstream {
		return cl.setUpstream(ctx, op, m)
	}
	return nil
}

// setUpstream addresses m upstream: on the wire, that is one's own rank with a
// flag that skips it.
//
//go:noinline
func (cl *Client) setUpstream(ctx context.Context, op string, m *codec.Message) (err error) {
	if m.NodeID, err = cl.Rank(ctx); err != nil {
		return fmt.Errorf("flux: %s %s upstream: own rank: %w", op, m.Topic, err)
	}
	m.Flags |= codec.FlagUpstream
	return nil
}

// answeredAnyway are the requests that the local router answers whatever their
// flags; without a response wanted, one of them would never complete.
var answeredAnyway = map[string]bool{
	"event.subscribe": true, "event.unsubscribe": true,
	"service.add": true, "service.remove": true,
}

var errNoNotify = errors.New("the router answers this request even unasked; use Call")

// checkPrepared says what keeps a message from being a request with a response.
func checkPrepared(op string, m *codec.Message) error {
	var err error
	switch {
	case m.Type != codec.TypeRequest:
		err = fmt.Errorf("message of type %s, want a request", m.Type)
	case m.Flags&codec.FlagNoResponse != 0:
		err = errors.New("request has the noresponse flag; use Send")
	default:
		return nil
	}
	return &opError{op: op, topic: m.Topic, err: err}
}
