package router_test

import (
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/fluxtest/internal/wiretest"
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
				w.Write(capture.HostOrder(c.Sent))
				if c.Name == "truncated then close" {
					w.Conn.Close() // a pipe has no half to close
				}
				for _, reply := range c.Replies {
					wiretest.CheckReply(t, &reply, w.Next())
				}
				w.None()
				probe(t, w, c.Outcome)
				other := dialWire(t, b)
				want(t, other.Call(request("attr.get", 1, obj{"name": "rank"})), 0, `{"value":"0","flags":1}`)
			})
		})
	}
}

func probe(t *testing.T, w *wire, outcome string) {
	t.Helper()
	early := w.Ended()
	w.Send(request("attr.get", 99, obj{"name": "rank"}))
	m := w.Take()
	answered := m != nil && m.Matchtag == 99
	switch outcome {
	case capture.Answering:
		if !answered || w.Ended() {
			t.Errorf("connection not usable: answered %v, ended %v", answered, w.Ended())
		}
	case capture.Waiting:
		if answered || w.Ended() {
			t.Errorf("answered %v, ended %v, want a connection that hangs", answered, w.Ended())
		}
	case capture.Closed, capture.Reset, capture.BrokerKilled:
		if !early {
			t.Errorf("the connection is still there")
		}
	case capture.ResetOnNext:
		if early || !w.Ended() {
			t.Errorf("ended before the next request: %v, after it: %v", early, w.Ended())
		}
	}
}
