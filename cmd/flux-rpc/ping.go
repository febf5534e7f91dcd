package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/spf13/cobra"
)

type pingFlags struct {
	to       target
	count    int
	interval time.Duration
	pad      int
	timeout  time.Duration
}

func (a *app) pingCommand() *cobra.Command {
	var f pingFlags
	cmd := &cobra.Command{
		Use:   "ping TARGET",
		Short: "Measure the way to a service and back",
		Long: `Ping calls a service's ping method again and again and shows how long each call
took, with the percentiles so far, and all percentiles at the end.

TARGET is a service, such as kvs, the rank of a broker, such as 3, or both: 3!kvs.

It ends with --count or Ctrl-C. The exit status is 1 if no ping was answered.`,
		Example: `  flux-rpc ping broker
  flux-rpc ping 3 --count 5
  flux-rpc ping kvs --rank 1 --count 1000 --interval 0 --json | tail -1`,
		Args:              wantArgs(1, 1),
		ValidArgsFunction: a.completeTarget,
	}
	f.to.flags(cmd, true)
	cmd.Flags().IntVar(&f.count, "count", 0, "end after `N` pings; 0, the default, is no limit")
	durationVar(cmd, &f.interval, "interval", time.Second,
		"time from one ping to the next; 0 waits for nothing but the response")
	cmd.Flags().IntVar(&f.pad, "pad", 0, "make the request `N` bytes larger")
	durationVar(cmd, &f.timeout, "timeout", 5*time.Second, "count a ping as lost after this time; 0 waits for ever")
	a.jsonFlag(cmd, "print a JSON object per ping and one at the end; errors too")
	return a.follow(cmd, func(ctx context.Context, args []string) error { return a.ping(ctx, &f, args[0]) })
}

// pinger pings one target.
type pinger struct {
	a       *app
	c       *flux.Client
	topic   string
	opts    []flux.CallOption
	pad     string
	timeout time.Duration
	sent    int
	lost    int
	latency hist
}

func (a *app) ping(ctx context.Context, f *pingFlags, name string) error {
	if f.count < 0 || f.pad < 0 || f.pad > maxInput {
		return usagef("want --count of 0 or more and --pad of 0 to %d", maxInput)
	}
	p := &pinger{a: a, opts: f.to.call(), pad: strings.Repeat("x", f.pad), timeout: f.timeout}
	if err := p.target(name); err != nil {
		return err
	}
	c, err := a.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	p.c = c
	err = p.run(ctx, f.count, f.interval)
	if serr := p.summary(); err == nil {
		err = serr
	}
	if err == nil && p.sent == p.lost {
		err = errors.New("no ping was answered")
	}
	return err
}

// target reads SERVICE, RANK or RANK!SERVICE.
func (p *pinger) target(name string) error {
	rank, service, both := strings.Cut(name, "!")
	n, err := parseRank(rank)
	switch {
	case both && err != nil:
		return usagef("target %q: %q: %w", name, rank, err)
	case both && service == "" || name == "":
		return usagef("target %q: want SERVICE, RANK or RANK!SERVICE, such as kvs, 3 or 3!kvs", name)
	case !both && err != nil:
		p.topic = name + ".ping"
		return checkTopic(p.topic)
	case len(p.opts) > 0:
		return usagef("target %q names a rank, and so does a flag", name)
	case !both:
		service = "broker"
	}
	p.topic, p.opts = service+".ping", []flux.CallOption{flux.Rank(n)}
	return checkTopic(p.topic)
}

func (p *pinger) run(ctx context.Context, count int, interval time.Duration) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for seq := 0; count == 0 || seq < count; seq++ {
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		switch {
		case interrupted(ctx):
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		timer.Reset(interval) // from start to start
		if err := p.once(ctx, seq); err != nil {
			return ended(ctx, err)
		}
	}
	return nil
}

// once sends one ping and prints what came of it.
func (p *pinger) once(parent context.Context, seq int) error {
	ctx, cancel := parent, context.CancelFunc(func() {})
	if p.timeout > 0 {
		ctx, cancel = context.WithTimeout(parent, p.timeout)
	}
	defer cancel()
	req := map[string]any{"seq": seq}
	if p.pad != "" {
		req["pad"] = p.pad
	}
	p.sent++
	start := time.Now()
	r, err := flux.CallAs[pong](ctx, p.c, p.topic, req, p.opts...)
	took := time.Since(start)
	switch {
	case err == nil:
		p.latency.add(took)
		return p.show(seq, r, took)
	case parent.Err() == nil && errors.Is(err, context.DeadlineExceeded):
		p.lost++
		return p.showLost(seq)
	}
	p.sent-- // neither answered nor lost
	return err
}

// pong is what is of interest in the response to a ping.
type pong struct {
	Rank  *uint32 `json:"rank"`
	Route string  `json:"route"`
}

func (p *pinger) show(seq int, r pong, took time.Duration) error {
	if p.a.json {
		return p.a.out.object(struct {
			Topic string  `json:"topic"`
			Seq   int     `json:"seq"`
			Rank  *uint32 `json:"rank,omitempty"`
			Time  float64 `json:"ms"`
			Route string  `json:"route"`
		}{p.topic, seq, r.Rank, ms(took), r.Route})
	}
	rank := ""
	if r.Rank != nil {
		rank = fmt.Sprintf(" rank=%d", *r.Rank)
	}
	return p.a.out.printf("%s%s seq=%d time=%.3fms p50=%.3fms p99=%.3fms route=%s\n", p.topic, rank, seq,
		ms(took), ms(p.latency.quantile(0.5)), ms(p.latency.quantile(0.99)), oneLine(r.Route))
}

func (p *pinger) showLost(seq int) error {
	if p.a.json {
		return p.a.out.object(map[string]any{"topic": p.topic, "seq": seq, "lost": true})
	}
	return p.a.out.printf("%s seq=%d no response within %v\n", p.topic, seq, p.timeout)
}

// summary prints the figures of all pings.
func (p *pinger) summary() error {
	if p.sent == 0 {
		return nil
	}
	h := &p.latency
	if p.a.json {
		b, err := json.Marshal(h.latencies())
		if err != nil {
			return err
		}
		return p.a.out.object(struct {
			Topic    string          `json:"topic"`
			Sent     int             `json:"sent"`
			Answered int             `json:"answered"`
			Lost     int             `json:"lost"`
			Latency  json.RawMessage `json:"latency"`
		}{p.topic, p.sent, p.sent - p.lost, p.lost, b})
	}
	err := p.a.out.printf("--- %s: %d sent, %d answered, %d lost\n", p.topic, p.sent, p.sent-p.lost, p.lost)
	if err != nil || h.n == 0 {
		return err
	}
	l := h.latencies()
	return p.a.out.printf("min/p50/p90/p99/max = %.3f/%.3f/%.3f/%.3f/%.3f ms, mean %.3f ms\n",
		l.Min, l.P50, l.P90, l.P99, l.Max, l.Mean)
}
