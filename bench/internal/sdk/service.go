package sdk

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/bench/internal/measure"
)

// serviceStats is the response of NAME.stats.
type serviceStats struct {
	CPU   float64 `json:"cpu_us"`
	Count float64 `json:"count"`
}

// streamRequest is the payload of NAME.stream.
type streamRequest struct {
	N int `json:"n"`
}

// heldCalls is more than any benchmark leaves unanswered.
const heldCalls = 1 << 20

// svc serves NAME until NAME.quit, or ctx, says so.
func (b *Bench) svc(ctx context.Context, a args) error {
	c, err := b.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return b.serve(ctx, c, a[0], func() { fmt.Fprintln(b.Out, "ready") })
}

// serve runs the service that the benchmarks call: echo, stream, hold, stats.
func (b *Bench) serve(ctx context.Context, c *flux.Client, name string, ready func()) error {
	var opts []flux.RouteOption
	switch b.Service {
	case "goroutine":
	case "inline":
		opts = append(opts, flux.Inline())
	case "sequential":
		opts = append(opts, flux.Sequential())
	default:
		return fmt.Errorf("unknown -svcmode %q", b.Service)
	}
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	var count atomic.Int64
	mux := flux.NewServeMux()
	mux.HandleFunc(name+".echo", func(_ context.Context, w flux.Responder, r *flux.Request) error {
		count.Add(1)
		p, err := r.Bytes()
		if err != nil {
			return err
		}
		err = w.Respond(p)
		r.Release()
		return err
	}, opts...)
	mux.HandleFunc(name+".stream", func(_ context.Context, w flux.Responder, r *flux.Request) error {
		var req streamRequest
		if err := r.Decode(&req); err != nil {
			return err
		}
		count.Add(int64(req.N))
		item := any(event)
		for range req.N {
			if err := w.Send(item); err != nil {
				return err
			}
		}
		return nil
	})
	mux.HandleFunc(name+".hold", func(ctx context.Context, _ flux.Responder, _ *flux.Request) error {
		count.Add(1)
		<-ctx.Done()
		return context.Cause(ctx)
	})
	mux.HandleFunc(name+".stats", func(_ context.Context, w flux.Responder, _ *flux.Request) error {
		return w.Respond(serviceStats{measure.CPU(), float64(count.Load())})
	})
	mux.HandleFunc(name+".quit", func(_ context.Context, w flux.Responder, _ *flux.Request) error {
		defer quit()
		return w.Respond(nil)
	})
	return c.Serve(ctx, name, mux, flux.OnReady(ready),
		flux.MaxInFlight(heldCalls), flux.DrainTimeout(time.Second))
}

// statsOf asks a service what it has used.
func statsOf(ctx context.Context, c *flux.Client, service string) (serviceStats, error) {
	return flux.CallAs[serviceStats](ctx, c, service+".stats", nil)
}

// perRequest is the service's CPU for each thing it did in between.
func (before serviceStats) perRequest(after serviceStats) float64 {
	return (after.CPU - before.CPU) / (after.Count - before.Count)
}
