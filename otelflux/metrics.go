package otelflux

import (
	"context"
	"slices"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
)

// instruments are the metrics. Those that cannot be made are reported to
// OpenTelemetry's error handler and do nothing.
type instruments struct {
	clientDuration, serverDuration   metric.Float64Histogram
	clientResponses, serverResponses metric.Int64Histogram

	sent, received                    metric.Int64Counter
	connects, reconnects, disconnects metric.Int64Counter
	retired, slowConsumers            metric.Int64Counter
	queueDepth, queueSize             metric.Int64Histogram
}

// Calls to a local broker take tens of microseconds, which the default bounds
// would all put into the first bucket.
var (
	durationBounds = []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 60000}
	countBounds    = []float64{0, 1, 2, 5, 10, 100, 1e3, 1e4, 1e5, 1e6}
	sizeBounds     = []float64{1 << 10, 1 << 14, 1 << 17, 1 << 20, 1 << 22, 1 << 24, 1 << 25, 1 << 26}
)

func newInstruments(m metric.Meter) instruments {
	duration := func(name, text string) metric.Float64Histogram {
		return made(m.Float64Histogram(name, metric.WithUnit("ms"), metric.WithDescription(text),
			metric.WithExplicitBucketBoundaries(durationBounds...)))
	}
	histogram := func(name, unit, text string, bounds []float64) metric.Int64Histogram {
		return made(m.Int64Histogram(name, metric.WithUnit(unit), metric.WithDescription(text),
			metric.WithExplicitBucketBoundaries(bounds...)))
	}
	counter := func(name, unit, text string) metric.Int64Counter {
		return made(m.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(text)))
	}
	return instruments{
		clientDuration:  duration("rpc.client.duration", "Measures the duration of outbound RPC."),
		serverDuration:  duration("rpc.server.duration", "Measures the duration of inbound RPC."),
		clientResponses: histogram("rpc.client.responses_per_rpc", "{count}", "Measures the number of messages received per RPC.", countBounds),
		serverResponses: histogram("rpc.server.responses_per_rpc", "{count}", "Measures the number of messages sent per RPC.", countBounds),

		sent:          counter("flux.client.messages.sent", "{message}", "Messages accepted for sending."),
		received:      counter("flux.client.messages.received", "{message}", "Messages received."),
		connects:      counter("flux.client.connects", "{connection}", "Connections made or restored."),
		reconnects:    counter("flux.client.reconnects", "{connection}", "Connections restored."),
		disconnects:   counter("flux.client.disconnects", "{connection}", "Connections lost or closed."),
		retired:       counter("flux.client.matchtags.retired", "{matchtag}", "Requests given up before their last reply."),
		slowConsumers: counter("flux.client.slow_consumers", "{consumer}", "Streams and subscriptions ended by a queue limit."),
		queueDepth:    histogram("flux.client.queue.depth", "{message}", "Messages queued for a consumer that lags.", countBounds),
		queueSize:     histogram("flux.client.queue.size", "By", "Bytes queued for a consumer that lags.", sizeBounds),
	}
}

// made passes an instrument on and its error to where OpenTelemetry wants it.
func made[T any](instrument T, err error) T {
	if err != nil {
		otel.Handle(err)
	}
	return instrument
}

// hooks count what happens on the connection. There is no ctx to record with.
func (t *telemetry) hooks() flux.Hooks {
	ctx := context.Background()
	plain := metric.WithAttributeSet(attribute.NewSet(slices.Clone(t.attrs)...))
	byType := messageTypes(t.attrs)
	next := t.next
	return flux.Hooks{
		Connected: func(reconnect bool) {
			if next.Connected != nil {
				next.Connected(reconnect)
			}
			t.m.connects.Add(ctx, 1, plain)
			if reconnect {
				t.m.reconnects.Add(ctx, 1, plain)
			}
		},
		Disconnected: func(err error) {
			if next.Disconnected != nil {
				next.Disconnected(err)
			}
			t.m.disconnects.Add(ctx, 1, plain)
		},
		Sent: func(m *codec.Message) {
			if next.Sent != nil {
				next.Sent(m)
			}
			t.m.sent.Add(ctx, 1, byType[m.Type]...)
		},
		Received: func(m *codec.Message) {
			if next.Received != nil {
				next.Received(m)
			}
			t.m.received.Add(ctx, 1, byType[m.Type]...)
		},
		Queued: func(topic string, messages, bytes int) {
			if next.Queued != nil {
				next.Queued(topic, messages, bytes)
			}
			if set, ok := t.topicSet(topic); ok {
				t.m.queueDepth.Record(ctx, int64(messages), set)
				t.m.queueSize.Record(ctx, int64(bytes), set)
			}
		},
		SlowConsumer: func(topic string) {
			if next.SlowConsumer != nil {
				next.SlowConsumer(topic)
			}
			if set, ok := t.topicSet(topic); ok {
				t.m.slowConsumers.Add(ctx, 1, set)
			}
		},
		Retired: func(topic string, matchtag uint32) {
			if next.Retired != nil {
				next.Retired(topic, matchtag)
			}
			if set, ok := t.topicSet(topic); ok {
				t.m.retired.Add(ctx, 1, set)
			}
		},
	}
}

// messageTypes are the attributes of the message counters, made once because
// they are needed for every message.
func messageTypes(attrs []attribute.KeyValue) map[codec.Type][]metric.AddOption {
	sets := make(map[codec.Type][]metric.AddOption)
	for _, typ := range []codec.Type{codec.TypeRequest, codec.TypeResponse, codec.TypeEvent, codec.TypeControl} {
		list := append([]attribute.KeyValue{messageKey.String(typ.String())}, attrs...)
		sets[typ] = []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(list...))}
	}
	return sets
}

// topicSet is the attributes of a metric about one topic; false if the topic is
// to be left out. Of a subscription the topic is a prefix, which may be "".
func (t *telemetry) topicSet(topic string) (metric.MeasurementOption, bool) {
	if topic != "" {
		if topic = t.name(topic); topic == "" {
			return nil, false
		}
	}
	list := append([]attribute.KeyValue{topicKey.String(topic)}, t.attrs...)
	return metric.WithAttributeSet(attribute.NewSet(list...)), true
}
