package fluxtest_test

import (
	"regexp"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/internal/capture"
	"github.com/flux-sdk/flux/internal/capture/golden"
)

// The recorded cases of malformed and odd input meet the recorded answers and
// outcomes, save that the broker lives where a real one died.
func TestMalformed(t *testing.T) {
	cases, err := golden.Malformed()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := fluxtest.New(t, fluxtest.InProcess(), fluxtest.Owner(0))
				w := dialWire(t, b)
				w.write(capture.HostOrder(c.Sent))
				if c.Name == "truncated then close" {
					w.conn.Close() // a pipe has no half to close
				}
				for _, reply := range c.Replies {
					checkReply(t, &reply, w.next())
				}
				w.none()
				probe(t, w, c.Outcome)
				other := dialWire(t, b)
				want(t, other.call(request("attr.get", 1, obj{"name": "rank"})), 0, `{"value":"0","flags":1}`)
			})
		})
	}
}

func probe(t *testing.T, w *wire, outcome string) {
	t.Helper()
	early := w.ended()
	w.send(request("attr.get", 99, obj{"name": "rank"}))
	m := w.take()
	answered := m != nil && m.Matchtag == 99
	switch outcome {
	case capture.Answering:
		if !answered || w.ended() {
			t.Errorf("connection not usable: answered %v, ended %v", answered, w.ended())
		}
	case capture.Waiting:
		if answered || w.ended() {
			t.Errorf("answered %v, ended %v, want a connection that hangs", answered, w.ended())
		}
	case capture.Closed, capture.Reset, capture.BrokerKilled:
		if !early {
			t.Errorf("the connection is still there")
		}
	case capture.ResetOnNext:
		if early || !w.ended() {
			t.Errorf("ended before the next request: %v, after it: %v", early, w.ended())
		}
	}
}

var pingRoute = regexp.MustCompile(`[0-9a-f]{8}(![0-9a-f]{8})+`)

// sameRoute hides the identities in a ping's route, but not their number.
func sameRoute(p []byte) string {
	return string(pingRoute.ReplaceAllFunc(p, func(b []byte) []byte {
		for i := range b {
			if b[i] != '!' {
				b[i] = 'x'
			}
		}
		return b
	}))
}

func checkReply(t *testing.T, reply *capture.Msg, got *codec.Message) {
	t.Helper()
	text := reply.Payload
	if text != nil && reply.Flags&codec.FlagPayload != 0 && sameRoute(slices.Clone(got.Payload)) != sameRoute(slices.Clone(text)) {
		t.Errorf("payload %q, want %q", got.Payload, text)
	}
	w := *reply
	w.Payload, w.PayloadSize = nil, 0
	g := *got
	g.Payload = nil
	if err := w.Check(&g); err != nil {
		t.Errorf("%v (%s)", err, show(got))
	}
}
