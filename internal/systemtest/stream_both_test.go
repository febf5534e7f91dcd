package systemtest

import (
	"context"
	"testing"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
)

// instance is a broker of either kind.
type instance interface {
	URI() string
	URIOf(rank uint32) string
}

// both runs a test on the embedded broker and, where Flux is installed, on a
// real one of the same size.
func both(t *testing.T, size int, f func(t *testing.T, b instance)) {
	t.Run("fluxtest", func(t *testing.T) { f(t, fluxtest.New(t, fluxtest.Size(size))) })
	t.Run("real", func(t *testing.T) { f(t, fluxtest.Real(t, size)) })
}

// dialAt connects to a rank; the connection is closed with the test.
func dialAt(t testing.TB, b instance, rank uint32, opts ...flux.DialOption) *flux.Client {
	t.Helper()
	c, err := flux.Dial(t.Context(), b.URIOf(rank), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// soon is a ctx for what must not take long.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// await makes calls until cond holds: for what a broker does without an answer.
func await(t testing.TB, c *flux.Client, what string, cond func() bool) {
	t.Helper()
	ctx := soon(t)
	for !cond() {
		if _, err := c.Call(ctx, "attr.get", map[string]string{"name": "log-level"}); err != nil {
			t.Fatalf("waiting until %s: %v", what, err)
		}
	}
}

// noTags waits until the replies to all that was given up have come.
func noTags(t testing.TB, c *flux.Client) {
	t.Helper()
	await(t, c, "no matchtag is in use", func() bool { s := c.Stats(); return s.Live == 0 && s.Retired == 0 })
}
