package flux

import (
	"context"
	"errors"
	"fmt"

	"github.com/flux-sdk/flux/codec"
)

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

//go:noinline
func notEncoded(op, topic string, err error) error {
	return &opError{op: op, topic: topic, err: fmt.Errorf("encode the payload: %w", err)}
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
