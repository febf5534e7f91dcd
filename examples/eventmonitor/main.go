// Eventmonitor prints the events of an instance and survives restarts of its
// broker: the connection is made again, the subscription with it, and a gap item
// tells that events may be missing. With $FLUX_URI it runs until it is
// interrupted; its argument is the topic prefix. Without, it embeds a broker,
// restarts it, and exits when it has seen what it should. In the root of the
// repository:
//
//	go run ./examples/eventmonitor
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	prefix := "" // everything
	if len(os.Args) > 1 {
		prefix = os.Args[1]
	}
	run := monitor
	if os.Getenv("FLUX_URI") == "" {
		run = demo
	}
	if err := run(ctx, os.Getenv("FLUX_URI"), prefix); err != nil {
		log.Fatal("eventmonitor: ", err)
	}
}

// monitor prints events until ctx ends or the connection is finally gone.
func monitor(ctx context.Context, uri, prefix string) error {
	client, err := dial(ctx, uri)
	if err != nil {
		return err
	}
	defer client.Close()
	// A monitor would rather miss events than die of a flood of them.
	events, err := client.Subscribe(ctx, prefix, flux.DropOldest())
	if err != nil {
		return err
	}
	fmt.Printf("events with the prefix %q, until Ctrl-C: number, topic, payload\n", prefix)
	return printEvents(events, func(flux.Event) {})
}

func dial(ctx context.Context, uri string) (*flux.Client, error) {
	return flux.Dial(ctx, uri,
		flux.WithReconnect(flux.ReconnectPolicy{MaxBackoff: 2 * time.Second}),
		flux.WithLogger(slog.Default())) // tells of losses and of reconnects
}

// printEvents returns nil when the subscription was ended by its ctx. Each item
// that is not the end is passed to seen, too.
func printEvents(events <-chan flux.Event, seen func(flux.Event)) error {
	for e := range events {
		var gap *flux.GapError
		err := e.Err()
		switch {
		case errors.As(err, &gap): // not the end: the subscription goes on
			fmt.Println("--- GAP:", howMany(gap), "may be missing:", gap.Cause)
		case err != nil:
			return err
		default:
			payload, err := e.Bytes()
			if err != nil {
				return err
			}
			fmt.Printf("%6d %s %s\n", e.Seq(), e.Topic(), bytes.TrimRight(payload, "\x00"))
		}
		seen(e)
	}
	return nil
}

func howMany(gap *flux.GapError) string {
	if gap.Dropped < 0 {
		return "an unknown number of events"
	}
	return fmt.Sprint(gap.Dropped, " events")
}

// demo monitors an embedded broker that restarts again and again.
func demo(ctx context.Context, _, _ string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	broker, err := fluxtest.Start()
	if err != nil {
		return err
	}
	defer broker.Close()
	client, err := dial(ctx, broker.URI())
	if err != nil {
		return err
	}
	defer client.Close()

	subscribed, unsubscribe := context.WithCancel(ctx)
	defer unsubscribe()
	events, err := client.Subscribe(subscribed, "demo.")
	if err != nil {
		return err
	}
	fmt.Println("events of a broker that is restarted three times: number, topic, payload")
	seen, printed := make(chan flux.Event, 100), make(chan error, 1)
	go func() { printed <- printEvents(events, func(e flux.Event) { seen <- e }) }()
	for round := range 3 {
		if err := publishAndRestart(ctx, broker, client, round, seen); err != nil {
			return err
		}
	}
	unsubscribe()
	return <-printed
}

// publishAndRestart wants to see its event, and a gap after the restart.
func publishAndRestart(
	ctx context.Context, broker *fluxtest.Broker, client *flux.Client, round int, seen <-chan flux.Event,
) error {
	// While the connection is away, calls wait for it.
	if _, err := client.Publish(ctx, "demo.round", map[string]int{"round": round}); err != nil {
		return err
	}
	if e := next(ctx, seen); e.Topic() != "demo.round" {
		return fmt.Errorf("want the event of round %d, got %w", round, e.Err())
	}
	fmt.Println("--- restarting the broker")
	if err := broker.Restart(); err != nil {
		return err
	}
	var gap *flux.GapError
	if e := next(ctx, seen); !errors.As(e.Err(), &gap) {
		return fmt.Errorf("want a gap after the restart, got %q, error %w", e.Topic(), e.Err())
	}
	return nil
}

// next is the zero Event, which has an error, if ctx ends first.
func next(ctx context.Context, seen <-chan flux.Event) (e flux.Event) {
	select {
	case e = <-seen:
	case <-ctx.Done():
	}
	return e
}
