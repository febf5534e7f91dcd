package state_test

import (
	"testing"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/fluxtest/internal/wiretest"
)

func TestState(t *testing.T) {
	wiretest.Bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		const offline = "Upstream Flux broker is offline. Try again later."
		w, waiter := wiretest.Dial(t, b), wiretest.Dial(t, b)
		wiretest.Want(t, w.Call(wiretest.Request("broker.ping", 1, wiretest.Obj{})), 11, offline)
		wiretest.Want(t, w.Call(wiretest.Request("attr.list", 1, nil)), 11, offline)
		wiretest.Want(t, w.Call(wiretest.At(wiretest.Publish("x", 0, ""), 0)), 11, offline)
		wiretest.Want(t, w.Call(wiretest.Request("attr.get", 1, wiretest.Obj{"name": "rank"})), 0,
			`{"value":"0","flags":1}`)
		wiretest.Want(t, w.Call(wiretest.Request("event.subscribe", 1, wiretest.Obj{"topic": "x"})), 0, "")
		wiretest.Want(t, w.Call(wiretest.Request("state-machine.get", 1, nil)), 0, `{"state":"join","duration":0}`)
		waiter.Send(wiretest.Request("state-machine.wait", 2, nil))
		waiter.None()

		b.SetState("quorum")
		waiter.None()
		monitor := wiretest.Dial(t, b)
		wiretest.Want(t, monitor.Call(wiretest.Flagged(wiretest.Request("state-machine.monitor", 4,
			wiretest.Obj{"final": 6}), codec.FlagStreaming)), 0, `{"state":4}`)
		wiretest.Want(t, w.Call(wiretest.Request("state-machine.monitor", 4, nil)), 0, `{"state":4}`)
		wiretest.Want(t, w.Call(wiretest.Flagged(wiretest.Request("state-machine.monitor", 4,
			wiretest.Obj{"final": 3}), codec.FlagStreaming)), 61, "")

		b.SetState("run")
		wiretest.Want(t, waiter.Next(), 0, "")
		wiretest.Want(t, monitor.Next(), 0, `{"state":5}`)
		b.SetState("cleanup")
		wiretest.Want(t, monitor.Next(), 0, `{"state":6}`)
		wiretest.Want(t, monitor.Next(), 61, "")
		wiretest.Want(t, w.Call(wiretest.Request("state-machine.wait", 2, nil)), 2, "broker has surpassed RUN state")
		b.SetState("exit")
		monitor.None()
		waiter.None()
	}, fluxtest.State("join"))
}
