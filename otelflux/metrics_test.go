package otelflux_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/otelflux"
)

func TestMessageMetrics(t *testing.T) {
	otel, b := newCollector(t), fluxtest.New(t)
	var hooked atomic.Int64
	client := dial(t, otel, b, otelflux.WithHooks(flux.Hooks{
		Connected: func(bool) { hooked.Add(1) },
	}))
	ctx := testContext(t)
	events, err := client.Subscribe(ctx, "demo")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Publish(ctx, "demo.done", nil); err != nil {
		t.Fatal(err)
	}
	<-events
	for name, want := range map[string]int64{"sent": 2, "received": 2} {
		typ := map[string]string{"sent": "request", "received": "response"}[name]
		waitFor(t, typ+"s "+name, func() bool {
			return otel.sum("flux.client.messages."+name, attribute.String("flux.message.type", typ)) == want
		})
	}
	waitFor(t, "an event received", func() bool {
		return otel.sum("flux.client.messages.received", attribute.String("flux.message.type", "event")) == 1
	})
	if n := otel.sum("flux.client.connects"); n != 1 || hooked.Load() != 1 {
		t.Errorf("%d connects; the program's own hook was called %d times", n, hooked.Load())
	}
}

func TestReconnectMetrics(t *testing.T) {
	otel, b := newCollector(t), fluxtest.New(t)
	opts := append(otel.options(), flux.WithReconnect(flux.ReconnectPolicy{MinBackoff: time.Millisecond}))
	client := b.Client(opts...)
	if err := b.Restart(); err != nil {
		t.Fatal(err)
	}
	for client.Stats().Reconnects == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := client.Reconnect(testContext(t)); err != nil {
		t.Fatal(err)
	}
	client.Close()
	for name, want := range map[string]int64{"connects": 3, "reconnects": 2, "disconnects": 3} {
		waitFor(t, name, func() bool { return otel.sum("flux.client."+name) == want })
	}
}

func TestRetiredAndSlowMetrics(t *testing.T) {
	otel, b := newCollector(t), fluxtest.New(t)
	client := dial(t, otel, b)
	b.Handle("calc.hang", func(r *fluxtest.Request) { <-r.Context().Done() })
	b.Handle("calc.flood", func(r *fluxtest.Request) {
		for range 500 {
			r.Respond(map[string]int{"n": 1})
		}
	})
	ctx, cancel := context.WithTimeout(testContext(t), 10*time.Millisecond)
	defer cancel()
	client.Call(ctx, "calc.hang", nil)
	waitFor(t, "a retired matchtag", func() bool {
		return otel.sum("flux.client.matchtags.retired", attribute.String("flux.topic", "calc.hang")) == 1
	})

	stream, err := client.Stream(testContext(t), "calc.flood", nil, flux.QueueLimit(10, 0))
	if err != nil {
		t.Fatal(err)
	}
	flood := attribute.String("flux.topic", "calc.flood")
	waitFor(t, "slow consumer", func() bool { return otel.sum("flux.client.slow_consumers", flood) == 1 })
	for range stream {
	}
	depths, sum := otel.count("flux.client.queue.depth", flood)
	if depths == 0 || sum/float64(depths) > 10 {
		t.Errorf("%d queue depths, sum %v", depths, sum)
	}
	if sizes, sum := otel.count("flux.client.queue.size", flood); sizes != depths || sum == 0 {
		t.Errorf("%d queue sizes, sum %v", sizes, sum)
	}
	span := otel.ended("calc/flood")
	wantAttrs(t, span, attribute.String("error.type", "slow_consumer"))
}

func TestWithTopics(t *testing.T) {
	otel, b := newCollector(t), fluxtest.New(t)
	client := dial(t, otel, b, otelflux.WithTopics(func(topic string) string {
		switch topic {
		case "broker.ping":
			return ""
		case "job-17.status":
			return "job-ID.status"
		}
		return topic
	}))
	client.Call(testContext(t), "broker.ping", map[string]int{"seq": 1})
	client.Call(testContext(t), "job-17.status", nil)
	otel.ended("job-ID/status")
	if spans := otel.spans.Ended(); len(spans) != 1 {
		t.Errorf("%d spans, want only that of the topic that was not left out", len(spans))
	}
	if n, _ := otel.count("rpc.client.duration"); n != 1 {
		t.Errorf("%d durations, want 1", n)
	}
}

func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for range 1000 {
		if cond() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("waited in vain for: %s", what)
}
