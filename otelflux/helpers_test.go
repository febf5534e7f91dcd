package otelflux_test

import (
	"context"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/otelflux"
)

// collector is an in-memory OpenTelemetry.
type collector struct {
	t      *testing.T
	spans  *tracetest.SpanRecorder
	tracer *sdktrace.TracerProvider
	reader *sdkmetric.ManualReader
	meters *sdkmetric.MeterProvider
}

func newCollector(t *testing.T) *collector {
	c := &collector{t: t, spans: tracetest.NewSpanRecorder(), reader: sdkmetric.NewManualReader()}
	c.tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(c.spans))
	c.meters = sdkmetric.NewMeterProvider(sdkmetric.WithReader(c.reader))
	return c
}

func (c *collector) options(opts ...otelflux.Option) []flux.DialOption {
	return otelflux.New(append(opts, otelflux.WithTracerProvider(c.tracer), otelflux.WithMeterProvider(c.meters))...)
}

// ended waits for a span of that name to end.
func (c *collector) ended(name string) sdktrace.ReadOnlySpan {
	c.t.Helper()
	var seen []string
	for range 500 {
		seen = seen[:0]
		for _, s := range c.spans.Ended() {
			if s.Name() == name {
				return s
			}
			seen = append(seen, s.Name())
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.t.Fatalf("no span %q has ended; there are %q", name, seen)
	return nil
}

// sum adds up a counter over the points that have all the attributes.
func (c *collector) sum(name string, with ...attribute.KeyValue) int64 {
	c.t.Helper()
	data, ok := c.metric(name).(metricdata.Sum[int64])
	if !ok {
		return 0
	}
	var n int64
	for _, p := range data.DataPoints {
		if has(p.Attributes, with) {
			n += p.Value
		}
	}
	return n
}

// count is how many values a histogram has got, and their sum.
func (c *collector) count(name string, with ...attribute.KeyValue) (n uint64, sum float64) {
	c.t.Helper()
	switch data := c.metric(name).(type) {
	case metricdata.Histogram[float64]:
		for _, p := range data.DataPoints {
			if has(p.Attributes, with) {
				n, sum = n+p.Count, sum+p.Sum
			}
		}
	case metricdata.Histogram[int64]:
		for _, p := range data.DataPoints {
			if has(p.Attributes, with) {
				n, sum = n+p.Count, sum+float64(p.Sum)
			}
		}
	}
	return n, sum
}

func (c *collector) metric(name string) metricdata.Aggregation {
	c.t.Helper()
	var all metricdata.ResourceMetrics
	if err := c.reader.Collect(context.Background(), &all); err != nil {
		c.t.Fatal(err)
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name == name {
				return m.Data
			}
		}
	}
	return nil
}

func has(set attribute.Set, with []attribute.KeyValue) bool {
	for _, kv := range with {
		if v, ok := set.Value(kv.Key); !ok || v != kv.Value {
			return false
		}
	}
	return true
}

// wantAttrs fails the test unless the span has all the attributes.
func wantAttrs(t *testing.T, span sdktrace.ReadOnlySpan, want ...attribute.KeyValue) {
	t.Helper()
	set := attribute.NewSet(span.Attributes()...)
	for _, kv := range want {
		if got, _ := set.Value(kv.Key); got != kv.Value {
			t.Errorf("span %q: %s is %v, want %v", span.Name(), kv.Key, got.String(), kv.Value.String())
		}
	}
}

func methodAttrs(service, method string) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("rpc.system", "flux"),
		attribute.String("rpc.service", service),
		attribute.String("rpc.method", method),
	}
}

// dial connects an instrumented client to a broker of the test's own.
func dial(t *testing.T, c *collector, b *fluxtest.Broker, opts ...otelflux.Option) *flux.Client {
	t.Helper()
	return b.Client(c.options(opts...)...)
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}
