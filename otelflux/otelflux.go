package otelflux

import (
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.38.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/flux-sdk/flux"
)

// ScopeName is the name of the instrumentation scope of all that is reported.
const ScopeName = "github.com/flux-sdk/flux/otelflux"

// New returns the options that make a client report to OpenTelemetry, by
// default to the global providers. The options may be used for any number of
// clients, whose numbers then add up.
//
// As a client has one [flux.Hooks], a further [flux.WithHooks] would take the
// place of this package's; use [WithHooks] instead. Other interceptors go
// together with it: those given before are outside of its spans.
func New(opts ...Option) []flux.DialOption {
	cfg := config{
		tracers: otel.GetTracerProvider(),
		meters:  otel.GetMeterProvider(),
		name:    func(topic string) string { return topic },
	}
	for _, opt := range opts {
		opt(&cfg)
	}
	t := &telemetry{
		config: cfg,
		tracer: cfg.tracers.Tracer(ScopeName, trace.WithSchemaURL(semconv.SchemaURL)),
		m:      newInstruments(cfg.meters.Meter(ScopeName, metric.WithSchemaURL(semconv.SchemaURL))),
	}
	return []flux.DialOption{
		flux.WithInterceptors(flux.InterceptorFuncs{Call: t.call, Stream: t.stream, Handler: t.handler}),
		flux.WithHooks(t.hooks()),
	}
}

// Option is an option of [New].
type Option func(*config)

type config struct {
	tracers trace.TracerProvider
	meters  metric.MeterProvider
	name    func(topic string) string
	attrs   []attribute.KeyValue
	next    flux.Hooks
}

// WithTracerProvider sets where spans go, in place of the global provider.
func WithTracerProvider(p trace.TracerProvider) Option {
	return func(c *config) { c.tracers = p }
}

// WithMeterProvider sets where metrics go, in place of the global provider.
func WithMeterProvider(p metric.MeterProvider) Option {
	return func(c *config) { c.meters = p }
}

// WithTopics names topics: f gets the topic of each call, stream, handled
// request and queue and returns the one to report instead, or "" to leave that
// operation out. It is called concurrently and must be quick.
func WithTopics(f func(topic string) string) Option {
	return func(c *config) { c.name = f }
}

// WithAttributes adds attributes to all spans and metrics.
func WithAttributes(attrs ...attribute.KeyValue) Option {
	return func(c *config) { c.attrs = append(c.attrs, attrs...) }
}

// WithHooks has h called as well, before this package's own hooks.
func WithHooks(h flux.Hooks) Option {
	return func(c *config) { c.next = h }
}

// telemetry is what the interceptors and hooks share.
type telemetry struct {
	config
	tracer trace.Tracer
	m      instruments
}
