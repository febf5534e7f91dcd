package fluxtest

import (
	"slices"

	"github.com/flux-sdk/flux"
)

// Serve has a handler, or a [*flux.ServeMux], stand in for a service at rank 0, as
// [flux.Client.Serve] of a client of its own does, and returns when it takes
// requests: the same handler that a program serves can be served to a test, and
// goes through the same wire. To script answers instead, errors and silence among
// them, use [Broker.Handle].
//
// The client that serves is returned. Its Close takes the service away, as does
// the end of the broker; after [Broker.Restart] the service comes back. If it
// cannot be registered, because its name is taken for example, the test fails at
// once, or, with a broker from [Start], Serve panics. A [flux.OnReady] among the
// options is not called.
func (b *Broker) Serve(service string, h flux.Handler, opts ...flux.ServeOption) *flux.Client {
	if b.tb != nil {
		b.tb.Helper()
	}
	c := b.Client(flux.WithReconnect(flux.ReconnectPolicy{}))
	ready, ended := make(chan struct{}), make(chan error, 1)
	opts = append(slices.Clip(opts), flux.OnReady(func() { close(ready) }))
	if !b.start(func() { ended <- c.Serve(b.done, service, h, opts...) }) {
		ended <- ErrClosed
	}
	select {
	case <-ready:
	case err := <-ended:
		c.Close()
		b.fatalf("fluxtest: Serve(%q): %v", service, err)
	}
	return c
}
