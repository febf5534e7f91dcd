package flux_test

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"golang.org/x/sync/errgroup"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
)

type SumRequest struct {
	A int `json:"a"`
	B int `json:"b"`
}

type SumResponse struct {
	Sum int `json:"sum"`
}

func sum(_ context.Context, r SumRequest) (SumResponse, error) {
	if r.A < 0 || r.B < 0 {
		return SumResponse{}, &flux.Error{Errno: flux.EDOM, Message: "negative numbers are not for sale"}
	}
	return SumResponse{Sum: r.A + r.B}, nil
}

type CountRequest struct {
	To int `json:"to"`
}

type Count struct {
	N int `json:"n"`
}

func count(_ context.Context, r CountRequest) iter.Seq2[Count, error] {
	return func(yield func(Count, error) bool) {
		for i := range r.To {
			if !yield(Count{N: i + 1}, nil) {
				return // the requester has lost interest
			}
		}
	}
}

// A service with a method that answers once and one that streams. An embedded
// broker stands in for a real one.
func ExampleServeMux() {
	broker, err := fluxtest.Start()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer broker.Close()

	mux := flux.NewServeMux()
	mux.Handle("calc.add", flux.Unary(sum))
	mux.Handle("calc.count", flux.ServerStream(count), flux.Streaming(), flux.AllowRoles(flux.RoleUser))

	ctx, stop := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- broker.Client().Serve(ctx, "calc", mux, flux.OnReady(func() { close(ready) }))
	}()
	<-ready

	client := broker.Client()
	resp, err := flux.CallAs[SumResponse](ctx, client, "calc.add", SumRequest{1, 2})
	fmt.Println(resp.Sum, err)
	_, err = flux.CallAs[SumResponse](ctx, client, "calc.add", SumRequest{-1, 2})
	fmt.Println(err, errors.Is(err, flux.EDOM))
	for item, err := range flux.StreamAs[Count](ctx, client, "calc.count", CountRequest{To: 3}) {
		fmt.Println(item.N, err)
	}

	stop()
	fmt.Println("served:", <-done)
	// Output:
	// 3 <nil>
	// calc.add: negative numbers are not for sale (EDOM) true
	// 1 <nil>
	// 2 <nil>
	// 3 <nil>
	// served: <nil>
}

// Serve blocks until its ctx ends, so several services and whatever else a
// program does make a group: the first failure ends them all, in an orderly way.
func ExampleClient_Serve_errgroup() {
	broker, err := fluxtest.Start()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer broker.Close()
	client := broker.Client()

	group, ctx := errgroup.WithContext(context.Background())
	ready := make(chan struct{}, 2)
	isReady := flux.OnReady(func() { ready <- struct{}{} })
	add := flux.Unary(sum)
	group.Go(func() error { return client.Serve(ctx, "first", add, isReady) })
	group.Go(func() error { return client.Serve(ctx, "second", add, isReady) })
	group.Go(func() error {
		<-ready
		<-ready
		for _, topic := range []string{"first.add", "second.add"} {
			resp, err := flux.CallAs[SumResponse](ctx, client, topic, SumRequest{2, 2})
			if err != nil {
				return err
			}
			fmt.Println(topic, resp.Sum)
		}
		return errors.New("that is all")
	})
	fmt.Println(group.Wait())
	// Output:
	// first.add 4
	// second.add 4
	// that is all
}

// A stream that lasts until somebody ends it. What the handler returns when its
// ctx has ended reaches nobody if the requester has canceled.
func ExampleHandlerFunc() {
	broker, err := fluxtest.Start()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer broker.Close()
	readings := make(chan float64)
	causes := make(chan error, 1)

	mux := flux.NewServeMux()
	mux.HandleFunc("thermo.watch", func(ctx context.Context, w flux.Responder, r *flux.Request) error {
		for {
			select {
			case degrees := <-readings:
				if err := w.Send(map[string]float64{"degrees": degrees}); err != nil {
					return err
				}
			case <-ctx.Done():
				causes <- context.Cause(ctx)
				return ctx.Err()
			}
		}
	}, flux.Streaming())

	ctx, stop := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- broker.Client().Serve(ctx, "thermo", mux, flux.OnReady(func() { close(ready) }))
	}()
	<-ready

	go func() {
		readings <- 20.5
		readings <- 21
	}()
	n := 0
	for item, err := range flux.StreamAs[map[string]float64](ctx, broker.Client(), "thermo.watch", nil) {
		fmt.Println(item, err)
		if n++; n == 2 {
			break // which sends thermo.cancel
		}
	}
	fmt.Println(<-causes)
	stop()
	fmt.Println("served:", <-done)
	// Output:
	// map[degrees:20.5] <nil>
	// map[degrees:21] <nil>
	// request canceled by its sender
	// served: <nil>
}
