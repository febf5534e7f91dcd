package otelflux

import (
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.38.0"
	"go.opentelemetry.io/otel/trace"
)

// operation is a call, stream or handled request under way.
type operation struct {
	t     *telemetry
	ctx   context.Context // with the span in it
	span  trace.Span
	start time.Time
	attrs []attribute.KeyValue // of its metrics
}

// begin starts an operation; extra are attributes of the span alone.
func (t *telemetry) begin(ctx context.Context, topic, name string, extra []attribute.KeyValue, opts ...trace.SpanStartOption) *operation {
	o := &operation{t: t, start: time.Now(), attrs: append(names(topic), t.attrs...)}
	opts = append(opts, trace.WithTimestamp(o.start), trace.WithAttributes(o.attrs...), trace.WithAttributes(extra...))
	o.ctx, o.span = t.tracer.Start(ctx, name, opts...)
	return o
}

// fail notes what went wrong; attrs are of the span alone.
func (o *operation) fail(class, text string, attrs ...attribute.KeyValue) {
	kind := semconv.ErrorTypeKey.String(class)
	o.attrs = append(o.attrs, kind)
	o.span.SetAttributes(append(attrs, kind)...)
	o.span.SetStatus(codes.Error, text)
}

// failWith notes an error of this side or of the other.
func (o *operation) failWith(err error) {
	var attrs []attribute.KeyValue
	if errno, ok := remoteErrno(err); ok {
		attrs = append(attrs, errno)
	}
	o.fail(errorType(err), err.Error(), attrs...)
}

// took ends an operation that is measured by its duration.
func (o *operation) took(h metric.Float64Histogram) {
	ms := float64(time.Since(o.start)) / float64(time.Millisecond)
	h.Record(o.ctx, ms, metric.WithAttributeSet(o.set()))
	o.span.End()
}

// delivered ends an operation that is measured by its responses: the
// conventions have no duration for a stream.
func (o *operation) delivered(h metric.Int64Histogram, responses int64) {
	h.Record(o.ctx, responses, metric.WithAttributeSet(o.set()))
	o.span.SetAttributes(responsesKey.Int64(responses))
	o.span.End()
}

// set copies, because NewSet sorts in place.
func (o *operation) set() attribute.Set { return attribute.NewSet(slices.Clone(o.attrs)...) }
