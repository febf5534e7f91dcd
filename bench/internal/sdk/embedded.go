package sdk

import (
	"context"
	"fmt"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
)

// embed measures calls from one client to the service of another, through a
// broker in this process: four hops.
func (b *Bench) embed(ctx context.Context, a args) error {
	return b.embedded(ctx, true, func(c *flux.Client) error {
		return b.depth(ctx, "embed", raw(c, "x.echo", event), a)
	})
}

// embed2 measures calls that the broker itself answers: two hops.
func (b *Bench) embed2(ctx context.Context, a args) error {
	return b.embedded(ctx, false, func(c *flux.Client) error {
		return b.depth(ctx, "embed2", b.request(c, args{"attr.get", `{"name":"rank"}`}), a)
	})
}

// depth measures an exchange as DEPTH N ask for.
func (b *Bench) depth(ctx context.Context, test string, x exchange, a args) error {
	depth, n := a.num(0), a.num(1)
	test = fmt.Sprintf("%s:%d", test, depth)
	if depth == 1 && b.API != "go" {
		return b.oneByOne(ctx, test, x, n)
	}
	return b.many(ctx, test, x, depth, n)
}

// embedStream measures a stream through a broker in this process, after a short
// one as its peers do.
func (b *Bench) embedStream(ctx context.Context, a args) error {
	return b.embedded(ctx, true, func(c *flux.Client) error {
		n := a.num(0)
		if err := receive(ctx, c, "x", n/10+1); err != nil {
			return err
		}
		return b.consume(ctx, c, "embedstream", "x", n)
	})
}

// embedded calls f with a client of a broker, another client of which serves x.
func (b *Bench) embedded(ctx context.Context, service bool, f func(*flux.Client) error) error {
	opts := []fluxtest.Option{fluxtest.Record(0)}
	if b.Conn == "memory" {
		opts = append(opts, fluxtest.InProcess())
	}
	broker, err := fluxtest.Start(opts...)
	if err != nil {
		return err
	}
	defer broker.Close()
	c, err := b.dialURI(ctx, broker.URI())
	if err != nil {
		return err
	}
	defer c.Close()
	if !service {
		return f(c)
	}
	svc, err := b.dialURI(ctx, broker.URI())
	if err != nil {
		return err
	}
	defer svc.Close()
	ctx, stop := context.WithCancel(ctx)
	ready, served := make(chan struct{}), make(chan error, 1)
	go func() { served <- b.serve(ctx, svc, "x", func() { close(ready) }) }()
	select {
	case <-ready:
		err = f(c)
	case err = <-served:
		served <- nil
	}
	stop()
	if serr := <-served; err == nil {
		err = serr
	}
	return err
}
