package fluxtest_test

import (
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
)

func TestClient(t *testing.T) {
	try := func(t *testing.T, b *fluxtest.Broker) {
		first, second := b.Client(), b.ClientAt(2)
		guest := b.ClientAs([]fluxtest.DialOption{fluxtest.AtRank(1), fluxtest.AsGuest(7)})
		if got := rankOf(t, first) + rankOf(t, second) + rankOf(t, guest); got != "021" {
			t.Errorf("ranks %s", got)
		}
		isGuest := func(c *fluxtest.Conn) bool { return c.UserID() == 7 && c.Rank() == 1 }
		if conns := b.Conns(); len(conns) != 3 || !slices.ContainsFunc(conns, isGuest) {
			t.Errorf("%d connections", len(conns))
		}
	}
	t.Run("sockets", func(t *testing.T) { try(t, fluxtest.New(t, fluxtest.Size(3))) })
	t.Run("bubble", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { try(t, fluxtest.New(t, fluxtest.InProcess(), fluxtest.Size(3))) })
	})
}

// rankOf asks for the rank of a client's broker.
func rankOf(t *testing.T, c *flux.Client) string {
	t.Helper()
	v, err := flux.CallAs[struct{ Value string }](t.Context(), c, "attr.get", obj{"name": "rank"})
	if err != nil {
		t.Error(err)
	}
	return v.Value
}

func TestRealBroker(t *testing.T) {
	var r *fluxtest.RealBroker
	var c *flux.Client
	t.Run("alive", func(t *testing.T) {
		r = fluxtest.Real(t, 3, "-Stbon.topo=kary:1")
		c = r.Client()
		if got := rankOf(t, c) + rankOf(t, r.ClientAt(2)); got != "02" || r.Size() != 3 ||
			r.URI() != r.URIOf(0) || r.URIOf(0) == r.URIOf(2) {
			t.Errorf("ranks %s, size %d, %s, %s", got, r.Size(), r.URI(), r.URIOf(2))
		}
		if v, err := c.Attr(t.Context(), "tbon.maxlevel"); v != "2" || err != nil {
			t.Errorf("tbon.maxlevel %s, %v: the options were not used", v, err)
		}
		if err := r.LoseRank(7); err == nil {
			t.Errorf("rank 7 of 3 was lost")
		}
		s := &spy{T: t}
		if c := fluxtest.Real(s, 1).Client(fluxtest.AsGuest(7)); c != nil || len(s.said) != 1 {
			t.Errorf("%v, %q: a guest's client of a real instance", c, s.said)
		}
		s.end()
		low := r.ClientAt(2)
		if err := r.LoseRank(1); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Call(t.Context(), "broker.ping", obj{}, flux.Rank(2)); !errors.Is(err, flux.EHOSTUNREACH) {
			t.Errorf("%v, want %v", err, flux.EHOSTUNREACH)
		}
		<-low.Done()
	})
	if c == nil {
		t.Skip("NOT TESTED: no real instance")
	}
	<-c.Done() // closed with the test
	if _, err := c.Call(t.Context(), "broker.ping", obj{}); !errors.Is(err, flux.ErrClosed) {
		t.Errorf("%v, want %v", err, flux.ErrClosed)
	}
	if err := r.Close(); err != nil {
		t.Errorf("the second Close: %v", err)
	}
}

// An instance that does not start fails the test, and says why.
func TestRealBrokerThatDoesNotStart(t *testing.T) {
	if _, err := exec.LookPath("flux"); err != nil {
		t.Skipf("NOT TESTED: %v", err)
	}
	s := &spy{T: t}
	if r := fluxtest.Real(s, 1, "--no-such-option"); r != nil || !strings.Contains(strings.Join(s.said, " "),
		"no-such-option") {
		t.Errorf("%v, %q", r, s.said)
	}
}

func TestClientOfAClosedBroker(t *testing.T) {
	b, err := fluxtest.Start(fluxtest.InProcess())
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	defer func() {
		if recover() == nil {
			t.Errorf("no panic")
		}
	}()
	b.Client()
}

// Who has connected is among the connections.
func TestConnsAtOnce(t *testing.T) {
	for _, opts := range [][]fluxtest.Option{nil, {fluxtest.InProcess()}} {
		b := fluxtest.New(t, opts...)
		for n := 1; n <= 300; n++ {
			c, err := flux.Dial(t.Context(), b.URI())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if list := b.Conns(); len(list) != n || list[n-1].Number() != n {
				t.Fatalf("%d connections after Dial, want %d", len(list), n)
			}
		}
	}
}

// A client can be another user's, and stays that over a restart.
func TestGuestClient(t *testing.T) {
	try := func(t *testing.T, b *fluxtest.Broker) {
		guest := b.Client(fluxtest.AsGuest(1234), fluxtest.AtRank(1), flux.WithReconnect(flux.ReconnectPolicy{}))
		low := b.ClientAt(1, fluxtest.AsUser(1235))
		admin := b.Client(fluxtest.AsRoles(1236, uint32(flux.RoleUser|flux.RoleAdmin)))
		type seen struct{ UserID, RoleMask, Rank uint32 }
		ping := func(c *flux.Client) seen {
			t.Helper()
			v, err := flux.CallAs[seen](t.Context(), c, "broker.ping", obj{}, flux.Rank(1))
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		for c, want := range map[*flux.Client]seen{guest: {1234, 6, 1}, low: {1235, 6, 1}, admin: {1236, 10, 1}} {
			if got := ping(c); got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		}
		events, err := guest.Subscribe(t.Context(), "none")
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Restart(); err != nil {
			t.Fatal(err)
		}
		restored(t, events)
		if got, want := ping(guest), (seen{1234, 6, 1}); got != want {
			t.Errorf("after the restart: %+v, want %+v", got, want)
		}
		var denied *flux.Error
		if err := guest.SetAttr(t.Context(), "test.x", "1"); !errors.As(err, &denied) || denied.Errno != flux.EPERM {
			t.Errorf("a guest sets an attribute: %v", err)
		}
	}
	t.Run("sockets", func(t *testing.T) { try(t, fluxtest.New(t, fluxtest.Size(2), fluxtest.AllowGuests())) })
	t.Run("bubble", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			try(t, fluxtest.New(t, fluxtest.InProcess(), fluxtest.Size(2), fluxtest.AllowGuests()))
		})
	})
}

// A user whom the policy keeps out is refused.
func TestClientOfAStranger(t *testing.T) {
	s := &spy{T: t}
	b := fluxtest.New(s, fluxtest.InProcess())
	defer s.end()
	if c := b.Client(fluxtest.AsUser(4321)); c != nil || !strings.Contains(strings.Join(s.said, " "), "EPERM") &&
		!strings.Contains(strings.Join(s.said, " "), "not permitted") {
		t.Errorf("%v, %q", c, s.said)
	}
}

// The leak of a clone is told apart.
func TestLeakOfAClone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb := &spy{T: t}
		b := fluxtest.New(tb, fluxtest.InProcess(), fluxtest.Owner(0))
		first, second := b.Client(), b.Client()
		if _, err := second.Rank(t.Context()); err != nil {
			t.Fatal(err)
		}
		clone := second.Clone()
		first.Clone().Close()
		tb.end()
		clone.Close()
		want := "fluxtest: 1 connections outlive the test:\n\tconnection 2 at rank 0, userid 0, subscribed to [], " +
			"with services []: that of a client from Broker.Client, which is closed; a Clone of it is not"
		if len(tb.said) != 1 || tb.said[0] != want {
			t.Errorf("%q, want %q", tb.said, want)
		}
	})
}
