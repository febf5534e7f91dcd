package fluxtest_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/internal/capture/golden"
)

// What was recorded of services that the broker does not have is answered as it
// was recorded.
func TestHandleCapture(t *testing.T) {
	for _, name := range []string{"kvs-basic", "kvs-cli", "kvs-misc", "kvs-namespace", "job-list", "job-raw",
		"resource", "job-submit", "payload-zero-flagged"} {
		t.Run(name, func(t *testing.T) {
			raw, err := golden.Bytes(name)
			if err != nil {
				t.Fatal(err)
			}
			recs, err := golden.Load(name)
			if err != nil {
				t.Fatal(err)
			}
			bubble(t, func(t *testing.T, b *fluxtest.Broker) {
				if name != "payload-zero-flagged" { // which has its service in it
					if err := b.HandleCapture(bytes.NewReader(raw)); err != nil {
						t.Fatal(err)
					}
				}
				newReplay(t, b, nil).run(recs)
			}, fluxtest.Size(4), fluxtest.FanOut(32), fluxtest.Attr("hostlist", "vm,vm,vm,vm"))
		})
	}
}

func TestHandleCaptureStream(t *testing.T) {
	raw, err := golden.Bytes("kvs-watch")
	if err != nil {
		t.Fatal(err)
	}
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		if err := b.HandleCapture(bytes.NewReader(raw)); err != nil {
			t.Fatal(err)
		}
		var first *codec.Message
		if err := b.HandleCapture(strings.NewReader("{")); err == nil {
			t.Errorf("half a line was read")
		}
		recs, _ := golden.Load("kvs-watch")
		for _, rec := range recs {
			if rec.IsFrame() && rec.Msg.Topic == "kvs-watch.lookup" {
				first = rec.Msg.Message()
				break
			}
		}
		w := dialWire(t, b)
		// The recorded client cancelled it: it stays open until this one does.
		if m := w.Call(first); m.Errnum != 0 {
			t.Errorf("%s", show(m))
		}
		for m := w.Take(); m != nil; m = w.Take() {
			if m.Final() {
				t.Errorf("ended by itself: %s", show(m))
			}
		}
		w.Send(flagged(request("kvs-watch.cancel", 0, obj{"matchtag": first.Matchtag}), codec.FlagNoResponse))
		want(t, w.Next(), 61, "")
	})
}
