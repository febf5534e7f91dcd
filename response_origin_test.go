package flux

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flux-sdk/flux/codec"
)

// A Response gives back the message it was made of.
func TestResponseMessage(t *testing.T) {
	var l link
	for i := range 10 {
		m := codec.Message{
			Type: codec.TypeResponse, Flags: codec.FlagTopic | codec.FlagRoute | codec.FlagStreaming | codec.FlagUser1,
			UserID: uint32(i), Rolemask: uint32(i + 1), Errnum: uint32(i % 3), Matchtag: uint32(i + 2), Topic: "some.topic",
		}
		if i%5 > 0 {
			m.SetPayload(pattern(i % 5))
		}
		r := l.newReply("asked.for", &m, jsonCodec{})
		if diff := cmp.Diff(&m, r.Message()); diff != "" {
			t.Fatalf("response %d: -want +got\n%s", i, diff)
		}
	}
}

// A Response made by hand gives back all of its message, and takes nothing away
// from it.
func TestNewResponseMessage(t *testing.T) {
	m := codec.NewResponse(codec.NewRequest("a.b"))
	m.Routes, m.NodeID, m.Sequence = codec.MakeRoutes("x"), 1, 2
	m.SetPayload([]byte("{}\x00"))
	before := *m
	r := NewResponse(m)
	if diff := cmp.Diff(m, r.Message()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	r.Release()
	if got := r.Message(); got != nil {
		t.Errorf("a released response has the message %+v", got)
	}
	if diff := cmp.Diff(&before, m); diff != "" {
		t.Errorf("the message was changed: -before +after\n%s", diff)
	}
	if m := NewErrorResponse(ErrClosed).Message(); m != nil {
		t.Errorf("a local error has the message %+v", m)
	}
}
