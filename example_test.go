package flux_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
)

// A program connects once, shares the client, and gives every call a deadline.
// An embedded broker stands in for a real one: a program calls flux.Dial(ctx, "").
func Example() {
	broker, err := fluxtest.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer broker.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	client, err := flux.Dial(ctx, broker.URI())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	attr, err := flux.CallAs[struct{ Value string }](ctx, client, "attr.get", map[string]string{"name": "size"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("brokers:", attr.Value)

	events, err := client.Subscribe(ctx, "app.")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := client.Publish(ctx, "app.started", map[string]int{"pid": 1}); err != nil {
		log.Fatal(err)
	}
	fmt.Println("event:", (<-events).Topic())
	// Output:
	// brokers: 1
	// event: app.started
}

func ExampleClient_Call() {
	broker, err := fluxtest.Start() // stands in for a Flux instance
	if err != nil {
		log.Fatal(err)
	}
	defer broker.Close()

	// Flux never answers a request to a service that dies: set a deadline.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	client, err := flux.Dial(ctx, broker.URI())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	response, err := client.Call(ctx, "broker.ping", map[string]any{"seq": 7})
	if err != nil {
		log.Fatal(err)
	}
	var pong struct {
		Seq  int    `json:"seq"`
		Rank uint32 `json:"rank"`
	}
	if err := response.Decode(&pong); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("ping %d was answered by rank %d\n", pong.Seq, pong.Rank)
	// Output: ping 7 was answered by rank 0
}

func ExampleCallAs() {
	broker, err := fluxtest.Start(fluxtest.Size(4))
	if err != nil {
		log.Fatal(err)
	}
	defer broker.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	client, err := flux.Dial(ctx, broker.URI())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	type ping struct {
		Seq  int    `json:"seq"`
		Rank uint32 `json:"rank"`
	}
	for rank := range uint32(4) {
		pong, err := flux.CallAs[ping](ctx, client, "broker.ping", ping{Seq: 1}, flux.Rank(rank))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("rank", pong.Rank, "is there")
	}
	// Output:
	// rank 0 is there
	// rank 1 is there
	// rank 2 is there
	// rank 3 is there
}

func ExampleClient_Go() {
	broker, err := fluxtest.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer broker.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	client, err := flux.Dial(ctx, broker.URI())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	// All requests are on their way before the first response is looked at.
	var replies []<-chan flux.Response
	for seq := range 5 {
		replies = append(replies, client.Go(ctx, "broker.ping", map[string]int{"seq": seq}))
	}
	for _, reply := range replies {
		var pong struct {
			Seq int `json:"seq"`
		}
		response := <-reply // exactly one, an error included
		if err := response.Decode(&pong); err != nil {
			log.Fatal(err)
		}
		fmt.Println(pong.Seq)
	}
	// Output:
	// 0
	// 1
	// 2
	// 3
	// 4
}

// What a broker or a service says is an *Error with its errno and text; what
// goes wrong on this side never is.
func ExampleError() {
	broker, err := fluxtest.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer broker.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	client, err := flux.Dial(ctx, broker.URI())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	_, err = client.Call(ctx, "brocker.ping", nil) // misspelled
	var remote *flux.Error
	if errors.As(err, &remote) {
		fmt.Println(remote.Errno.Name(), "-", remote.Message)
	}
	fmt.Println("no such service:", errors.Is(err, flux.ENOSYS))

	_, err = client.Attr(ctx, "no.such.attribute")
	fmt.Println("no such attribute:", errors.Is(err, fs.ErrNotExist))

	client.Close()
	_, err = client.Call(ctx, "broker.ping", nil)
	fmt.Println("closed:", errors.Is(err, flux.ErrClosed), "- an *Error:", errors.As(err, &remote), "- safe to retry:",
		flux.SafeToRetry(err))
	// Output:
	// ENOSYS - No service matching brocker.ping is registered
	// no such service: true
	// no such attribute: true
	// closed: true - an *Error: false - safe to retry: true
}
