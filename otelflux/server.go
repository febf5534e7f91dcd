package otelflux

import (
	"context"
	"errors"
	"sync/atomic"

	"go.opentelemetry.io/otel/trace"

	"github.com/flux-sdk/flux"
)

// handler wraps a handler in a span.
func (t *telemetry) handler(next flux.Handler) flux.Handler {
	return flux.HandlerFunc(func(ctx context.Context, w flux.Responder, r *flux.Request) (err error) {
		topic := t.name(r.Topic())
		if topic == "" {
			return next.ServeFlux(ctx, w, r)
		}
		o := t.beginHandler(ctx, topic, r)
		counted := &countingResponder{Responder: w}
		returned := false
		defer func() { // of a panic too, which goes on to the client's own recover
			if !returned {
				o.fail("panic", "handler did not return", errnoKey.Int(int(flux.EIO)))
			}
			if r.Streaming() {
				o.delivered(t.m.serverResponses, counted.n.Load())
			} else {
				o.took(t.m.serverDuration)
			}
		}()
		err = next.ServeFlux(o.ctx, counted, r)
		returned = true
		if err != nil {
			o.handlerFailed(ctx, err)
		}
		return err
	})
}

func (t *telemetry) beginHandler(ctx context.Context, topic string, r *flux.Request) *operation {
	extra := append(requestAttrs(r.Message()), useridKey.Int64(int64(r.UserID())))
	if r.Streaming() {
		extra = append(extra, streamingKey.Bool(true))
	}
	opts := []trace.SpanStartOption{trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindServer)}
	if outer := trace.SpanContextFromContext(ctx); outer.IsValid() {
		opts = append(opts, trace.WithLinks(trace.Link{SpanContext: outer})) // Serve's
	}
	return t.begin(ctx, topic, spanName(topic), extra, opts...)
}

// handlerFailed tells failures from requesters that left.
func (o *operation) handlerFailed(ctx context.Context, err error) {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, flux.ErrPeerCanceled):
		o.span.SetAttributes(endKey.String("canceled"))
	case errors.Is(cause, flux.ErrPeerDisconnected):
		o.span.SetAttributes(endKey.String("disconnected"))
	case errors.Is(cause, flux.ErrServeEnded):
		o.span.SetAttributes(endKey.String("service_ended"))
	default:
		errno := answeredErrno(err)
		o.fail(errno.Name(), err.Error(), errnoKey.Int(int(errno)))
	}
}

// countingResponder counts the responses that were sent.
type countingResponder struct {
	flux.Responder
	n atomic.Int64
}

func (c *countingResponder) Respond(v any) error { return c.count(c.Responder.Respond(v)) }

func (c *countingResponder) Send(v any) error { return c.count(c.Responder.Send(v)) }

func (c *countingResponder) count(err error) error {
	if err == nil {
		c.n.Add(1)
	}
	return err
}
