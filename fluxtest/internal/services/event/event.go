// Package event is the service behind event.publish.
package event

import (
	"encoding/base64"
	"strings"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest/internal/service"
)

// Service returns what is to be registered.
func Service() *service.Service {
	return &service.Service{Name: "event", Methods: map[string]service.Method{
		"publish": {Allow: flux.RoleUser, Serve: publish},
	}}
}

func publish(r *service.Request) {
	o := r.Object()
	topic, okTopic := o.Str("topic")
	flags, okFlags := o.Int("flags")
	text, okText := "", true
	if o.Has("payload") {
		text, okText = o.Str("payload")
	}
	switch {
	case !okTopic || !okFlags || !okText:
		r.Fail(flux.EPROTO, "")
		return
	case r.Rank() != 0:
		r.Fail(flux.EPROTO, "this service is only available on rank 0")
		return
	case flags&^int64(codec.FlagPrivate) != 0:
		r.Fail(flux.EPROTO, "")
		return
	}
	payload, ok := decodeBase64(text)
	if !ok {
		r.Fail(flux.EPROTO, "")
		return
	}
	m := codec.NewEvent(topic)
	m.Flags |= codec.Flags(flags)
	m.UserID, m.Rolemask = r.UserID(), uint32(r.Roles())
	m.SetPayload(payload)
	r.Respond(struct {
		Seq uint32 `json:"seq"`
	}{r.Publish(m)})
}

// decodeBase64 takes the standard alphabet with or without padding, and nothing
// between, with the leniency of the broker: of the last group of up to four
// characters all padding goes, and what is left is filled up with zeros. No
// bytes are no payload.
func decodeBase64(s string) ([]byte, bool) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, false // the decoder would skip them
	}
	last := max(0, (len(s)-1)/4*4)
	tail := strings.TrimRight(s[last:], "=")
	b, err := base64.RawStdEncoding.DecodeString(s[:last] + tail)
	if err != nil || len(b) == 0 {
		return nil, err == nil
	}
	return b, true
}
