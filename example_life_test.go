package flux_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
)

// A monitor of events that survives a restart of its broker.
func ExampleWithReconnect() {
	b, err := fluxtest.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	c, err := flux.Dial(ctx, b.URI(), flux.WithReconnect(flux.ReconnectPolicy{}))
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	events, err := c.Subscribe(ctx, "job.")
	if err != nil {
		log.Fatal(err)
	}
	b.Emit("job.start", map[string]int{"id": 1})

	for e := range events {
		var gap *flux.GapError
		var job struct{ ID int }
		switch err := e.Decode(&job); {
		case errors.As(err, &gap):
			// Here is the place to ask for the present state: what is published
			// from now on arrives.
			fmt.Println("the connection was lost and is back")
			b.Emit("job.finish", map[string]int{"id": 1})
		case err != nil:
			log.Fatal(err) // the subscription has ended
		case e.Topic() == "job.start":
			fmt.Println("job", job.ID, "has started")
			b.Restart()
		case e.Topic() == "job.finish":
			fmt.Println("job", job.ID, "has finished")
			return
		}
	}
	// Output:
	// job 1 has started
	// the connection was lost and is back
	// job 1 has finished
}

// What is in flight when the connection is lost fails. What was not sent yet may
// be sent again, and anything that may happen twice.
func ExampleSafeToRetry() {
	b, err := fluxtest.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	b.Handle("calc.add", func(r *fluxtest.Request) { b.Disconnect() })
	c := b.Client()
	_, err = c.Call(context.Background(), "calc.add", nil)
	fmt.Println(errors.Is(err, flux.ErrConnLost), flux.SafeToRetry(err))
	_, err = c.Call(context.Background(), "calc.add", nil)
	fmt.Println(errors.Is(err, flux.ErrConnLost), flux.SafeToRetry(err))
	// Output:
	// true false
	// true true
}

// A clone has a life of its own over the same connection.
func ExampleClient_Clone() {
	b, err := fluxtest.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	c := b.Client()
	events := make(chan error)
	clone := c.Clone()
	go func() {
		ch, err := clone.Subscribe(context.Background(), "job.")
		if err != nil {
			log.Fatal(err)
		}
		events <- nil
		e := <-ch
		events <- e.Err()
	}()
	<-events
	clone.Close() // ends what was started with the clone
	fmt.Println(errors.Is(<-events, flux.ErrClosed))
	rank, err := c.Rank(context.Background()) // the connection goes on
	fmt.Println(rank, err)
	// Output:
	// true
	// 0 <nil>
}
