package flux

import (
	"context"
	"errors"
	"fmt"

	"github.com/flux-sdk/flux/codec"
)

// build makes m the request that Call, Go, Notify and Stream send.
func (cl *Client) build(ctx context.Context, op string, m *codec.Message, topic string, req any, o callOptions) error {
	payload, err := codec.EncodePayload(req, cl.c.codec.Marshal)
	if err != nil {
		return &opError{op: op, topic: topic, err: fmt.Errorf("encode the payload: %w", err)}
	}
	*m = codec.Message{
		Type: codec.TypeRequest, Flags: codec.FlagRoute,
		UserID: codec.UserIDUnknown, NodeID: o.nodeid, Topic: topic, Payload: payload,
	}
	if o.nodeid == codec.NodeUpstream {
		// On the wire, upstream is one's own rank with a flag that skips it.
		if m.NodeID, err = cl.Rank(ctx); err != nil {
			return fmt.Errorf("flux: %s %s upstream: own rank: %w", op, topic, err)
		}
		m.Flags |= codec.FlagUpstream
	}
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
