// Fanout makes one call to every rank of an instance, a bounded number at a
// time, with progress, and reports the ranks that failed without stopping for
// them. It uses $FLUX_URI or, without one, a broker of 100 ranks embedded in the
// program, 15 of which are down. In the root of the repository:
//
//	go run ./examples/fanout
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
)

func main() {
	limit := flag.Int("limit", 64, "how many calls are under way at a time")
	timeout := flag.Duration("timeout", 10*time.Second, "how long a rank may take to answer")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *limit, *timeout); err != nil {
		log.Fatal("fanout: ", err)
	}
}

func run(ctx context.Context, limit int, timeout time.Duration) error {
	uri := os.Getenv("FLUX_URI")
	if uri == "" {
		broker, err := fluxtest.Start(fluxtest.Size(100))
		if err != nil {
			return err
		}
		defer broker.Close()
		if err := broker.LoseRank(7); err != nil { // and, the tree being binary, those below it
			return err
		}
		uri = broker.URI()
	}
	client, err := flux.Dial(ctx, uri)
	if err != nil {
		return err
	}
	defer client.Close()
	size, err := client.Size(ctx)
	if err != nil {
		return err
	}
	ranks := make([]uint32, size)
	for i := range ranks {
		ranks[i] = uint32(i)
	}

	fmt.Printf("one broker.ping to each of %d ranks, %d at a time\n", size, limit)
	start := time.Now()
	results := fanOut(ctx, client, ranks, limit, timeout, func(done int) {
		if done%max(len(ranks)/10, 1) == 0 || done == len(ranks) {
			fmt.Printf("%d of %d\n", done, len(ranks))
		}
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	report(results, time.Since(start))
	return nil
}

// result is one rank's answer.
type result struct {
	rank uint32
	took time.Duration
	err  error
}

// fanOut calls every rank. An error of one rank is its result, so the group's
// functions return none: the first error would end the ctx of all the others.
func fanOut(
	ctx context.Context, c flux.Caller, ranks []uint32, limit int, timeout time.Duration, progress func(done int),
) []result {
	var group errgroup.Group
	group.SetLimit(limit)
	results := make([]result, len(ranks))
	finished := make(chan struct{})
	counted := make(chan struct{})
	go func() {
		defer close(counted)
		for done := 1; done <= len(ranks); done++ {
			<-finished
			progress(done)
		}
	}()
	for i, rank := range ranks {
		group.Go(func() error { // waits while limit calls are under way
			results[i] = ping(ctx, c, rank, timeout)
			finished <- struct{}{}
			return nil
		})
	}
	group.Wait()
	<-counted
	return results
}

func ping(ctx context.Context, c flux.Caller, rank uint32, timeout time.Duration) result {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	start := time.Now()
	_, err := c.Call(ctx, "broker.ping", map[string]uint32{"seq": rank}, flux.Rank(rank))
	return result{rank, time.Since(start), err}
}

func report(results []result, took time.Duration) {
	ok := slices.DeleteFunc(slices.Clone(results), func(r result) bool { return r.err != nil })
	fmt.Printf("%d ranks answered in %v\n", len(ok), took.Round(time.Microsecond))
	if len(ok) > 0 {
		slowest := slices.MaxFunc(ok, func(a, b result) int { return cmp.Compare(a.took, b.took) })
		fmt.Printf("slowest: rank %d, %v\n", slowest.rank, slowest.took.Round(time.Microsecond))
	}
	for _, r := range results {
		if r.err != nil {
			fmt.Printf("rank %d: %v\n", r.rank, r.err)
		}
	}
}
