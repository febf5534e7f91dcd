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

func ExampleClient_Subscribe() {
	broker, err := fluxtest.Start() // stands in for a Flux instance
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

	// Every topic that starts with "job", for as long as ctx lives.
	events, err := client.Subscribe(ctx, "job")
	if err != nil {
		log.Fatal(err)
	}
	for _, topic := range []string{"job.start", "disk.full", "job.finish"} {
		if _, err := client.Publish(ctx, topic, map[string]int{"id": 7}); err != nil {
			log.Fatal(err)
		}
	}
	for range 2 {
		e := <-events
		var job struct {
			ID int `json:"id"`
		}
		if err := e.Decode(&job); err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Seq(), e.Topic(), job.ID)
	}
	// Output:
	// 1 job.start 7
	// 3 job.finish 7
}

func ExampleDropOldest() {
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

	// Only the newest three matter; older ones need not wait.
	events, err := client.Subscribe(ctx, "progress", flux.DropOldest(), flux.QueueLimit(3, 0))
	if err != nil {
		log.Fatal(err)
	}
	for percent := range 101 { // while nobody receives
		if _, err := client.Publish(ctx, "progress", fmt.Sprint(percent)); err != nil {
			log.Fatal(err)
		}
	}
	missed, received := 0, 0
	for e := range events {
		var gap *flux.GapError
		if errors.As(e.Err(), &gap) {
			missed += gap.Dropped
			continue // the subscription goes on
		}
		text, err := e.Text()
		if err != nil {
			log.Fatal(err)
		}
		if received++; text == "100" {
			break
		}
	}
	fmt.Println("the newest is here; received and missed:", received+missed)
	// Output:
	// the newest is here; received and missed: 101
}

func ExampleClient_SyncHeartbeat() {
	broker, err := fluxtest.Start(fluxtest.HeartbeatEvery(time.Millisecond)) // a real one: 2 seconds
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

	n := 0
	for _, err := range client.SyncHeartbeat(ctx, 0) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("time to look")
		if n++; n == 2 {
			break
		}
	}
	// Output:
	// time to look
	// time to look
}
