package flux_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
)

func ExampleClient_Stream() {
	broker, err := fluxtest.Start() // stands in for a Flux instance
	if err != nil {
		log.Fatal(err)
	}
	defer broker.Close()
	broker.Handle("count.up", func(r *fluxtest.Request) {
		for i := 1; r.Context().Err() == nil; i++ { // until it is cancelled
			r.Respond(map[string]int{"i": i})
			select {
			case <-time.After(time.Millisecond):
			case <-r.Context().Done():
			}
		}
	})
	client, err := flux.Dial(context.Background(), broker.URI())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	// The end of ctx ends the stream, here and at the service.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	stream, err := client.Stream(ctx, "count.up", nil)
	if err != nil {
		log.Fatal(err)
	}
	for r := range stream {
		var item struct {
			I int `json:"i"`
		}
		err := r.Decode(&item) // or what ended the stream
		switch {
		case errors.Is(err, context.Canceled):
			fmt.Println("cancelled")
		case err != nil:
			log.Fatal(err)
		case item.I <= 3:
			fmt.Println(item.I)
		default:
			cancel() // the error comes next, or soon
		}
	}
	// Output:
	// 1
	// 2
	// 3
	// cancelled
}

func ExampleStreamAs() {
	broker, err := fluxtest.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer broker.Close()
	for i := range 5 {
		broker.Log(0, 6, "demo", fmt.Sprint("demo: record ", i))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	client, err := flux.Dial(ctx, broker.URI())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	follow := map[string]bool{"follow": true}
	n := 0
	for record, err := range flux.StreamAs[string](ctx, client, "log.dmesg", follow) {
		if err != nil {
			log.Fatal(err)
		}
		_, text, ours := strings.Cut(record, " - - demo: ")
		if !ours {
			continue
		}
		fmt.Println(text)
		if n++; n == 3 {
			break // sends log.cancel
		}
	}
	// Output:
	// record 0
	// record 1
	// record 2
}
