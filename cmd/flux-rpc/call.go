package main

import (
	"context"
	"errors"
	"math"

	"github.com/flux-sdk/flux"
	"github.com/spf13/cobra"
)

type callFlags struct {
	to                      target
	rawRequest, rawResponse bool
	noResponse              bool
}

func (a *app) callCommand() *cobra.Command {
	var f callFlags
	cmd := &cobra.Command{
		Use:   "call TOPIC " + requestArgs,
		Short: "Call a service and print its response",
		Long: `Call sends a request and prints the payload of its one response: JSON, pretty on
a terminal and compact elsewhere, or text; nothing if it has none.

` + requestHelp,
		Example: `  flux-rpc call attr.get '{"name":"rank"}'
  flux-rpc call attr.get name=rank
  flux-rpc call broker.ping '{"seq":1}' --rank 3 | jq -r .route
  flux-rpc call kvs.commit @commit.json
  flux-rpc call content.store - --raw-request --raw-response <blob >hash
  flux-rpc call attr.get '{"name":"nope"}' --expect-errno ENOENT`,
		Args:              wantArgs(1, math.MaxInt),
		ValidArgsFunction: a.completeTopic,
	}
	f.to.flags(cmd, true)
	cmd.Flags().BoolVar(&f.rawRequest, "raw-request", false, "send the payload's bytes as they are, not as JSON")
	cmd.Flags().BoolVar(&f.rawResponse, "raw-response", false,
		"print the payload's bytes as they are, a trailing NUL included")
	cmd.Flags().BoolVar(&f.noResponse, "no-response", false, "ask for no response and wait for none")
	cmd.MarkFlagsMutuallyExclusive("no-response", "raw-response")
	a.verboseFlag(cmd, "")
	a.timeoutFlag(cmd)
	a.jsonFlag(cmd,
		"print one line of JSON whatever the payload is: text as a string, binary as base64, none as null; errors too")
	a.remote(cmd, func(ctx context.Context, args []string) error { return a.call(ctx, &f, args) })
	cmd.MarkFlagsMutuallyExclusive("no-response", "expect-errno")
	cmd.MarkFlagsMutuallyExclusive("raw-response", "json")
	return cmd
}

func (a *app) call(ctx context.Context, f *callFlags, args []string) error {
	if err := checkTopic(args[0]); err != nil {
		return err
	}
	req, err := readPayload(ctx, args[1:], f.rawRequest, "--raw-request")
	if err != nil {
		return err
	}
	c, err := a.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if f.noResponse {
		err := c.Notify(ctx, args[0], req, f.to.call()...)
		return errors.Join(err, c.Close())
	}
	b, err := flux.CallAs[[]byte](ctx, c, args[0], req, f.to.call()...)
	if err != nil {
		return err
	}
	p := newPayload(b)
	if p.kind == noPayload && !a.json {
		return nil
	}
	return a.printPayload(p, f.rawResponse, true)
}
