package otelflux_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
)

// serve runs the calc service on an instrumented client until the test ends.
func serve(t *testing.T, otel *collector, b *fluxtest.Broker, ctx context.Context) (started chan struct{}) {
	started = make(chan struct{}, 1)
	mux := flux.NewServeMux()
	mux.Handle("calc.add", flux.Unary(func(ctx context.Context, _ struct{ A, B int }) (map[string]int, error) {
		trace.SpanFromContext(ctx).AddEvent("adding")
		return map[string]int{"sum": 3}, nil
	}))
	mux.HandleFunc("calc.fail", func(context.Context, flux.Responder, *flux.Request) error {
		return fmt.Errorf("out of numbers: %w", flux.ENOSPC)
	})
	mux.HandleFunc("calc.plain", func(context.Context, flux.Responder, *flux.Request) error {
		return errors.New("just so")
	})
	mux.HandleFunc("calc.panic", func(context.Context, flux.Responder, *flux.Request) error { panic("ouch") })
	mux.Handle("calc.count", flux.ServerStream(func(context.Context, struct{}) iter.Seq2[map[string]int, error] {
		return func(yield func(map[string]int, error) bool) {
			for i := range 5 {
				if !yield(map[string]int{"n": i}, nil) {
					return
				}
			}
		}
	}))
	mux.HandleFunc("calc.follow", func(ctx context.Context, w flux.Responder, r *flux.Request) error {
		if err := w.Send(map[string]int{}); err != nil {
			return err
		}
		started <- struct{}{}
		<-ctx.Done()
		return context.Cause(ctx)
	}, flux.Streaming())

	quiet := flux.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))
	client := b.Client(append(otel.options(), quiet)...)
	ctx, stop := context.WithCancel(ctx)
	ready, served := make(chan struct{}), make(chan error, 1)
	go func() { served <- client.Serve(ctx, "calc", mux, flux.OnReady(func() { close(ready) })) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-ready:
	case err := <-served:
		t.Fatal(err)
	}
	return started
}

func TestHandlerSpans(t *testing.T) {
	otel, b := newCollector(t), fluxtest.New(t)
	outer, span := otel.tracer.Tracer("test").Start(testContext(t), "program")
	started := serve(t, otel, b, outer)
	span.End()
	caller := b.Client() // not instrumented
	ctx := testContext(t)

	if _, err := caller.Call(ctx, "calc.add", map[string]int{"a": 1, "b": 2}); err != nil {
		t.Fatal(err)
	}
	add := otel.ended("calc/add")
	if add.SpanKind() != trace.SpanKindServer || add.Status().Code != codes.Unset || len(add.Events()) != 1 {
		t.Errorf("kind %v, status %v, events %v", add.SpanKind(), add.Status(), add.Events())
	}
	if add.Parent().IsValid() || len(add.Links()) != 1 || add.Links()[0].SpanContext.SpanID() != span.SpanContext().SpanID() {
		t.Errorf("parent %v, links %v; want a root linked to the span around Serve", add.Parent(), add.Links())
	}
	wantAttrs(t, add, methodAttrs("calc", "add")...)
	if n, _ := otel.count("rpc.server.duration", methodAttrs("calc", "add")...); n != 1 {
		t.Errorf("rpc.server.duration has %d values", n)
	}

	for topic, want := range map[string]flux.Errno{"fail": flux.ENOSPC, "plain": flux.EIO} {
		if _, err := caller.Call(ctx, "calc."+topic, nil); !errors.Is(err, want) {
			t.Errorf("calc.%s: %v", topic, err)
		}
		span := otel.ended("calc/" + topic)
		if span.Status().Code != codes.Error {
			t.Errorf("calc.%s: status %+v", topic, span.Status())
		}
		wantAttrs(t, span, attribute.Int("rpc.flux.errno", int(want)), attribute.String("error.type", want.Name()))
	}

	if _, err := caller.Call(ctx, "calc.panic", nil); !errors.Is(err, flux.EIO) {
		t.Errorf("calc.panic: %v", err)
	}
	wantAttrs(t, otel.ended("calc/panic"), attribute.String("error.type", "panic"))

	for range flux.StreamAs[map[string]int](ctx, caller, "calc.count", nil) {
	}
	wantAttrs(t, otel.ended("calc/count"), attribute.Int("rpc.flux.responses", 5), attribute.Bool("rpc.flux.streaming", true))
	if n, sum := otel.count("rpc.server.responses_per_rpc"); n != 1 || sum != 5 {
		t.Errorf("rpc.server.responses_per_rpc: %d values, sum %v", n, sum)
	}

	following, leave := context.WithCancel(ctx)
	if _, err := caller.Stream(following, "calc.follow", nil); err != nil {
		t.Fatal(err)
	}
	<-started
	leave()
	follow := otel.ended("calc/follow")
	if follow.Status().Code != codes.Unset {
		t.Errorf("a cancelled stream: status %+v", follow.Status())
	}
	wantAttrs(t, follow, attribute.String("rpc.flux.end", "canceled"), attribute.Int("rpc.flux.responses", 1))
}
