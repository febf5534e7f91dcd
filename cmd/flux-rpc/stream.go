package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/flux-sdk/flux"
	"github.com/spf13/cobra"
)

type streamFlags struct {
	to                      target
	rawRequest, rawResponse bool
	count                   int
	untilKey                string
	cancelTopic             string
}

func (a *app) streamCommand() *cobra.Command {
	var f streamFlags
	cmd := &cobra.Command{
		Use:   "stream TOPIC " + requestArgs,
		Short: "Call a streaming service and print a line per response",
		Long: `Stream sends a streaming request and prints a line per response, an empty one
for a response without a payload, until the service ends the stream.

Ctrl-C, --count, --until-key, --timeout and a reader of the output that goes away
end it from this side: the service is told with its cancel request.

A method that is not a streaming one answers once and never ends the stream: its
response is printed, and then nothing more comes. Use "flux-rpc call" for it, or
end it with --count 1 or --timeout.

` + requestHelp,
		Example: `  flux-rpc stream log.dmesg '{"follow":true}'
  flux-rpc stream log.dmesg follow:=false --count 10
  flux-rpc stream job-info.eventlog-watch '{"id":123,"path":"eventlog","flags":0}'
  flux-rpc stream job-manager.events-journal '{}' --json | jq -c .events`,
		Args:              wantArgs(1, math.MaxInt),
		ValidArgsFunction: a.completeTopic,
	}
	f.to.flags(cmd, true)
	cmd.Flags().BoolVar(&f.rawRequest, "raw-request", false, "send the payload's bytes as they are, not as JSON")
	cmd.Flags().BoolVar(&f.rawResponse, "raw-response", false,
		"print the payloads' bytes as they are, with nothing in between")
	cmd.Flags().IntVar(&f.count, "count", 0, "end after `N` responses; 0, the default, is no limit")
	cmd.Flags().StringVar(&f.untilKey, "until-key", "",
		"end after the first response with this `KEY` at its top; failure if there is none")
	cmd.Flags().StringVar(&f.cancelTopic, "cancel-topic", "",
		"`TOPIC` of the request that cancels the stream (default what the service is known to use)")
	a.verboseFlag(cmd, "")
	a.timeoutFlag(cmd)
	a.jsonFlag(cmd, "print a line of JSON per response whatever its payload is; errors too")
	a.follow(cmd, func(ctx context.Context, args []string) error { return a.stream(ctx, &f, args) })
	cmd.MarkFlagsMutuallyExclusive("raw-response", "json")
	return cmd
}

func (a *app) stream(ctx context.Context, f *streamFlags, args []string) error {
	if f.count < 0 {
		return usagef("--count %d: want 1 or more, or 0 for no limit", f.count)
	}
	if err := checkTopic(args[0]); err != nil {
		return err
	}
	if f.cancelTopic != "" {
		if err := checkTopic(f.cancelTopic); err != nil {
			return err
		}
	}
	req, err := readPayload(ctx, args[1:], f.rawRequest, "--raw-request")
	if err != nil {
		return err
	}
	c, err := a.dial(ctx)
	if err != nil {
		return err
	}
	// Close writes what was accepted, the cancel request included.
	defer c.Close()
	opts := f.to.stream()
	if f.cancelTopic != "" {
		opts = append(opts, flux.CancelTopic(f.cancelTopic))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	responses, err := c.Stream(ctx, args[0], req, opts...)
	if err != nil {
		return err
	}
	done, err := a.printStream(f, responses)
	cancel()
	for range responses { // closed once the cancel is on its way
	}
	switch {
	case err != nil || done:
		return err
	case f.untilKey != "":
		return fmt.Errorf("%s ended without a response with the key %q", args[0], f.untilKey)
	case flux.Errno(a.expect) == flux.ENODATA:
		return &flux.Error{Topic: args[0], Errno: flux.ENODATA}
	}
	return nil
}

// printStream prints responses until the stream ends or enough is seen.
func (a *app) printStream(f *streamFlags, responses <-chan flux.Response) (done bool, err error) {
	n := 0
	for r := range responses {
		b, err := r.Bytes()
		if err != nil {
			if a.verbose {
				a.noteHeader("<", r.Message())
			}
			return false, err
		}
		if a.verbose {
			a.noteHeader("<", r.Message())
		}
		p := newPayload(b)
		if err := a.printPayload(p, f.rawResponse, false); err != nil {
			return false, err
		}
		n++
		if n == f.count || f.untilKey != "" && p.hasKey(f.untilKey) {
			return true, nil
		}
	}
	return false, nil
}

func (p payload) hasKey(key string) bool {
	var object map[string]json.RawMessage
	if p.kind != jsonPayload || json.Unmarshal(p.body, &object) != nil {
		return false
	}
	_, ok := object[key]
	return ok
}

// ended turns the end of a context by a signal into no error.
func ended(ctx context.Context, err error) error {
	if errors.Is(err, context.Canceled) && interrupted(ctx) {
		return nil
	}
	return err
}
