package main

import (
	"github.com/flux-sdk/flux"
	"github.com/spf13/cobra"
)

// target is who a request is addressed to.
type target struct {
	rank     rankFlag
	upstream bool
}

// flags adds --rank, and --upstream where that makes sense.
func (t *target) flags(cmd *cobra.Command, upstream bool) {
	cmd.Flags().Var(&t.rank, "rank", "address the broker of this rank (default the nearest service)")
	if upstream {
		cmd.Flags().BoolVar(&t.upstream, "upstream", false, "address the nearest service above this broker")
		cmd.MarkFlagsMutuallyExclusive("rank", "upstream")
	}
}

// option returns the options for a call or stream, none or one.
func (t *target) option() []flux.RequestOption {
	switch {
	case t.upstream:
		return []flux.RequestOption{flux.Upstream()}
	case t.rank.set:
		return []flux.RequestOption{flux.Rank(t.rank.rank)}
	}
	return nil
}

func (t *target) call() (opts []flux.CallOption) {
	for _, o := range t.option() {
		opts = append(opts, o)
	}
	return opts
}

func (t *target) stream() (opts []flux.StreamOption) {
	for _, o := range t.option() {
		opts = append(opts, o)
	}
	return opts
}
