// Quickstart is the first program to run: it connects to the Flux instance that
// $FLUX_URI names or, without one, to a broker embedded in the program, and
// shows calls, streams, events and a service. In the root of the repository:
//
//	go run ./examples/quickstart
package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		log.Fatal("quickstart: ", err)
	}
}

func run(ctx context.Context) error {
	uri := os.Getenv("FLUX_URI")
	if uri == "" {
		fmt.Println("FLUX_URI is not set: starting the embedded broker")
		broker, err := fluxtest.Start()
		if err != nil {
			return err
		}
		defer broker.Close()
		uri = broker.URI()
	}
	client, err := flux.Dial(ctx, uri)
	if err != nil {
		return err
	}
	defer client.Close()

	for _, step := range []struct {
		title string
		run   func(context.Context, *flux.Client) error
	}{
		{"instance", instance},
		{"1,000 calls from 100 goroutines on one client", concurrentCalls},
		{"a typed error", typedError},
		{"a stream, ended by cancelling it", logStream},
		{"an event", event},
		{"a service, called through the broker", service},
	} {
		fmt.Printf("\n# %s\n", step.title)
		if err := step.run(ctx, client); err != nil {
			return fmt.Errorf("%s: %w", step.title, err)
		}
	}
	fmt.Print(next)
	return nil
}

const next = `
# what to read next

docs/client.md     all of this at length: deadlines, errors, reconnect, shutdown
docs/services.md   a service of your own, piece by piece
docs/recipes.md    what "flux submit", "flux jobs" and other commands do, in Go
docs/glossary.md   the words: rank, instance, topic, matchtag
examples/          more programs; the source of this one is examples/quickstart/main.go
`

// instance asks the broker who it is and how far away.
func instance(ctx context.Context, c *flux.Client) error {
	rank, err := c.Rank(ctx)
	if err != nil {
		return err
	}
	size, err := c.Size(ctx)
	if err != nil {
		return err
	}
	version, err := c.Attr(ctx, "version")
	if err != nil {
		return err
	}
	fmt.Printf("rank %d of %d, flux-core %s\n", rank, size, version)

	start := time.Now()
	pong, err := flux.CallAs[struct {
		Route string `json:"route"`
	}](ctx, c, "broker.ping", map[string]int{"seq": 1})
	if err != nil {
		return err
	}
	fmt.Printf("ping: %v, route %s\n", time.Since(start).Round(time.Microsecond), pong.Route)
	fmt.Println("      (the hops of the request: this client is the first, the broker that answered the last)")
	return nil
}

// concurrentCalls shares the client between goroutines: there is nothing to lock.
func concurrentCalls(ctx context.Context, c *flux.Client) error {
	const goroutines, calls = 100, 10
	start := time.Now()
	var wg sync.WaitGroup
	errs := make([]error, goroutines)
	for g := range goroutines {
		wg.Go(func() {
			for n := range calls {
				if _, err := c.Call(ctx, "broker.ping", map[string]int{"seq": g*calls + n}); err != nil {
					errs[g] = err
					return
				}
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(start)
	fmt.Printf("%d calls in %v: %.0f a second\n", goroutines*calls, elapsed.Round(time.Millisecond),
		goroutines*calls/elapsed.Seconds())
	return errors.Join(errs...)
}

// typedError misspells a topic and looks at what comes back.
func typedError(ctx context.Context, c *flux.Client) error {
	_, err := c.Call(ctx, "brooker.ping", nil)
	var remote *flux.Error
	if !errors.As(err, &remote) || !errors.Is(err, flux.ENOSYS) {
		return fmt.Errorf("want ENOSYS from the broker, got %w", err)
	}
	fmt.Printf("%s says: %s\n", remote.Errno.Name(), remote.Message)
	return nil
}

// logStream writes to the broker's log and follows it until it sees the line.
// Leaving the loop cancels the stream at the broker.
func logStream(ctx context.Context, c *flux.Client) error {
	const greeting = "hello from Go"
	h, err := flux.NewLogHandler(ctx, c, nil)
	if err != nil {
		return err
	}
	slog.New(h).InfoContext(ctx, greeting)
	lines := 0
	for line, err := range flux.StreamAs[string](ctx, c, "log.dmesg", map[string]bool{"follow": true}) {
		if err != nil {
			return err
		}
		lines++
		if strings.HasSuffix(strings.TrimSpace(line), greeting) {
			fmt.Printf("line %d of the log is ours: %s\n", lines, line)
			fmt.Println("(<8 * severity>version, time, rank of the broker, program, process id, two unused fields, text)")
			break
		}
	}
	return nil
}

// event receives what it publishes.
func event(ctx context.Context, c *flux.Client) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the subscription
	events, err := c.Subscribe(ctx, "quickstart")
	if err != nil {
		return err
	}
	seq, err := c.Publish(ctx, "quickstart.hello", map[string]string{"from": "Go"})
	if err != nil {
		return err
	}
	e := <-events
	var v map[string]string
	if err := e.Decode(&v); err != nil {
		return err
	}
	fmt.Printf("published as number %d, received %s %v as number %d\n", seq, e.Topic(), v, e.Seq())
	return nil
}

type addRequest struct{ A, B int }
type addResponse struct{ Sum int }

// service serves a name of its own and calls it like anybody else would.
func service(ctx context.Context, c *flux.Client) error {
	name := fmt.Sprintf("quickstart-%d", os.Getpid())
	mux := flux.NewServeMux()
	mux.Handle(name+".add", flux.Unary(func(_ context.Context, r addRequest) (addResponse, error) {
		return addResponse{r.A + r.B}, nil
	}))
	mux.Handle(name+".count", flux.ServerStream(func(_ context.Context, r addRequest) iter.Seq2[addResponse, error] {
		return func(yield func(addResponse, error) bool) {
			for i := r.A; i <= r.B && yield(addResponse{i}, nil); i++ {
			}
		}
	}), flux.Streaming())

	serveCtx, stop := context.WithCancel(ctx)
	defer stop()
	ready, served := make(chan struct{}), make(chan error, 1)
	go func() { served <- c.Serve(serveCtx, name, mux, flux.OnReady(func() { close(ready) })) }()
	select {
	case <-ready:
	case err := <-served:
		return err
	}

	err := callService(ctx, c, name)
	stop()
	return errors.Join(err, <-served)
}

func callService(ctx context.Context, c *flux.Client, name string) error {
	sum, err := flux.CallAs[addResponse](ctx, c, name+".add", addRequest{19, 23})
	if err != nil {
		return err
	}
	fmt.Printf("19 + 23 = %d\n", sum.Sum)
	fmt.Print("counting:")
	for item, err := range flux.StreamAs[addResponse](ctx, c, name+".count", addRequest{1, 5}) {
		if err != nil {
			return err
		}
		fmt.Printf(" %d", item.Sum)
	}
	fmt.Println()
	return nil
}
