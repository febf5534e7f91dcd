package groups_test

import (
	"testing"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/fluxtest/internal/wiretest"
)

func TestGroups(t *testing.T) {
	wiretest.Bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		w, low := wiretest.Dial(t, b), wiretest.Dial(t, b, fluxtest.AtRank(1))
		wiretest.Want(t, w.Call(wiretest.Flagged(wiretest.Request("groups.get", 1, wiretest.Obj{"name": "g"}),
			codec.FlagStreaming)), 0, `{"members":""}`)
		wiretest.Want(t, low.Call(wiretest.Request("groups.join", 2, wiretest.Obj{"name": "g"})), 0, "")
		wiretest.Want(t, w.Next(), 0, `{"members":"1"}`)
		wiretest.Want(t, low.Call(wiretest.Request("groups.join", 2, wiretest.Obj{"name": "g"})), 17,
			"rank 1 is already a member of g")
		wiretest.Want(t, low.Call(wiretest.At(wiretest.Request("groups.join", 2, wiretest.Obj{"name": "g"}), 2)),
			71, "groups.join is restricted to the local broker")
		wiretest.Want(t, w.Call(wiretest.Request("groups.leave", 2, wiretest.Obj{"name": "g"})), 2,
			"rank 0 is not a member of g")
		wiretest.Want(t, low.Call(wiretest.Request("groups.get", 2, wiretest.Obj{"name": "g"})), 71,
			"this RPC is only available on rank 0")
		wiretest.Want(t, low.Call(wiretest.Request("groups.leave", 2, wiretest.Obj{"name": "g"})), 0, "")
		wiretest.Want(t, w.Next(), 0, `{"members":""}`)
		low.Call(wiretest.Request("groups.join", 2, wiretest.Obj{"name": "g"}))
		wiretest.Want(t, w.Next(), 0, `{"members":"1"}`)
		low.Conn.Close()
		wiretest.Want(t, w.Next(), 0, `{"members":""}`)
		w.None()
	}, fluxtest.Size(4))
}
