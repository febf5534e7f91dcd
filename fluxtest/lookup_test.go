package fluxtest_test

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
			cli.send(request("s.x", 7, nil), request("s.x", 8, nil))
			if to == nil {
				for range 2 {
					if m := cli.take(); m == nil || m.Errnum != 38 {
						t.Errorf("%s: %s, want ENOSYS", what, show(m))
					}
				}
				return nil
			}
			first, second := to.take(), to.take()
			if first == nil || second == nil || first.Matchtag != 7 || second.Matchtag != 8 {
				t.Fatalf("%s: %s, %s", what, show(first), show(second))
			}
			return second
		}
		send("nobody", nil)
		for range 2 {
			one.send(request("service.add", 1, name))
			one.take()
			send("the first service", one)
			one.send(request("service.remove", 1, name))
			one.take()
			send("between", nil)
			two.send(request("service.add", 1, name))
			two.take()
			send("the second service", two)
			two.send(request("service.remove", 1, name))
			two.take()
		}
		two.send(request("service.add", 1, name))
		two.take()
		m := send("the last", two)
		two.send(codec.NewResponse(m), codec.NewResponse(m))
		for range 2 {
			if cli.take() == nil {
				t.Error("no response")
			}
		}
		// Who has gone gets no more, and others as before.
		other := dialWire(t, b)
		cli.conn.Close()
		synctest.Wait()
		other.send(request("s.x", 9, nil))
		n := two.take()
		for n != nil && n.Matchtag != 9 { // the disconnect notice
			n = two.take()
		}
		if n == nil {
			t.Fatal("no request")
		}
		two.send(codec.NewResponse(m), codec.NewResponse(n), codec.NewResponse(m))
		if got := other.take(); got == nil || got.Matchtag != 9 {
			t.Errorf("%s", show(got))
		}
		two.conn.Close()
		synctest.Wait()
		cli = other
		send("the service has gone", nil)
	})
}
