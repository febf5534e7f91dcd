package otelflux_test

import (
	"context"
	"fmt"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/otelflux"
)

func Example() {
	broker, err := fluxtest.Start()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer broker.Close()

	// A program sends its spans to a collector instead, and sets the provider
	// for all of it with otel.SetTracerProvider.
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))

	ctx := context.Background()
	client, err := flux.Dial(ctx, broker.URI(), otelflux.New(otelflux.WithTracerProvider(provider))...)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	client.Call(ctx, "broker.ping", map[string]int{"seq": 1})
	client.Call(ctx, "nobody.home", nil)

	for _, span := range spans.GetSpans() {
		fmt.Println(span.Name, span.SpanKind, span.Status.Code)
	}
	// Output:
	// broker/ping client Unset
	// nobody/home client Error
}
