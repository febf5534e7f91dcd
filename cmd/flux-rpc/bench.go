package main

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/spf13/cobra"
)

type benchFlags struct {
	to       target
	topic    string
	payload  string
	depths   []int
	duration time.Duration
}

func (a *app) benchCommand() *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure the rate and latency of calls by depth",
		Long: `Bench calls a service over one connection for a while, once for each depth: the
number of calls in flight. It prints the rate and the percentiles of the latency
and draws both.

The figures belong to this machine at this moment and include this program's own
work: compare runs that were made side by side, not numbers.`,
		Example: `  flux-rpc bench
  flux-rpc bench --topic kvs.ping --depths 1,64 --duration 5s
  flux-rpc bench --rank 3 --json`,
		Args: wantArgs(0, 0),
	}
	f.to.flags(cmd, true)
	cmd.Flags().StringVar(&f.topic, "topic", "broker.ping", "the `TOPIC` to call")
	cmd.Flags().StringVar(&f.payload, "payload", "{}",
		"the request's `PAYLOAD`: JSON, @FILE, - for standard input, or KEY=VALUE; empty for none")
	cmd.Flags().IntSliceVar(&f.depths, "depths", []int{1, 4, 16, 64, 256}, "numbers `N,...` of calls in flight")
	durationVar(cmd, &f.duration, "duration", time.Second, "how long to measure at each depth")
	a.jsonFlag(cmd, "print a JSON object per depth and no picture; errors too")
	a.timeoutFlag(cmd)
	return a.follow(cmd, func(ctx context.Context, _ []string) error { return a.bench(ctx, &f) })
}

// maxDepth bounds the memory that calls in flight take.
const maxDepth = 1 << 16

// benchRow is the outcome for one depth.
type benchRow struct {
	Topic   string    `json:"topic"`
	Depth   int       `json:"depth"`
	Calls   int       `json:"calls"`
	Seconds float64   `json:"seconds"`
	Rate    float64   `json:"calls_per_second"`
	Latency latencies `json:"latency"`
}

func (a *app) bench(ctx context.Context, f *benchFlags) error {
	if len(f.depths) == 0 || slices.Min(f.depths) < 1 || slices.Max(f.depths) > maxDepth || f.duration <= 0 {
		return usagef("want --depths of 1 to %d and a --duration of more than 0", maxDepth)
	}
	if err := checkTopic(f.topic); err != nil {
		return err
	}
	var args []string
	if f.payload != "" {
		args = []string{f.payload}
	}
	req, err := readPayload(ctx, args, false, "")
	if err != nil {
		return err
	}
	c, err := a.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	// Warm up, and fail before anything is printed if the call does.
	if _, err := c.Call(ctx, f.topic, req, f.to.call()...); err != nil {
		return err
	}
	if !a.json {
		if err := a.out.printf("%s, %v at each depth\n\n%s", f.topic, f.duration, benchHead); err != nil {
			return err
		}
	}
	var rows []benchRow
	for _, depth := range f.depths {
		row, err := measure(ctx, c, f, req, depth)
		if err != nil {
			return err
		}
		rows = append(rows, row)
		if err := a.printRow(row); err != nil {
			return err
		}
		if interrupted(ctx) {
			break // show what there is
		}
	}
	if a.json || len(rows) == 0 {
		return nil
	}
	_, err = a.out.Write([]byte(benchPicture(rows, a.out.width())))
	return err
}

// measure keeps depth calls in flight for the duration.
func measure(ctx context.Context, c *flux.Client, f *benchFlags, req any, depth int) (benchRow, error) {
	opts := f.to.call()
	hists := make([]hist, min(depth, maxHists))
	locks := make([]sync.Mutex, len(hists))
	errs := make([]error, depth)
	var wg sync.WaitGroup
	start := time.Now()
	stop := start.Add(f.duration)
	for i := range depth {
		wg.Go(func() {
			h, mu := &hists[i%len(hists)], &locks[i%len(hists)]
			for {
				began := time.Now()
				if !began.Before(stop) {
					return
				}
				if _, err := c.Call(ctx, f.topic, req, opts...); err != nil {
					errs[i] = err
					return
				}
				mu.Lock()
				h.add(time.Since(began))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	took := time.Since(start).Seconds()
	for _, err := range errs {
		if err = ended(ctx, err); err != nil {
			return benchRow{}, err
		}
	}
	total := &hists[0]
	for i := range hists[1:] {
		total.merge(&hists[1+i])
	}
	if total.n == 0 && interrupted(ctx) {
		return benchRow{}, context.Cause(ctx)
	}
	if total.n == 0 {
		return benchRow{}, errors.New("no call was made in that time")
	}
	return benchRow{
		Topic: f.topic, Depth: depth, Calls: total.n, Seconds: took,
		Rate: float64(total.n) / took, Latency: total.latencies(),
	}, nil
}

// maxHists is how many histograms share the work of counting.
const maxHists = 16

func (a *app) printRow(r benchRow) error {
	if a.json {
		b, err := json.Marshal(r)
		if err != nil {
			return err
		}
		return a.out.line(b)
	}
	return a.out.line([]byte(strings.TrimRight(benchLine(r), " ")))
}
