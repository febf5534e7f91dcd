package otelflux

import (
	"bytes"
	"context"
	"encoding/json"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.38.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
)

// call wraps a call in a span.
func (t *telemetry) call(next flux.CallFunc) flux.CallFunc {
	return func(ctx context.Context, m *codec.Message) (flux.Response, error) {
		topic := t.name(m.Topic)
		if topic == "" {
			return next(ctx, m)
		}
		name, kind, extra := spanName(topic), trace.SpanKindClient, requestAttrs(m)
		if event := publishes(m); event != "" {
			if event = t.name(event); event == "" {
				return next(ctx, m)
			}
			name, kind = "publish "+event, trace.SpanKindProducer
			extra = append(extra, publishAttrs(event)...)
		}
		o := t.begin(ctx, topic, name, extra, trace.WithSpanKind(kind))
		r, err := next(o.ctx, m)
		if err != nil {
			o.failWith(err)
		}
		o.took(t.m.clientDuration)
		return r, err
	}
}

// stream wraps a stream in a span that ends when the stream does.
func (t *telemetry) stream(next flux.StreamFunc) flux.StreamFunc {
	return func(ctx context.Context, m *codec.Message) (<-chan flux.Response, error) {
		topic := t.name(m.Topic)
		if topic == "" {
			return next(ctx, m)
		}
		extra := append(requestAttrs(m), streamingKey.Bool(true))
		o := t.begin(ctx, topic, spanName(topic), extra, trace.WithSpanKind(trace.SpanKindClient))
		in, err := next(o.ctx, m)
		if err != nil {
			o.failWith(err)
			o.delivered(t.m.clientResponses, 0)
			return nil, err
		}
		return t.tap(o, in), nil
	}
}

// requestAttrs describe where a request goes.
func requestAttrs(m *codec.Message) []attribute.KeyValue {
	if m.NodeID == codec.NodeAny {
		return nil
	}
	return []attribute.KeyValue{rankKey.Int64(int64(m.NodeID))}
}

func publishAttrs(event string) []attribute.KeyValue {
	return []attribute.KeyValue{
		semconv.MessagingSystemKey.String("flux"),
		semconv.MessagingOperationName("publish"),
		semconv.MessagingOperationTypeSend,
		semconv.MessagingDestinationName(event),
	}
}

// publishes is the topic of the event that m asks to publish, or "". It reads
// no further than it has to: the event's payload may be large.
func publishes(m *codec.Message) string {
	if m.Topic != "event.publish" && m.Topic != "overlay.publish" {
		return ""
	}
	d := json.NewDecoder(bytes.NewReader(m.Payload))
	for range 3 { // {, a key, its value
		tok, err := d.Token()
		if err != nil {
			return ""
		}
		if tok == "topic" {
			tok, err = d.Token()
			topic, _ := tok.(string)
			if err != nil {
				return ""
			}
			return topic
		}
	}
	return ""
}
