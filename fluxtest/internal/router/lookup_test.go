package router_test

import (
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest"
)

// A reader forgets what it found when the tables change.
func TestLookupFollowsChanges(t *testing.T) {
	bubble(t, func(t *testing.T, b *fluxtest.Broker) {
		one, two, cli := dialWire(t, b), dialWire(t, b), dialWire(t, b)
		name := obj{"service": "s"}
		send := func(what string, to *wire) *codec.Message {
			t.Helper()
			cli.Send(request("s.x", 7, nil), request("s.x", 8, nil))
			if to == nil {
				for range 2 {
					if m := cli.Take(); m == nil || m.Errnum != 38 {
						t.Errorf("%s: %s, want ENOSYS", what, show(m))
					}
				}
				return nil
			}
			first, second := to.Take(), to.Take()
			if first == nil || second == nil || first.Matchtag != 7 || second.Matchtag != 8 {
				t.Fatalf("%s: %s, %s", what, show(first), show(second))
			}
			return second
		}
		send("nobody", nil)
		for range 2 {
			one.Send(request("service.add", 1, name))
			one.Take()
			send("the first service", one)
			one.Send(request("service.remove", 1, name))
			one.Take()
			send("between", nil)
			two.Send(request("service.add", 1, name))
			two.Take()
			send("the second service", two)
			two.Send(request("service.remove", 1, name))
			two.Take()
		}
		two.Send(request("service.add", 1, name))
		two.Take()
		m := send("the last", two)
		two.Send(codec.NewResponse(m), codec.NewResponse(m))
		for range 2 {
			if cli.Take() == nil {
				t.Error("no response")
			}
		}
		// Who has gone gets no more, and others as before.
		other := dialWire(t, b)
		cli.Conn.Close()
		synctest.Wait()
		other.Send(request("s.x", 9, nil))
		n := two.Take()
		for n != nil && n.Matchtag != 9 { // the disconnect notice
			n = two.Take()
		}
		if n == nil {
			t.Fatal("no request")
		}
		two.Send(codec.NewResponse(m), codec.NewResponse(n), codec.NewResponse(m))
		if got := other.Take(); got == nil || got.Matchtag != 9 {
			t.Errorf("%s", show(got))
		}
		two.Conn.Close()
		synctest.Wait()
		cli = other
		send("the service has gone", nil)
	})
}
