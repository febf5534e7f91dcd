package wiretest

import (
	"regexp"
	"slices"
	"testing"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/capture"
)

var pingRoute = regexp.MustCompile(`[0-9a-f]{8}(![0-9a-f]{8})+`)

// SameRoute hides the identities in a ping's route, but not their number.
func SameRoute(p []byte) string {
	return string(pingRoute.ReplaceAllFunc(p, func(b []byte) []byte {
		for i := range b {
			if b[i] != '!' {
				b[i] = 'x'
			}
		}
		return b
	}))
}

// CheckReply compares a message with a recorded one, by all that does not differ
// from run to run.
func CheckReply(t *testing.T, reply *capture.Msg, got *codec.Message) {
	t.Helper()
	text := reply.Payload
	if text != nil && reply.Flags&codec.FlagPayload != 0 &&
		SameRoute(slices.Clone(got.Payload)) != SameRoute(slices.Clone(text)) {
		t.Errorf("payload %q, want %q", got.Payload, text)
	}
	w := *reply
	w.Payload, w.PayloadSize = nil, 0
	g := *got
	g.Payload = nil
	if err := w.Check(&g); err != nil {
		t.Errorf("%v (%s)", err, Show(got))
	}
}
