package main

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/flux-sdk/flux"
	"github.com/spf13/cobra"
)

type subFlags struct {
	count   int
	match   string
	verbose bool
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

It ends with --count, --timeout or Ctrl-C.`,
		Example: `  flux-rpc sub heartbeat
  flux-rpc sub job kvs.namespace --json
  flux-rpc sub "" --match '*.create' --count 1`,
		Args: wantArgs(1, math.MaxInt),
	}
	cmd.Flags().IntVar(&f.count, "count", 0, "end after this many events (default no limit)")
	cmd.Flags().StringVar(&f.match, "match", "", "of those, print only the events whose whole topic matches this glob")
	cmd.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "tell on standard error when the subscription stands")
	a.timeoutFlag(cmd)
	a.jsonFlag(cmd, "print each event as a JSON object: topic, seq, userid, rolemask, private, payload")
	return a.remote(cmd, func(ctx context.Context, args []string) error { return a.sub(ctx, &f, args) })
}

func (a *app) sub(ctx context.Context, f *subFlags, prefixes []string) error {
	if f.count < 0 {
		return usagef("--count %d: want 1 or more", f.count)
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
	if f.verbose {
		a.note("subscribed to %q", prefixes)
	}
	for n := 0; f.count == 0 || n < f.count; n++ {
		e, ok := <-events
		if !ok {
			return context.Cause(ctx)
		}
		if err := a.printEvent(e); err != nil {
			return err
		}
	}
	return nil
}

// eventLine is an event in JSON output.
type eventLine struct {
	Topic    string `json:"topic"`
	Seq      uint32 `json:"seq"`
	UserID   uint32 `json:"userid"`
	Rolemask uint32 `json:"rolemask"`
	Private  bool   `json:"private"`
	Payload  any    `json:"payload"`
}

func (a *app) printEvent(e flux.Event) error {
	b, err := e.Bytes()
	if err != nil {
		return err
	}
	p := newPayload(b)
	if a.json {
		return a.out.object(eventLine{e.Topic(), e.Seq(), e.UserID(), uint32(e.Roles()), e.Private(), p.value()})
	}
	return a.out.printf("%s\t%d\t%s\n", oneLine(e.Topic()), e.Seq(), p.short())
}

type pubFlags struct {
	private, raw, unconfirmed bool
}

func (a *app) pubCommand() *cobra.Command {
	var f pubFlags
	cmd := &cobra.Command{
		Use:   "pub TOPIC [JSON|@FILE|-]",
		Short: "Publish an event and print its sequence number",
		Long: `Pub publishes an event to the whole instance and prints the sequence number it
was given: it is on its way then, which does not mean that anybody receives it.

The payload is a JSON object given as an argument, as @FILE or, with -, on
standard input. Without one the event has no payload.`,
		Example: `  flux-rpc pub my.event '{"state":"done"}'
  flux-rpc pub my.blob @image.png --raw
  flux-rpc pub my.secret '{"key":1}' --private`,
		Args: wantArgs(1, 2),
	}
	cmd.Flags().BoolVar(&f.private, "private", false, "for the instance owner and this user only")
	cmd.Flags().BoolVar(&f.raw, "raw", false, "send the payload's bytes as they are, not as JSON")
	cmd.Flags().BoolVar(&f.unconfirmed, "unconfirmed", false, "send and forget: there is no number to print")
	a.timeoutFlag(cmd)
	a.jsonFlag(cmd, `print {"seq":N}; errors as JSON too`)
	a.remote(cmd, func(ctx context.Context, args []string) error { return a.pub(ctx, &f, args) })
	cmd.MarkFlagsMutuallyExclusive("unconfirmed", "expect-errno")
	return cmd
}

func (a *app) pub(ctx context.Context, f *pubFlags, args []string) error {
	req, err := readPayload(args[1:], f.raw)
	if err != nil {
		return err
	}
	if args[0] == "" {
		return usagef("an event needs a topic")
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
