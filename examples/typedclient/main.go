// Typedclient wraps services of a broker in Go types and shows what to do about
// errors: deadlines, what a service said against what went wrong here, and which
// failures may be tried again. It uses $FLUX_URI or, without one, a broker
// embedded in the program. In the root of the repository:
//
//	go run ./examples/typedclient
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
)

// Instance is a typed client. It needs no more than a flux.Caller, so a test can
// give it a stand-in.
type Instance struct {
	Caller  flux.Caller
	Timeout time.Duration // of each call
}

// Pong is what a broker answers to a ping.
type Pong struct {
	Rank  uint32 `json:"rank"`
	Route string `json:"route"`
}

// Ping asks the broker of one rank for a sign of life.
func (i *Instance) Ping(ctx context.Context, rank uint32) (Pong, error) {
	return call[Pong](ctx, i, "broker.ping", map[string]int{"seq": 1}, flux.Rank(rank))
}

// Attribute is a broker attribute.
type Attribute struct {
	Value string `json:"value"`
	Flags int    `json:"flags"`
}

// Attribute looks up an attribute. An unknown one matches fs.ErrNotExist.
func (i *Instance) Attribute(ctx context.Context, name string) (Attribute, error) {
	return call[Attribute](ctx, i, "attr.get", struct {
		Name string `json:"name"`
	}{name})
}

// call gives every call a deadline: nobody answers a request that was pending at
// a service that died.
func call[T any](ctx context.Context, i *Instance, topic string, req any, opts ...flux.CallOption) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, i.Timeout)
	defer cancel()
	return flux.CallAs[T](ctx, i.Caller, topic, req, opts...)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal("typedclient: ", err)
	}
}

func run(ctx context.Context) error {
	uri := os.Getenv("FLUX_URI")
	if uri == "" {
		broker, err := fluxtest.Start(fluxtest.Size(2))
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
	instance := &Instance{Caller: client, Timeout: 10 * time.Second}

	fmt.Println("# answers, decoded into Go types")
	version, err := instance.Attribute(ctx, "version")
	if err != nil {
		return err
	}
	fmt.Println("flux-core version:", version.Value)
	pong, err := instance.Ping(ctx, 0)
	if err != nil {
		return err
	}
	fmt.Printf("rank %d answers, route %s\n", pong.Rank, pong.Route)
	fmt.Println("\n# four calls that cannot succeed, and what kind of failure each is")
	return failures(ctx, client, instance)
}

// failures makes calls that cannot succeed and classifies what comes back.
func failures(ctx context.Context, client *flux.Client, instance *Instance) error {
	_, err := instance.Attribute(ctx, "no-such-attribute")
	explain(err)
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("unknown attribute: %w", err)
	}

	size, err := client.Size(ctx)
	if err != nil {
		return err
	}
	_, err = instance.Ping(ctx, size) // ranks count from 0
	explain(err)
	if !errors.Is(err, flux.EHOSTUNREACH) {
		return fmt.Errorf("rank %d of %d: %w", size, size, err)
	}

	hurried := &Instance{Caller: client, Timeout: 0}
	_, err = hurried.Ping(ctx, 0)
	explain(err)
	if !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no time at all: %w", err)
	}

	other := client.Clone()
	other.Close() // its clones live on
	_, err = (&Instance{Caller: other, Timeout: time.Second}).Ping(ctx, 0)
	explain(err)
	if !errors.Is(err, flux.ErrClosed) {
		return fmt.Errorf("closed client: %w", err)
	}
	return nil
}

// explain says what kind of failure an error is.
func explain(err error) {
	var remote *flux.Error
	switch {
	case err == nil:
		fmt.Println("no error")
	case errors.As(err, &remote): // a broker or a service said this
		fmt.Printf("%s refused: %q, errno %d (%s)\n", remote.Topic, remote.Message, remote.Errno, remote.Errno.Name())
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		fmt.Println("given up:", err)
	case errors.Is(err, flux.ErrConnLost), errors.Is(err, flux.ErrClosed):
		fmt.Println("no connection:", err)
	default: // a payload that cannot be encoded, or does not decode
		fmt.Println("a bug here or there:", err)
	}
	fmt.Println("   nothing was sent, so it may be tried again:", flux.SafeToRetry(err))
}
