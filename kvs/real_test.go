package kvs_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/kvs"
)

// instance is what the embedded and a real instance are to these tests.
type instance interface {
	URIOf(rank uint32) string
}

// onBoth runs a test on the embedded broker and, where flux is installed, on a real instance, of four ranks each.
func onBoth(t *testing.T, f func(t *testing.T, b instance)) {
	t.Run("embedded", func(t *testing.T) { f(t, fluxtest.New(t, fluxtest.Size(4))) })
	t.Run("real", func(t *testing.T) { f(t, fluxtest.Real(t, 4)) })
}

// dial returns a client of a rank.
func dial(t testing.TB, b instance, rank uint32, opts ...flux.DialOption) *flux.Client {
	t.Helper()
	c, err := flux.Dial(t.Context(), b.URIOf(rank), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// open returns a new namespace and a client at rank 0.
func open(t testing.TB, b instance, opts ...flux.DialOption) (*kvs.Store, *flux.Client) {
	t.Helper()
	c := dial(t, b, 0, opts...)
	return kvs.Open(c, kvs.Namespace(newNamespace(t, c))), c
}

var namespaces = make(chan int, 1)

func init() { namespaces <- 0 }

// newNamespace makes a namespace that no other test uses.
func newNamespace(t testing.TB, c *flux.Client) string {
	t.Helper()
	n := <-namespaces
	namespaces <- n + 1
	name := fmt.Sprintf("test%d", n)
	if err := kvs.CreateNamespace(t.Context(), c, name); err != nil {
		t.Fatal(err)
	}
	return name
}

// bounded returns a context that ends before the test is given up.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
