package codec_test

import (
	"errors"
	"testing"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/capture"
)

// verdict is what the decoder makes of bytes on a connection.
type verdict struct {
	msgs       []*codec.Message
	err        error // the connection is over
	prefix     bool  // the error came from ParsePrefix
	incomplete bool  // the last frame wants more bytes
}

// judge reads frames as a broker's connection does.
func judge(sent []byte) (v verdict) {
	for len(sent) > 0 {
		sent = capture.HostOrder(sent)
		n, err := codec.ParsePrefix(sent, 0)
		if err != nil {
			v.err, v.prefix = err, true
			return v
		}
		if len(sent) < codec.PrefixSize+n {
			v.incomplete = true
			return v
		}
		m, err := codec.Decode(sent[codec.PrefixSize : codec.PrefixSize+n])
		if err != nil {
			v.err = err
			return v
		}
		v.msgs = append(v.msgs, m)
		sent = sent[codec.PrefixSize+n:]
	}
	return v
}

// TestMalformed judges recorded input as the broker did: what it closed the
// connection for is refused, all else is decoded, and what it dropped without a
// word is what the encoder refuses to send.
func TestMalformed(t *testing.T) {
	cases := malformedCases(t)
	if len(cases) != 78 {
		t.Errorf("%d cases, want 78", len(cases))
	}
	// The request that probed whether the connection was still in use.
	var probe []byte
	for _, c := range cases {
		if c.Name == "good control" {
			probe = c.Sent
		}
	}
	if v := judge(probe); v.err != nil || v.incomplete || len(v.msgs) != 1 {
		t.Fatalf("the probe is judged %+v", v)
	}
	counts := map[string]int{}
	for _, c := range cases {
		counts[c.Outcome]++
		t.Run(c.Name, func(t *testing.T) {
			v := judge(c.Sent)
			then := judge(append(append([]byte{}, c.Sent...), probe...))
			switch c.Outcome {
			case capture.BrokerKilled:
				if !v.prefix {
					t.Errorf("judged %+v, want a refusal by ParsePrefix", v)
				}
			case capture.Waiting:
				// The broker allocates 2 GiB and waits; this is over our limit.
				if !v.prefix || !errors.Is(v.err, codec.ErrTooLarge) {
					t.Errorf("judged %+v, want %v", v, codec.ErrTooLarge)
				}
			case capture.Closed, capture.Reset:
				if cutShort := c.Name == "truncated then close"; cutShort != v.incomplete || cutShort != (v.err == nil) {
					t.Errorf("judged %+v, want a refusal, or more bytes wanted if cut short", v)
				}
			case capture.ResetOnNext:
				if !v.incomplete || v.err != nil {
					t.Errorf("judged %+v, want more bytes wanted", v)
				}
				if !errors.Is(then.err, codec.ErrMalformed) {
					t.Errorf("with the next request judged %+v, want a refusal", then)
				}
			case capture.Answering:
				if v.err != nil || v.incomplete || then.err != nil || len(then.msgs) != len(v.msgs)+1 {
					t.Fatalf("judged %+v, with the next request %+v, want all accepted", v, then)
				}
				if len(c.Replies) == 0 {
					checkDropped(t, v.msgs)
				} else {
					checkAnswered(t, v.msgs, c.Replies)
				}
			default:
				t.Errorf("outcome %q has no class", c.Outcome)
			}
			if v.err != nil && !errors.Is(v.err, codec.ErrMalformed) && !errors.Is(v.err, codec.ErrTooLarge) {
				t.Errorf("error %v matches no error of the package", v.err)
			}
		})
	}
	if counts[capture.BrokerKilled] != 3 {
		t.Errorf("%d cases kill a broker, want 3", counts[capture.BrokerKilled])
	}
}

// checkDropped says whether a broker has a reason to drop the messages: they
// want no response, go nowhere, or are such that the encoder refuses them.
func checkDropped(t *testing.T, msgs []*codec.Message) {
	t.Helper()
	for _, m := range msgs {
		wanted := m.Type == codec.TypeRequest && m.Flags&codec.FlagNoResponse == 0
		lost := m.Type != codec.TypeControl && m.Flags&codec.FlagTopic == 0
		if wanted || lost {
			if _, err := codec.Append(nil, m); !errors.Is(err, codec.ErrUnsendable) {
				t.Errorf("Append of a message that brokers drop = %v, want %v", err, codec.ErrUnsendable)
			}
		}
	}
}

// checkAnswered says whether the messages can be sent and the recorded replies
// are those that follow from them.
func checkAnswered(t *testing.T, msgs []*codec.Message, replies []capture.Msg) {
	t.Helper()
	if len(msgs) != len(replies) {
		t.Fatalf("%d messages, want one for each of %d replies", len(msgs), len(replies))
	}
	for i, m := range msgs {
		if _, err := codec.Append(nil, m); err != nil {
			t.Errorf("Append of a request that brokers answer: %v", err)
		}
		r, want := codec.NewResponse(m), replies[i]
		const parts = codec.FlagRoute | codec.FlagPayload // the broker adds a route part to what has none
		if r.Type != want.Type || r.Matchtag != want.Matchtag || r.Topic != want.Topic || r.Flags&^parts != want.Flags&^parts {
			t.Errorf("NewResponse = %s tag %d %q [%s], recorded %s tag %d %q [%s]",
				r.Type, r.Matchtag, r.Topic, r.Flags, want.Type, want.Matchtag, want.Topic, want.Flags)
		}
		if wantRoutes := codec.MakeRoutes(want.Routes...); !r.Routes.Equal(wantRoutes) {
			t.Errorf("NewResponse has routes %s, recorded %s", r.Routes, wantRoutes)
		}
	}
}
