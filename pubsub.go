package flux

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/outbox"
)

// The request that publishes an event. From flux-core 0.79 to 0.81 it had
// another name.
const (
	publishTopic    = "event.publish"
	publishTopicOld = "overlay.publish"
)

// Publish publishes an event to the whole instance and returns the sequence number
// it was given (flux_event_publish(3)). payload is as for [Client.Call].
//
//	seq, err := client.Publish(ctx, "app.started", map[string]int{"pid": os.Getpid()})
//
// A nil error says that the event is numbered and on its way, not that anybody
// received it. A client that subscribes to the topic receives its own event before
// Publish returns. Events of one publisher keep their order, but one that is
// published [Unconfirmed] may be overtaken by one that is not.
func (cl *Client) Publish(
	ctx context.Context, topic string, payload any, opts ...PublishOption,
) (seq uint32, err error) {
	var o publishOptions
	for _, opt := range opts {
		opt.applyPublish(&o)
	}
	b, err := codec.EncodePayload(payload, cl.c.codec.Marshal)
	if err != nil {
		return 0, &opError{op: "publish", topic: topic, err: fmt.Errorf("encode the payload: %w", err)}
	}
	if o.unconfirmed {
		return 0, cl.publishDirect(ctx, topic, b, o)
	}
	if !utf8.ValidString(topic) {
		err := errors.New("topic is not valid UTF-8, which a confirmed publish needs")
		return 0, &opError{op: "publish", topic: fmt.Sprintf("%q", topic), err: err}
	}
	reply, err := cl.callPublish(ctx, ownJSON(publishRequest{topic, o.flags(), b}))
	if err == nil {
		seq, err = published(reply)
	}
	if err != nil {
		return 0, fmt.Errorf("publish %s: %w", topic, err)
	}
	return seq, nil
}

// publishRequest is the payload of event.publish, with its keys in libflux's
// order.
type publishRequest struct {
	Topic   string `json:"topic"`
	Flags   int    `json:"flags"`
	Payload []byte `json:"payload,omitempty"` // of the event, its NUL included
}

func (o *publishOptions) flags() int {
	if o.private {
		return int(codec.FlagPrivate)
	}
	return 0
}

// published reads the response to event.publish.
func published(r Response) (seq uint32, err error) {
	var v struct {
		Seq *uint32 `json:"seq"`
	}
	err = r.decodeOwn(&v)
	switch {
	case err != nil:
		return 0, fmt.Errorf("response: %w", err)
	case v.Seq == nil:
		return 0, errors.New("response has no seq")
	}
	return *v.Seq, nil
}

// callPublish tries the name that was right before and then the other one, and
// remembers the one that the broker knows.
func (cl *Client) callPublish(ctx context.Context, req json.RawMessage) (Response, error) {
	names := [2]string{publishTopic, publishTopicOld}
	old := cl.c.oldPublish.Load()
	if old {
		names[0], names[1] = names[1], names[0]
	}
	r, err := cl.Call(ctx, names[0], req, Rank(0))
	if !errors.Is(err, ENOSYS) {
		return r, err
	}
	other, otherErr := cl.Call(ctx, names[1], req, Rank(0))
	var refused *Error
	switch {
	case errors.Is(otherErr, ENOSYS):
		return r, err
	case otherErr == nil || errors.As(otherErr, &refused):
		cl.c.oldPublish.Store(!old)
	}
	return other, otherErr
}

// publishDirect sends the event itself; the broker numbers and distributes it
// without a word to the publisher.
func (cl *Client) publishDirect(ctx context.Context, topic string, payload []byte, o publishOptions) error {
	m := codec.NewEvent(topic)
	if o.private {
		m.Flags |= codec.FlagPrivate
	}
	m.Payload = payload
	return cl.Send(ctx, m)
}

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

// Err returns nil for an event that was published. A [*GapError] says that events
// are missing here and the subscription goes on. Any other error is its end.
func (e Event) Err() error {
	if e.e == nil {
		return errNoEvent
	}
	return e.e.err
}

// Topic returns the event's topic, "" for an error.
func (e Event) Topic() string { return e.message().Topic }

// Seq returns the number that rank 0 gave the event, from 1, one sequence for the
// whole instance (RFC 12): events of other topics leave holes in it.
func (e Event) Seq() uint32 { return e.message().Sequence }

// Private reports whether the event goes only to the instance owner and to its
// publisher's userid.
func (e Event) Private() bool { return e.message().Flags&codec.FlagPrivate != 0 }

// UserID returns the publisher's userid.
func (e Event) UserID() uint32 { return e.message().UserID }

// Roles returns the publisher's roles.
func (e Event) Roles() Role { return Role(e.message().Rolemask) }

// Decode decodes the JSON payload into v; see [Response.Decode].
func (e Event) Decode(v any) error {
	if e.e == nil {
		return errNoEvent
	}
	return e.e.decode(v)
}

// DecodeStrict decodes as Decode does, but a member that v has no place for is an error.
func (e Event) DecodeStrict(v any) error {
	if e.e == nil {
		return errNoEvent
	}
	return e.e.decodeStrict(v)
}

// Bytes returns the payload as it was published; see [Response.Bytes].
func (e Event) Bytes() ([]byte, error) {
	if e.e == nil {
		return nil, errNoEvent
	}
	return e.e.bytes()
}

// Text returns the payload as text, without its NUL; see [Response.Text].
func (e Event) Text() (string, error) {
	if e.e == nil {
		return "", errNoEvent
	}
	return e.e.text()
}

// Message returns the message behind the event, shared and not to be changed; nil
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

// Subscribe returns a channel of the events whose topic starts with prefix
// (flux_event_subscribe(3)).
//
//	events, err := client.Subscribe(ctx, "job-state")
//	if err != nil {
//		return err
//	}
//	for e := range events {
//		if err := e.Decode(&v); err != nil {
//			return err
//		}
//	}
//
// The prefix is compared by bytes: "job" matches "job", "jobs" and "job.x", and ""
// matches every event. Subscribe waits for the broker's answer, so everything that
// is published after it returns is received. What was on its way before may be
// received, too.
//
// The end of ctx closes the channel and unsubscribes. End a subscription that is no
// longer read. The channel delivers in the order of the sequence numbers, each event
// once. If it closes without an error item, ctx has ended. In every other case the
// last item carries the error: [ErrConnLost], [ErrClosed], or [ErrSlowConsumer] when
// more was queued than [QueueLimit] allows. With [DropOldest] a slow consumer loses
// events instead, and a [*GapError] item stands where they are missing.
//
// Subscribers of one prefix share one subscription at the broker. An error that
// Subscribe itself returns is an [*Error] of the broker or a local one.
func (cl *Client) Subscribe(ctx context.Context, prefix string, opts ...SubscribeOption) (<-chan Event, error) {
	var o subscribeOptions
	for _, opt := range opts {
		opt.applySubscribe(&o)
	}
	switch {
	case ctx.Err() != nil:
		return nil, &opError{op: "subscribe", topic: prefix, err: ctxError(ctx), unsent: true}
	case !utf8.ValidString(prefix):
		return nil, &opError{op: "subscribe", topic: strconv.Quote(prefix), err: errors.New("prefix is not valid UTF-8")}
	}
	s := &subscription{owner: cl, match: o.match, ready: make(chan struct{})}
	if o.dropOldest {
		s.out = outbox.NewLossy(orDefault(o.limit), func(n int) Event {
			return failedEvent(&GapError{Dropped: n, Cause: ErrSlowConsumer})
		})
	} else {
		s.out = outbox.New[Event](orDefault(o.limit))
	}
	if err := cl.c.subscribe(ctx, s, prefix); err != nil {
		return nil, &opError{op: "subscribe", topic: prefix, err: err, unsent: true}
	}
	select {
	case <-s.ready:
		if s.err != nil {
			return nil, s.err
		}
	case <-ctx.Done():
		cl.c.unsubscribe(s)
		s.out.Abort(nil)
		return nil, &opError{op: "subscribe", topic: prefix, err: ctxError(ctx)}
	}
	if ctx.Done() != nil {
		s.endWithContext(ctx)
	}
	return s.out.Chan(), nil
}

// SyncHeartbeat yields the instance's heartbeats, for work that many clients
// are to do at the same moments (flux_sync_create(3)): each heartbeat.pulse of
// the instance owner that is newer than the last one yielded and at least
// minimum later, by this host's clock. A minimum of 0 yields every one; by
// default there is one in two seconds.
//
// Leaving the loop or the end of ctx ends it; ctx's end yields nothing more.
// An error is yielded once, as the last item, except for a [*GapError], which
// is skipped: the next heartbeat serves as well.
func (cl *Client) SyncHeartbeat(ctx context.Context, minimum time.Duration) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		events, err := cl.Subscribe(ctx, heartbeatTopic, Match(heartbeatTopic), DropOldest(), QueueLimit(8, 0))
		if err != nil {
			yield(Event{}, err)
			return
		}
		var last time.Time
		var seq uint32
		for e := range events {
			if gap, ok := e.Err().(*GapError); ok {
				if gap.Dropped < 0 {
					seq = 0 // another instance may be numbering now
				}
				continue
			}
			if err := e.Err(); err != nil {
				yield(Event{}, err)
				return
			}
			now := time.Now()
			if e.Roles()&RoleOwner == 0 || e.Seq() <= seq || !last.IsZero() && now.Sub(last) < minimum {
				continue
			}
			last, seq = now, e.Seq()
			if !yield(e, nil) {
				return
			}
		}
	}
}

const heartbeatTopic = "heartbeat.pulse"
