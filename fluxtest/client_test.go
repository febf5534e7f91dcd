package fluxtest_test

import (
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
)

func TestClient(t *testing.T) {
	try := func(t *testing.T, b *fluxtest.Broker) {
		rank := func(c *flux.Client) string {
			var v struct{ Value string }
			r, err := c.Call(t.Context(), "attr.get", map[string]string{"name": "rank"})
			if err == nil {
				err = r.Decode(&v)
			}
			if err != nil {
				t.Error(err)
			}
			return v.Value
		}
		if got := rank(b.Client()) + rank(b.ClientAt(2)) + rank(b.ClientAs([]fluxtest.DialOption{fluxtest.AtRank(1), fluxtest.AsGuest(7)})); got != "021" {
			t.Errorf("ranks %s", got)
		}
		if conns := b.Conns(); len(conns) != 3 || conns[2].UserID() != 7 {
			t.Errorf("%d connections", len(conns))
		}
	}
	t.Run("sockets", func(t *testing.T) { try(t, fluxtest.New(t, fluxtest.Size(3))) })
	t.Run("bubble", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { try(t, fluxtest.New(t, fluxtest.InProcess(), fluxtest.Size(3))) })
	})
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
