package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/spf13/cobra"
)

type subFlags struct {
	count int
	match string
	times bool
}

func (a *app) subCommand() *cobra.Command {
	var f subFlags
	cmd := &cobra.Command{
		Use:   "sub PREFIX...",
		Short: "Print events as they are published",
		Long: `Sub subscribes to the events whose topic starts with any of the prefixes, "" for
all, and prints a line for each: topic, sequence number and payload, separated
by tabs. An event is printed once however many prefixes it matches. Numbers that
are missing belong to events of other topics.

With --time a line begins with the time at which the event was received, with
microseconds and in UTC.

It ends with --count, --timeout, Ctrl-C, or when its output has no reader any
more. The end of --timeout is success, unless --count asked for more events.`,
		Example: `  flux-rpc sub heartbeat
  flux-rpc sub job --time --timeout 10s
  flux-rpc sub job kvs.namespace --json
  flux-rpc sub "" --match '*.create' --count 1`,
		Args:              wantArgs(1, math.MaxInt),
		ValidArgsFunction: completeEvent,
	}
	cmd.Flags().IntVar(&f.count, "count", 0, "end after `N` events; 0, the default, is no limit")
	cmd.Flags().StringVar(&f.match, "match", "",
		"of those, print only the events whose whole topic matches this `GLOB`")
	cmd.Flags().BoolVarP(&f.times, "time", "t", false,
		"print when each event was received; with --json as its key time")
	a.verboseFlag(cmd, ", and when the subscription stands")
	durationVar(cmd, &a.limit, "timeout", 0, "end after this time, such as 5s; 0, the default, never does")
	a.jsonFlag(cmd, "print each event as a JSON object: topic, seq, userid, rolemask, private, payload")
	return a.follow(cmd, func(ctx context.Context, args []string) error { return a.sub(ctx, &f, args) })
}

func (a *app) sub(ctx context.Context, f *subFlags, prefixes []string) error {
	if f.count < 0 {
		return usagef("--count %d: want 1 or more, or 0 for no limit", f.count)
	}
	for _, prefix := range append(prefixes, f.match) {
		if err := checkText("topic", prefix); err != nil {
			return err
		}
	}
	// One local subscription to whatever arrives keeps the order across prefixes
	// and prints an event once; what arrives is asked of the broker below.
	c, err := a.dial(ctx, flux.WithoutSubscribe())
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var opts []flux.SubscribeOption
	if f.match != "" {
		opts = append(opts, flux.Match(f.match))
	}
	events, err := c.Subscribe(ctx, "", opts...)
	if err != nil {
		return err
	}
	for _, prefix := range prefixes {
		if _, err := c.Call(ctx, "event.subscribe", map[string]string{"topic": prefix}); err != nil {
			return err
		}
	}
	if a.verbose {
		a.note("subscribed to %q", prefixes)
	}
	for n := 0; f.count == 0 || n < f.count; n++ {
		e, ok := <-events
		switch {
		case !ok && timedOut(ctx) && f.count == 0:
			return nil // the time that was asked for is over
		case !ok && timedOut(ctx):
			return fmt.Errorf("%d of %d events: %w", n, f.count, context.Cause(ctx))
		case !ok:
			return context.Cause(ctx)
		}
		if err := a.printEvent(e, f.times); err != nil {
			return err
		}
	}
	return nil
}

// eventLine is an event in JSON output.
type eventLine struct {
	Time     string `json:"time,omitempty"`
	Topic    string `json:"topic"`
	Seq      uint32 `json:"seq"`
	UserID   uint32 `json:"userid"`
	Rolemask uint32 `json:"rolemask"`
	Private  bool   `json:"private"`
	Payload  any    `json:"payload"`
}

// eventTime shows when an event was received: RFC 3339 with a fixed number of digits, so that lines sort.
const eventTime = "2006-01-02T15:04:05.000000Z07:00"

func (a *app) printEvent(e flux.Event, times bool) error {
	b, err := e.Bytes()
	if err != nil {
		return err
	}
	stamp := ""
	if times {
		stamp = time.Now().UTC().Format(eventTime)
	}
	if a.verbose {
		m := codec.Message{
			Type: codec.TypeEvent, Topic: e.Topic(), Sequence: e.Seq(),
			UserID: e.UserID(), Rolemask: uint32(e.Roles()), Payload: b,
		}
		if e.Private() {
			m.Flags = codec.FlagPrivate
		}
		a.noteHeader("<", &m)
	}
	p := newPayload(b)
	if a.json {
		return a.out.object(eventLine{
			stamp, e.Topic(), e.Seq(), e.UserID(), uint32(e.Roles()), e.Private(), p.value(),
		})
	}
	if times {
		stamp += "\t"
	}
	return a.out.printf("%s%s\t%d\t%s\n", stamp, oneLine(e.Topic()), e.Seq(), p.short())
}

type pubFlags struct {
	private, raw, unconfirmed bool
}

func (a *app) pubCommand() *cobra.Command {
	var f pubFlags
	cmd := &cobra.Command{
		Use:   "pub TOPIC " + requestArgs,
		Short: "Publish an event and print its sequence number",
		Long: `Pub publishes an event to the whole instance and prints the sequence number it
was given: it is on its way then, which does not mean that anybody receives it.

` + requestHelp,
		Example: `  flux-rpc pub my.event '{"state":"done"}'
  flux-rpc pub my.event state=done count:=3
  flux-rpc pub my.blob @image.png --raw
  flux-rpc pub my.secret '{"key":1}' --private`,
		Args:              wantArgs(1, math.MaxInt),
		ValidArgsFunction: completePayload,
	}
	cmd.Flags().BoolVar(&f.private, "private", false, "for the instance owner and this user only")
	cmd.Flags().BoolVar(&f.raw, "raw", false, "send the payload's bytes as they are, not as JSON")
	cmd.Flags().BoolVar(&f.unconfirmed, "unconfirmed", false, "send and forget: there is no number to print")
	a.verboseFlag(cmd, "")
	a.timeoutFlag(cmd)
	a.jsonFlag(cmd, `print {"seq":N}; errors as JSON too`)
	a.remote(cmd, func(ctx context.Context, args []string) error { return a.pub(ctx, &f, args) })
	cmd.MarkFlagsMutuallyExclusive("unconfirmed", "expect-errno")
	return cmd
}

func (a *app) pub(ctx context.Context, f *pubFlags, args []string) error {
	if err := checkEvent(args[0]); err != nil {
		return err
	}
	req, err := readPayload(ctx, args[1:], f.raw, "--raw")
	if err != nil {
		return err
	}
	c, err := a.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	var opts []flux.PublishOption
	if f.private {
		opts = append(opts, flux.Private())
	}
	if f.unconfirmed {
		_, err := c.Publish(ctx, args[0], req, append(opts, flux.Unconfirmed())...)
		return errors.Join(err, c.Close())
	}
	seq, err := c.Publish(ctx, args[0], req, opts...)
	switch {
	case err != nil:
		return err
	case a.json:
		return a.out.object(map[string]uint32{"seq": seq})
	}
	return a.out.line(fmt.Append(nil, seq))
}
