package fluxtest_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
)

// A script stands in for a service, and the broker shows what it was asked.
func Example() {
	broker, err := fluxtest.Start(fluxtest.InProcess())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer broker.Close()
	broker.Handle("calc.add", func(r *fluxtest.Request) {
		var in struct{ A, B int }
		if err := r.Decode(&in); err != nil {
			r.Fail(fmt.Errorf("%w: %w", flux.EPROTO, err))
			return
		}
		r.Respond(map[string]int{"sum": in.A + in.B})
	})

	client := broker.Client()
	out, err := flux.CallAs[struct{ Sum int }](context.Background(), client, "calc.add",
		map[string]int{"a": 1, "b": 2})
	fmt.Println(out.Sum, err)
	fmt.Println(broker.Requests()[0].Message.Topic)
	// Output:
	// 3 <nil>
	// calc.add
}

// The handler that a program serves can be served to its tests.
func ExampleBroker_Serve() {
	broker, err := fluxtest.Start(fluxtest.InProcess())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer broker.Close()

	type pair struct{ A, B int }
	mux := flux.NewServeMux()
	mux.Handle("calc.div", flux.Unary(func(_ context.Context, p pair) (map[string]int, error) {
		if p.B == 0 {
			return nil, flux.EDOM
		}
		return map[string]int{"quotient": p.A / p.B}, nil
	}))
	broker.Serve("calc", mux) // it takes requests from here on

	client := broker.Client()
	out, err := flux.CallAs[struct{ Quotient int }](context.Background(), client, "calc.div",
		map[string]int{"a": 7, "b": 2})
	fmt.Println(out.Quotient, err)
	_, err = client.Call(context.Background(), "calc.div", map[string]int{"a": 7, "b": 0})
	fmt.Println(errors.Is(err, flux.EDOM))
	// Output:
	// 3 <nil>
	// true
}

// A client with a reconnect policy survives a restart of its broker, which
// forgets everything else, and its subscription says where it has a gap.
func ExampleBroker_Restart() {
	broker, err := fluxtest.Start(fluxtest.InProcess())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer broker.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	client := broker.Client(flux.WithReconnect(flux.ReconnectPolicy{}))
	events, err := client.Subscribe(ctx, "job-state")
	if err != nil {
		fmt.Println(err)
		return
	}
	broker.Emit("job-state", nil)
	fmt.Println("event", (<-events).Seq())

	if err := broker.Restart(); err != nil {
		fmt.Println(err)
		return
	}
	var gap *flux.GapError
	fmt.Println("gap:", errors.As((<-events).Err(), &gap))
	broker.Emit("job-state", nil) // events count from 1 again
	fmt.Println("event", (<-events).Seq())
	// Output:
	// event 1
	// gap: true
	// event 1
}

// Faults are set and healed at any time. Here, calls are not answered, and then
// nobody may connect.
func ExampleBroker_SetFaults() {
	broker, err := fluxtest.Start(fluxtest.InProcess())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer broker.Close()
	client := broker.Client()

	broker.SetFaults(fluxtest.Faults{Drop: 1}) // all that is sent to clients
	ctx, cancel := context.WithCancel(context.Background())
	answered := client.Go(ctx, "broker.ping", map[string]any{})
	broker.AwaitRequest(context.Background(), "broker.ping")
	cancel()
	fmt.Println((<-answered).Err() != nil)

	broker.SetFaults(fluxtest.Faults{Refuse: flux.EPERM})
	_, err = flux.Dial(context.Background(), broker.URI())
	fmt.Println(errors.Is(err, flux.EPERM))

	broker.SetFaults(fluxtest.Faults{})
	_, err = client.Call(context.Background(), "broker.ping", map[string]any{})
	fmt.Println(err)
	// Output:
	// true
	// true
	// <nil>
}

// A guest is refused what only the instance owner may do.
func ExampleAsGuest() {
	broker, err := fluxtest.Start(fluxtest.InProcess())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer broker.Close()
	guest := broker.Client(fluxtest.AsGuest(1234))

	ctx := context.Background()
	size, err := guest.Size(ctx)
	fmt.Println(size, err)
	err = guest.SetAttr(ctx, "log-stderr-level", "7")
	fmt.Println(errors.Is(err, flux.EPERM))
	// Output:
	// 1 <nil>
	// true
}

// A test that emits events waits for the subscription of what it tests first.
func ExampleBroker_AwaitSubscribed() {
	broker, err := fluxtest.Start(fluxtest.InProcess())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer broker.Close()
	client := broker.Client()
	done := make(chan struct{})
	go func() { // the program under test
		defer close(done)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		events, err := client.Subscribe(ctx, "job-state")
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println((<-events).Topic())
	}()

	if err := broker.AwaitSubscribed(context.Background(), "job-state"); err != nil {
		fmt.Println(err)
		return
	}
	broker.Emit("job-state.run", nil)
	<-done
	// Output: job-state.run
}
