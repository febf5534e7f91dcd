package fluxtest

import (
	"context"
	"fmt"

	"github.com/flux-sdk/flux"
)

// Client returns a new client of rank 0, connected as the instance owner. It is
// closed when the broker is, before anything else of it ends. If it cannot be
// made, the test fails at once, or, with a broker from [Start], Client panics.
func (b *Broker) Client(opts ...flux.DialOption) *flux.Client {
	if b.tb != nil {
		b.tb.Helper()
	}
	return b.client(0, nil, opts)
}

// ClientAt is [Broker.Client] for another rank.
func (b *Broker) ClientAt(rank uint32, opts ...flux.DialOption) *flux.Client {
	if b.tb != nil {
		b.tb.Helper()
	}
	return b.client(rank, nil, opts)
}

// ClientAs is [Broker.Client] for a connection that [Broker.Dial] makes with
// the given options, a guest's for example. It cannot reconnect.
func (b *Broker) ClientAs(dial []DialOption, opts ...flux.DialOption) *flux.Client {
	if b.tb != nil {
		b.tb.Helper()
	}
	return b.client(0, dial, opts)
}

func (b *Broker) client(rank uint32, dial []DialOption, opts []flux.DialOption) *flux.Client {
	var c *flux.Client
	var err error
	if dial == nil {
		c, err = flux.Dial(b.done, b.URIOf(rank), opts...)
	} else {
		conn, derr := b.Dial(context.WithoutCancel(b.done), dial...)
		if err = derr; err == nil {
			c = flux.NewClient(conn, opts...)
		}
	}
	if err != nil {
		if b.tb != nil {
			b.tb.Helper()
			b.tb.Fatalf("fluxtest: Client: %v", err)
		}
		panic(fmt.Sprintf("fluxtest: Client: %v", err))
	}
	b.onClose(func() { c.Close() })
	return c
}

// Client returns a new client of rank 0. It is closed when the test ends.
func (r *RealBroker) Client(opts ...flux.DialOption) *flux.Client {
	r.tb.Helper()
	return r.ClientAt(0, opts...)
}

// ClientAt is [RealBroker.Client] for another rank.
func (r *RealBroker) ClientAt(rank uint32, opts ...flux.DialOption) *flux.Client {
	r.tb.Helper()
	c, err := flux.Dial(context.Background(), r.URIOf(rank), opts...)
	if err != nil {
		r.tb.Fatalf("fluxtest: Client: %v", err)
	}
	r.tb.Cleanup(func() { c.Close() })
	return c
}
