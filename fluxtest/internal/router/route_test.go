package router_test

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
)

// The tree is binary: 0 has 1 and 2, 1 has 3 and 4, 2 has 5 and 6.
func TestRanks(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		// Each further broker on the way is one more hop in the ping's route.
		w := dialWire(t, b, fluxtest.AtRank(3))
		for rank, hops := range []int{5, 4, 6, 3, 5, 7, 7} {
			m := w.Call(at(request("broker.ping", 1, obj{}), uint32(rank)))
			text, _ := codec.TextPayload(m.Payload)
			_, route, _ := strings.Cut(text, `"route": "`)
			route, _, _ = strings.Cut(route, `"`)
			if n := strings.Count(route, "!") + 1; n != hops {
				t.Errorf("ping from rank 3 to %d: %d hops, want %d: %s", rank, n, hops, text)
			}
			roles := uint32(1)
			if rank == 3 {
				roles = 5
			}
			if m.Rolemask != roles || !strings.Contains(text, `"rolemask": `+strconv.Itoa(int(roles))) ||
				!strings.HasSuffix(text, `"rank": `+strconv.Itoa(rank)+`}`) {
				t.Errorf("ping to rank %d: rolemask %d, %s", rank, m.Rolemask, text)
			}
		}
		want(t, w.Call(at(request("broker.ping", 1, obj{}), 7)), 113, "")
		want(t, w.Call(at(request("broker.ping", 1, obj{}), codec.NodeUpstream)), 113, "")
		want(t, w.Call(request("nosuch.x", 1, nil)), 38, "No service matching nosuch.x is registered")
		long := "nosuch." + strings.Repeat("x", 100)
		want(t, w.Call(request(long, 1, nil)), 38, ("No service matching " + long)[:63])
		want(t, w.Call(at(request("nosuch.x", 1, nil), 2)), 38, "No service matching nosuch.x is registered")

		// Upstream from 3 is 1, and not 3 itself.
		m := w.Call(flagged(at(request("attr.get", 1, obj{"name": "rank"}), 3), codec.FlagUpstream))
		want(t, m, 0, `{"value":"1","flags":1}`)
		if m.Flags&codec.FlagUpstream == 0 {
			t.Errorf("the response has lost the upstream flag")
		}
		root := dialWire(t, b)
		want(t, root.Call(flagged(at(request("attr.get", 1, obj{"name": "rank"}), 0), codec.FlagUpstream)), 113, "")
		// On the way up it is any service above.
		m = w.Call(flagged(at(request("overlay.topology", 1, obj{"rank": 1}), 3), codec.FlagUpstream))
		want(t, m, 0, `{"rank":1,"size":3,"children":[{"rank":3,"size":1,"children":[]},{"rank":4,"size":1,"children":[]}]}`)
		want(t, w.Call(request("overlay.topology", 1, obj{"rank": 1})), 2,
			"requested rank is not this broker or its direct child")
	}, fluxtest.Size(7))
}

// The nearest service of a name wins, going up.
func TestNearestService(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		low, mid, top := dialWire(t, b, fluxtest.AtRank(3)), dialWire(t, b, fluxtest.AtRank(1)), dialWire(t, b)
		side := dialWire(t, b, fluxtest.AtRank(2))
		for _, w := range []*wire{mid, top} {
			want(t, w.Call(request("service.add", 1, obj{"service": "calc"})), 0, "")
		}
		serve := func(name string, client, server *wire, nodeid uint32, hopCount int) {
			t.Helper()
			client.Send(at(request("calc.add", 5, obj{"a": 1}), nodeid))
			req := server.Next()
			if len(hops(req)) != hopCount || req.NodeID != nodeid || req.Matchtag != 5 {
				t.Errorf("%s: nodeid %d, matchtag %d, routes %q; want %d hops", name, req.NodeID, req.Matchtag,
					hops(req), hopCount)
			}
			if local := req.Rolemask&4 != 0; local != (hopCount == 3) {
				t.Errorf("%s: rolemask %d", name, req.Rolemask)
			}
			resp := codec.NewResponse(req)
			resp.SetPayload([]byte(name + "\x00"))
			server.Send(resp)
			m := client.Next()
			want(t, m, 0, name)
			if len(hops(m)) != 0 || m.UserID != 0 || m.Rolemask != req.Rolemask {
				t.Errorf("%s: response with routes %q, userid %d, rolemask %d", name, hops(m), m.UserID, m.Rolemask)
			}
		}
		serve("any from 3 is 1", low, mid, codec.NodeAny, 4)
		serve("any from 1 is 1", mid, mid, codec.NodeAny, 3)
		serve("any from 2 is 0", side, top, codec.NodeAny, 4)
		serve("0 from 3 is 0", low, top, 0, 5)
		serve("1 from 2 is 1", side, mid, 1, 5)
		want(t, low.Call(at(request("calc.add", 5, nil), 3)), 38, "No service matching calc.add is registered")
		want(t, low.Call(request("calc", 5, nil)), 38, "")

		// A response that was tampered with leads nowhere.
		low.Send(request("calc.add", 6, nil))
		req := mid.Next()
		for _, routes := range []codec.Routes{nil, codec.MakeRoutes(hops(req)[1:]...), codec.MakeRoutes("x", "y")} {
			resp := codec.NewResponse(req)
			resp.Routes = routes
			mid.Send(resp)
		}
		low.None()
		// Two responses both arrive, with what credentials the owner gave them.
		resp := codec.NewResponse(req)
		resp.UserID, resp.Rolemask, resp.Errnum = 7, 2, 4242
		mid.Send(resp, resp)
		for range 2 {
			if m := low.Next(); m.UserID != 7 || m.Rolemask != 2 || m.Errnum != 4242 {
				t.Errorf("userid %d, rolemask %d, errnum %d", m.UserID, m.Rolemask, m.Errnum)
			}
		}
		// The service learns of the client's end, over all ranks.
		low.Conn.Close()
		dis := mid.Next()
		if dis.Topic != "calc.disconnect" || dis.Flags&codec.FlagNoResponse == 0 || !dis.Routes.Equal(req.Routes) {
			t.Errorf("%s with routes %q, want those of the request", show(dis), hops(dis))
		}
		if m := top.Next(); m.Topic != "calc.disconnect" || m.NodeID != 0 {
			t.Errorf("%s to %d", show(m), m.NodeID)
		}
	}, fluxtest.Size(7))
}

// What crosses a link that breaks is answered on both sides [tbon-loss-*].
func TestLoseRank(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		top, low, leaf := dialWire(t, b), dialWire(t, b, fluxtest.AtRank(1)), dialWire(t, b, fluxtest.AtRank(3))
		side := dialWire(t, b, fluxtest.AtRank(2))
		want(t, top.Call(request("service.add", 1, obj{"service": "svc0"})), 0, "")
		want(t, low.Call(request("service.add", 1, obj{"service": "svc1"})), 0, "")
		want(t, leaf.Call(request("service.add", 1, obj{"service": "svc3"})), 0, "")
		watch := dialWire(t, b)
		want(t, watch.Call(flagged(request("groups.get", 1, obj{"name": "broker.online"}), codec.FlagStreaming)),
			0, `{"members":"0-6"}`)

		top.Send(at(request("svc1.x", 6, obj{}), 1))
		low.Next()
		side.Send(at(request("svc3.x", 7, obj{}), 3))
		leaf.Next()
		leaf.Send(flagged(request("svc0.watch", 9, obj{}), codec.FlagStreaming))
		first := codec.NewResponse(top.Next())
		top.Send(first)
		want(t, leaf.Next(), 0, "")
		// Answered requests are not answered again.
		top.Send(at(request("svc1.done", 10, obj{}), 1))
		low.Send(codec.NewResponse(low.Next()))
		want(t, top.Next(), 0, "")

		if err := b.LoseRank(1); err != nil {
			t.Fatal(err)
		}
		want(t, top.Next(), 113, "")
		m := side.Next()
		want(t, m, 113, "")
		if m.Rolemask != 5 { // the next broker fills it in
			t.Errorf("rolemask %d, want that of the same rank", m.Rolemask)
		}
		m = leaf.Next()
		want(t, m, 113, "overlay disconnect")
		if m.Flags&codec.FlagStreaming == 0 {
			t.Errorf("flags %s, want those of the request", m.Flags)
		}
		for _, w := range []*wire{low, leaf} {
			if !w.Ended() {
				t.Errorf("a connection to a lost rank lives")
			}
		}
		top.None() // no disconnect notice comes out of what is lost
		for want := range strings.SplitSeq("0,2-6 0,2,4-6 0,2,5-6", " ") {
			if text, _ := codec.TextPayload(watch.Next().Payload); text != `{"members":"`+want+`"}` {
				t.Errorf("members %s, want %s", text, want)
			}
		}
		for _, rank := range []uint32{1, 3, 4} {
			want(t, top.Call(at(request("broker.ping", 1, obj{}), rank)), 113, "")
			if _, err := b.Dial(t.Context(), fluxtest.AtRank(rank)); err == nil {
				t.Errorf("rank %d welcomes although it is lost", rank)
			}
		}
		text, _ := codec.TextPayload(top.Call(request("overlay.health", 1, nil)).Payload)
		if !strings.Contains(text, `"status":"lost"`) || !strings.Contains(text, `"status":"full"`) ||
			!strings.Contains(text, `"error":`) {
			t.Error(text)
		}

		if err := b.Restart(); err != nil {
			t.Fatal(err)
		}
		if !top.Ended() {
			t.Errorf("a connection survived the restart")
		}
		w := dialWire(t, b, fluxtest.AtRank(3))
		want(t, w.Call(request("attr.get", 1, obj{"name": "rank"})), 0, `{"value":"3","flags":1}`)
	}, fluxtest.Size(7))
}

func TestLoseRankErrors(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		for _, rank := range []uint32{0, 2} {
			if err := b.LoseRank(rank); err == nil {
				t.Errorf("rank %d of 2 was lost", rank)
			}
		}
		if _, err := b.DialBytes(context.Background(), fluxtest.AtRank(2)); err == nil {
			t.Errorf("dialed rank 2 of 2")
		}
	}, fluxtest.Size(2))
}
