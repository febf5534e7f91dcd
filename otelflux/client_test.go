package otelflux_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/otelflux"
)

func TestCallSpan(t *testing.T) {
	otel, b := newCollector(t), fluxtest.New(t)
	client := dial(t, otel, b, otelflux.WithAttributes(attribute.String("site", "test")))
	b.Handle("job-info.lookup", func(r *fluxtest.Request) { r.Respond(map[string]int{"id": 1}) })

	ctx, parent := otel.tracer.Tracer("test").Start(testContext(t), "parent")
	if _, err := client.Call(ctx, "job-info.lookup", nil, flux.Rank(0)); err != nil {
		t.Fatal(err)
	}
	parent.End()

	span := otel.ended("job-info/lookup")
	if span.SpanKind() != trace.SpanKindClient || span.Status().Code != codes.Unset {
		t.Errorf("kind %v, status %v", span.SpanKind(), span.Status())
	}
	if span.Parent().SpanID() != parent.SpanContext().SpanID() {
		t.Error("the call's span is not a child of the caller's")
	}
	wantAttrs(t, span, append(methodAttrs("job-info", "lookup"),
		attribute.Int("rpc.flux.rank", 0), attribute.String("site", "test"))...)
	if scope := span.InstrumentationScope(); scope.Name != otelflux.ScopeName || scope.SchemaURL == "" {
		t.Errorf("scope %+v", scope)
	}
	n, ms := otel.count("rpc.client.duration", append(methodAttrs("job-info", "lookup"), attribute.String("site", "test"))...)
	if n != 1 || ms <= 0 || ms > 20_000 {
		t.Errorf("rpc.client.duration: %d values, sum %v ms", n, ms)
	}
}

func TestCallErrors(t *testing.T) {
	otel, b := newCollector(t), fluxtest.New(t)
	client := dial(t, otel, b)
	b.Handle("calc.fail", func(r *fluxtest.Request) { r.Fail(&flux.Error{Errno: flux.ENOENT, Message: "no such thing"}) })
	b.Handle("calc.hang", func(r *fluxtest.Request) { <-r.Context().Done() })

	short, cancel := context.WithTimeout(testContext(t), 20*time.Millisecond)
	defer cancel()
	gone, leave := context.WithCancel(testContext(t))
	leave()
	for _, tt := range []struct {
		ctx         context.Context
		topic, span string
		class, text string
		errno       int64
	}{
		{testContext(t), "calc.fail", "calc/fail", "ENOENT", "calc.fail: no such thing (ENOENT)", int64(flux.ENOENT)},
		{testContext(t), "nobody.home", "nobody/home", "ENOSYS", "", int64(flux.ENOSYS)},
		{short, "calc.hang", "calc/hang", "timeout", "", 0},
		{gone, "calc.gone", "calc/gone", "canceled", "", 0},
	} {
		_, err := client.Call(tt.ctx, tt.topic, nil)
		if err == nil {
			t.Fatalf("%s: no error", tt.topic)
		}
		span := otel.ended(tt.span)
		if span.Status().Code != codes.Error || span.Status().Description != err.Error() {
			t.Errorf("%s: status %+v", tt.topic, span.Status())
		}
		if tt.text != "" && err.Error() != tt.text {
			t.Errorf("%s: error %q", tt.topic, err)
		}
		class := attribute.String("error.type", tt.class)
		wantAttrs(t, span, class)
		set := attribute.NewSet(span.Attributes()...)
		if v, ok := set.Value("rpc.flux.errno"); ok != (tt.errno != 0) || ok && v.AsInt64() != tt.errno {
			t.Errorf("%s: rpc.flux.errno %v, present %v", tt.topic, v.String(), ok)
		}
		if n, _ := otel.count("rpc.client.duration", class); n != 1 {
			t.Errorf("%s: %d durations with %v", tt.topic, n, class)
		}
	}
}

func TestPublishSpan(t *testing.T) {
	otel, b := newCollector(t), fluxtest.New(t)
	client := dial(t, otel, b)
	if _, err := client.Publish(testContext(t), "demo.done", map[string]int{"n": 1}); err != nil {
		t.Fatal(err)
	}
	span := otel.ended("publish demo.done")
	if span.SpanKind() != trace.SpanKindProducer {
		t.Errorf("kind %v", span.SpanKind())
	}
	wantAttrs(t, span, append(methodAttrs("event", "publish"),
		attribute.String("messaging.system", "flux"),
		attribute.String("messaging.operation.name", "publish"),
		attribute.String("messaging.operation.type", "send"),
		attribute.String("messaging.destination.name", "demo.done"))...)
}

func TestStreamSpan(t *testing.T) {
	otel, b := newCollector(t), fluxtest.New(t)
	client := dial(t, otel, b)
	release := make(chan struct{})
	b.Handle("calc.count", func(r *fluxtest.Request) {
		for i := range 1000 {
			r.Respond(map[string]int{"n": i})
		}
		<-release
		r.End()
	})
	stream, err := client.Stream(testContext(t), "calc.count", nil)
	if err != nil {
		t.Fatal(err)
	}
	next := 0
	for r := range stream {
		var v struct{ N int }
		if err := r.Decode(&v); err != nil {
			t.Fatal(err)
		}
		if v.N != next {
			t.Fatalf("item %d has the number %d", next, v.N)
		}
		if next++; next == 1000 {
			if len(otel.spans.Ended()) != 0 {
				t.Error("the span ended before the stream")
			}
			close(release)
		}
	}
	// No waiting: the span is over when the channel closes.
	spans := otel.spans.Ended()
	if next != 1000 || len(spans) != 1 {
		t.Fatalf("%d items, %d spans", next, len(spans))
	}
	if spans[0].Status().Code != codes.Unset || spans[0].SpanKind() != trace.SpanKindClient {
		t.Errorf("status %v, kind %v", spans[0].Status(), spans[0].SpanKind())
	}
	wantAttrs(t, spans[0], append(methodAttrs("calc", "count"),
		attribute.Bool("rpc.flux.streaming", true), attribute.Int("rpc.flux.responses", 1000))...)
	if n, sum := otel.count("rpc.client.responses_per_rpc", methodAttrs("calc", "count")...); n != 1 || sum != 1000 {
		t.Errorf("rpc.client.responses_per_rpc: %d values, sum %v", n, sum)
	}
}

func TestStreamEnds(t *testing.T) {
	otel, b := newCollector(t), fluxtest.New(t)
	client := dial(t, otel, b)
	endless := func(r *fluxtest.Request) {
		for r.Context().Err() == nil {
			r.Respond(map[string]int{"n": 1})
			time.Sleep(time.Millisecond)
		}
	}
	b.Handle("calc.left", endless)
	b.Handle("calc.late", endless)
	b.Handle("calc.lost", endless)
	b.Handle("calc.fail", func(r *fluxtest.Request) {
		r.Respond(map[string]int{"n": 1})
		r.Fail(&flux.Error{Errno: flux.EINVAL, Message: "enough"})
	})
	status := func(name string, code codes.Code, attrs ...attribute.KeyValue) {
		t.Helper()
		span := otel.ended(name)
		if span.Status().Code != code {
			t.Errorf("%s: status %+v", name, span.Status())
		}
		wantAttrs(t, span, attrs...)
	}

	for range flux.StreamAs[map[string]int](testContext(t), client, "calc.left", nil) {
		break
	}
	status("calc/left", codes.Unset, attribute.String("rpc.flux.end", "canceled"))

	ctx, cancel := context.WithTimeout(testContext(t), 20*time.Millisecond)
	defer cancel()
	if err := drain(ctx, client, "calc.late"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("calc.late ended with %v", err)
	}
	status("calc/late", codes.Error, attribute.String("error.type", "timeout"))

	if err := drain(testContext(t), client, "calc.fail"); !errors.Is(err, flux.EINVAL) {
		t.Errorf("calc.fail ended with %v", err)
	}
	status("calc/fail", codes.Error, attribute.String("error.type", "EINVAL"),
		attribute.Int("rpc.flux.errno", int(flux.EINVAL)), attribute.Int("rpc.flux.responses", 1))

	time.AfterFunc(20*time.Millisecond, b.Disconnect)
	if err := drain(testContext(t), client, "calc.lost"); !errors.Is(err, flux.ErrConnLost) {
		t.Errorf("calc.lost ended with %v", err)
	}
	status("calc/lost", codes.Error, attribute.String("error.type", "connection_lost"))

	if _, err := client.Stream(testContext(t), "calc.dead", nil); err == nil {
		t.Error("a stream on a lost connection")
	}
	status("calc/dead", codes.Error)
}

// drain reads a stream to its end and returns its error.
func drain(ctx context.Context, c *flux.Client, topic string) (err error) {
	stream, err := c.Stream(ctx, topic, nil)
	if err != nil {
		return err
	}
	for r := range stream {
		err = r.Err()
	}
	return err
}
