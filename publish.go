package flux

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/flux-sdk/flux/codec"
)

// The request that publishes an event. From flux-core 0.79 to 0.81 it had
// another name.
const (
	publishTopic    = "event.publish"
	publishTopicOld = "overlay.publish"
)

// Publish publishes an event to the whole instance and returns the sequence
// number it was given (flux_event_publish(3)). payload is as for [Client.Call].
//
// A nil error says that the event is numbered and on its way, not that anybody
// received it. A client that subscribes to the topic receives its own event
// before Publish returns. Events of one publisher keep their order, but one that
// is published [Unconfirmed] may be overtaken by one that is not.
func (cl *Client) Publish(ctx context.Context, topic string, payload any, opts ...PublishOption) (seq uint32, err error) {
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
		return 0, &opError{op: "publish", topic: fmt.Sprintf("%q", topic), err: errors.New("topic is not valid UTF-8, which a confirmed publish needs")}
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
