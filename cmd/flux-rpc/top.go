package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/spf13/cobra"
)

type topFlags struct {
	to       target
	interval time.Duration
	count    int
}

func (a *app) topCommand() *cobra.Command {
	var f topFlags
	cmd := &cobra.Command{
		Use:     "top",
		Aliases: []string{"stats"},
		Short:   "Show what a broker does, live on a terminal",
		Long: `Top shows what a broker does: the messages of its own services, its processor time
and memory, its modules with their processor time and queues, and the clients that
are connected with their messages, if this user may see them. Rates are those since
the picture before, so the first one has none. What top asks itself is part of them.

On a terminal the picture is drawn again after every --interval, until q or
Ctrl-C; elsewhere each one is printed below the last, until --count or a signal.

A module that does not answer within --interval has no figures of its own.`,
		Example: `  flux-rpc top
  flux-rpc top --rank 3 --interval 500ms
  flux-rpc top --count 2 --json | tail -n 1 | jq .clients`,
		Args: wantArgs(0, 0),
	}
	f.to.flags(cmd, false)
	durationVar(cmd, &f.interval, "interval", 2*time.Second, "time from one picture to the next")
	cmd.Flags().IntVar(&f.count, "count", 0, "end after `N` pictures; 0, the default, is no limit")
	a.timeoutFlag(cmd)
	a.jsonFlag(cmd, "print a JSON object per picture; errors as JSON too")
	return a.follow(cmd, func(ctx context.Context, _ []string) error { return a.top(ctx, &f) })
}

// minInterval keeps a broker from being busy with nothing but being looked at.
const minInterval = 50 * time.Millisecond

func (a *app) top(ctx context.Context, f *topFlags) error {
	if f.count < 0 || f.interval < minInterval {
		return usagef("want --count of 0 or more and --interval of %v or more", minInterval)
	}
	c, err := a.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	s := &sampler{c: c, opts: f.to.call(), patience: f.interval}
	if err := s.identify(ctx); err != nil {
		return err
	}
	var screen *screen
	if a.out.live() && !a.json {
		ctx, screen = openScreen(ctx, a.out)
		defer screen.close()
	}
	err = a.pictures(ctx, f, s, screen)
	if interrupted(ctx) || errors.Is(context.Cause(ctx), errQuit) {
		return nil
	}
	return err
}

// pictures takes samples and shows them until there are enough.
func (a *app) pictures(ctx context.Context, f *topFlags, s *sampler, screen *screen) error {
	ticker := time.NewTicker(f.interval)
	defer ticker.Stop()
	var last *sample
	for n := 0; f.count == 0 || n < f.count; n++ {
		if n > 0 {
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		now, err := s.take(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, context.DeadlineExceeded):
			// A broker that is busy for a while is what one looks at.
			err = a.showSilence(screen, f.interval)
		case err == nil:
			now.ratesSince(last)
			last = now
			err = a.showSample(screen, s, now, n > 0)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *app) showSample(screen *screen, s *sampler, now *sample, again bool) error {
	switch {
	case a.json:
		return a.out.object(now)
	case screen != nil:
		return screen.show(now.text(s))
	case again:
		if err := a.out.printf("\n"); err != nil {
			return err
		}
	}
	return a.out.line([]byte(now.text(s)))
}

func (a *app) showSilence(screen *screen, waited time.Duration) error {
	text := fmt.Sprintf("no answer from the broker within %v", waited)
	if screen != nil {
		return screen.show(text + "\n" + screen.last)
	}
	a.note("%s", text)
	return nil
}

// rate is how often something happened in a second; nil if that is not known.
type rate = *float64

func rateOf(now, before int64, seconds float64) rate {
	if now < before || seconds <= 0 {
		return nil // counted anew
	}
	r := float64(now-before) / seconds
	return &r
}

// messageCounts are how many messages there were, by type.
type messageCounts struct {
	Request  int64 `json:"request"`
	Response int64 `json:"response"`
	Event    int64 `json:"event"`
	Control  int64 `json:"control"`
}

func (m messageCounts) total() int64 { return m.Request + m.Response + m.Event + m.Control }

// usage is the processor time and memory that a service has used.
type usage struct {
	User   float64 `json:"utime"` // in seconds
	System float64 `json:"stime"`
	MaxRSS int64   `json:"maxrss"` // in KiB
}

func (u *usage) cpuSince(before *usage, seconds float64) rate {
	if u == nil || before == nil || seconds <= 0 {
		return nil
	}
	used := u.User + u.System - before.User - before.System
	percent := max(used, 0) / seconds * 100
	return &percent
}

// brokerTopics are what a sample asks for besides the figures of each module.
const (
	topicCounts  = "broker.stats-get"
	topicUsage   = "broker.rusage"
	topicClients = "connector-local.stats-get"
)

// moduleUsage asks a module for the figures of its own thread; "self" would be those of the whole broker.
var moduleUsage = map[string]string{"who": "thread"}

// optional reads a response to what this user or this broker may not have; without one v stays as it is.
func optional(r flux.Response, v any) error {
	err := r.Decode(v)
	if errors.Is(err, flux.EPERM) || errors.Is(err, flux.ENOSYS) || errors.Is(err, flux.EINVAL) {
		return nil
	}
	return err
}
