package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/flux-sdk/flux/fluxtest"
	"github.com/spf13/cobra"
)

type brokerFlags struct {
	size      int
	heartbeat time.Duration
	guests    bool
	replay    []string
}

func (a *app) brokerCommand() *cobra.Command {
	var f brokerFlags
	cmd := &cobra.Command{
		Use:   "broker [-- CMD [ARG...]]",
		Short: "Run an embedded broker for trying things",
		Long: `Broker runs an instance of one or more brokers inside this program, with no Flux
installed: events, services of clients, and the broker's own services are as in
a real one; there are no jobs and no KVS. It is for tests and development.

It prints FLUX_URI=... and runs until interrupted. With a command it runs that
with FLUX_URI set, and exits with its status.

With --replay, topics that the broker does not serve itself get the answers of a
recording made by "flux-rpc record".`,
		Example: `  flux-rpc broker --size 4 -- flux-rpc ping 3 --count 3
  flux-rpc broker --size 4 -- bash
  flux-rpc broker --replay jobs.jsonl -- python3 submit.py`,
		ValidArgsFunction: a.completeCommand(false),
		Args: func(cmd *cobra.Command, args []string) error {
			if dash := cmd.ArgsLenAtDash(); len(args) > 0 && dash != 0 {
				return errors.New("want a command only after --")
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&f.size, "size", 1, "number `N` of ranks")
	durationVar(cmd, &f.heartbeat, "heartbeat", 2*time.Second, "time between heartbeat.pulse events; 0 for none")
	cmd.Flags().BoolVar(&f.guests, "allow-guests", false, "let all users connect")
	cmd.Flags().StringArrayVar(&f.replay, "replay", nil,
		"answer from the recording in this `FILE`; may be given again")
	a.jsonFlag(cmd, `print {"uri":"...","uris":[...],"pid":N}: of rank 0, of all ranks, and of this process`)
	cmd.RunE = a.run(func(ctx context.Context, args []string) error { return a.broker(ctx, &f, args) })
	return cmd
}

// maxSize is the largest instance that package fluxtest runs, in ranks.
const maxSize = 1 << 16

func (a *app) broker(ctx context.Context, f *brokerFlags, command []string) (err error) {
	if a.uri != "" {
		return usagef("--uri makes no sense: this is a broker of its own")
	}
	if f.size < 1 || f.size > maxSize {
		return usagef("--size %d: want 1 to %d", f.size, maxSize)
	}
	opts := []fluxtest.Option{fluxtest.Size(f.size), fluxtest.HeartbeatEvery(f.heartbeat), fluxtest.Record(0)}
	if f.guests {
		opts = append(opts, fluxtest.AllowGuests())
	}
	b, err := fluxtest.Start(opts...)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := b.Close(); err == nil {
			err = cerr
		}
	}()
	for _, name := range f.replay {
		if err := replay(ctx, b, name); err != nil {
			return err
		}
	}
	if len(command) > 0 {
		return runChild(ctx, command, b.URI())
	}
	if err := a.printURIs(b); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// replay makes the broker answer as a recording says.
func replay(ctx context.Context, b *fluxtest.Broker, name string) error {
	_, err := await(ctx, "reading "+name, func() (struct{}, error) {
		file, err := os.Open(name)
		if err != nil {
			return struct{}{}, &usageError{err}
		}
		defer file.Close()
		err = b.HandleCapture(&lineGuard{ctx: ctx, r: file, limit: maxInput})
		if err != nil {
			err = usagef("%s: %w", name, err)
		}
		return struct{}{}, err
	})
	return err
}

func (a *app) printURIs(b *fluxtest.Broker) error {
	if !a.json {
		return a.out.printf("FLUX_URI=%s\n", b.URI())
	}
	var uris []string
	for rank := range b.Size() {
		uris = append(uris, b.URIOf(uint32(rank)))
	}
	return a.out.object(map[string]any{"uri": b.URI(), "uris": uris, "pid": os.Getpid()})
}
