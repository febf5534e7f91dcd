// Service is a complete service: typed calls, a stream that its requester ends
// by cancelling, and a shutdown that leaves nobody without an answer. With
// $FLUX_URI it serves that instance until it is interrupted; without, it starts
// an embedded broker, plays its own client, and shuts down. In the root of the
// repository:
//
//	go run ./examples/service
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
)

const name = "tally"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal("service: ", err)
	}
}

func run(ctx context.Context) error {
	uri, demo := os.Getenv("FLUX_URI"), false
	if uri == "" {
		broker, err := fluxtest.Start()
		if err != nil {
			return err
		}
		defer broker.Close()
		uri, demo = broker.URI(), true
	}
	client, err := flux.Dial(ctx, uri)
	if err != nil {
		return err
	}
	defer client.Close()

	// Whatever ends first, the service, its demo or the program by a signal,
	// ends the ctx of all.
	group, ctx := errgroup.WithContext(ctx)
	ready := make(chan struct{})
	ctx, stop := context.WithCancel(ctx)
	group.Go(func() error {
		defer stop()
		t := newTally()
		return client.Serve(ctx, name, t.mux(),
			flux.OnReady(func() { close(ready) }),
			flux.MaxInFlight(1000),
			flux.DrainTimeout(5*time.Second))
	})
	group.Go(func() error {
		select {
		case <-ready:
		case <-ctx.Done():
			return nil
		}
		if !demo {
			fmt.Printf("serving %s until interrupted; try it with: flux-rpc call %s.add '{\"n\":2}'\n", name, name)
			return nil
		}
		fmt.Println("a service and its client: ten additions, a stream, and an answer during the shutdown")
		return playClient(uri, stop)
	})
	err = group.Wait()
	fmt.Println("service: everything is answered")
	return err
}

// tally counts, and tells those that watch.
type tally struct {
	mu      sync.Mutex
	total   int
	changed chan struct{} // closed when total changes
}

func newTally() *tally { return &tally{changed: make(chan struct{})} }

type (
	addRequest struct {
		N int `json:"n"`
	}
	total struct {
		Total int `json:"total"`
	}
)

func (t *tally) mux() *flux.ServeMux {
	mux := flux.NewServeMux()
	// Only the instance owner may add; everybody may look.
	mux.Handle(name+".add", flux.Unary(t.add))
	mux.Handle(name+".audit", flux.Unary(t.audit))
	mux.HandleFunc(name+".watch", t.watch, flux.Streaming(), flux.AllowRoles(flux.RoleAll))
	return mux
}

func (t *tally) add(_ context.Context, req addRequest) (total, error) {
	if req.N == 0 {
		return total{}, fmt.Errorf("nothing to add: %w", flux.EINVAL)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total += req.N
	close(t.changed)
	t.changed = make(chan struct{})
	return total{t.total}, nil
}

// audit takes its time, but not when its requester has gone.
func (t *tally) audit(ctx context.Context, _ struct{}) (total, error) {
	select {
	case <-time.After(200 * time.Millisecond):
	case <-ctx.Done():
		return total{}, context.Cause(ctx)
	}
	now, _ := t.now()
	return total{now}, nil
}

// watch streams the total, now and whenever it changes, until the requester
// cancels, goes away, or the service ends: ctx tells of all three.
func (t *tally) watch(ctx context.Context, w flux.Responder, r *flux.Request) error {
	for {
		now, changed := t.now()
		if err := w.Send(total{now}); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			fmt.Printf("service: watcher with userid %d: %v\n", r.UserID(), context.Cause(ctx))
			return context.Cause(ctx)
		}
	}
}

func (t *tally) now() (int, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.total, t.changed
}

// playClient is what a client program would do. Its ctx is its own: it wants its
// answers while the service shuts down, too.
func playClient(uri string, stopService func()) error {
	defer stopService()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	client, err := flux.Dial(ctx, uri)
	if err != nil {
		return err
	}
	defer client.Close()

	if _, err := client.Call(ctx, name+".add", addRequest{0}); !errors.Is(err, flux.EINVAL) {
		return fmt.Errorf("adding nothing: want EINVAL, got %w", err)
	}
	var adders errgroup.Group
	for range 10 {
		adders.Go(func() error {
			_, err := client.Call(ctx, name+".add", addRequest{1})
			return err
		})
	}
	for v, err := range flux.StreamAs[total](ctx, client, name+".watch", nil) {
		if err != nil {
			return err
		}
		if v.Total == 10 {
			fmt.Println("client: watched the total reach", v.Total)
			break // cancels the stream at the service
		}
	}
	if err := adders.Wait(); err != nil {
		return err
	}

	audit := client.Go(ctx, name+".audit", nil)
	time.Sleep(50 * time.Millisecond)
	fmt.Println("client: asking the service to stop while an audit is under way")
	stopService()
	var v total
	if err := (<-audit).Decode(&v); err != nil {
		return err
	}
	fmt.Println("client: the audit was answered all the same:", v.Total)
	return nil
}
