package main

import (
	"context"
	"errors"
	"slices"

	"github.com/flux-sdk/flux"
	"github.com/spf13/cobra"
)

func (a *app) attrCommand() *cobra.Command {
	var to target
	cmd := &cobra.Command{
		Use:   "attr [NAME [VALUE]]",
		Short: "List, get and set broker attributes",
		Long: `Attr lists the attributes of a broker with their values, separated by tabs,
prints the value of one, or sets it.`,
		Example: `  flux-rpc attr
  flux-rpc attr rank
  flux-rpc attr log-stderr-level 7 --rank 3`,
		Args:              wantArgs(0, 2),
		ValidArgsFunction: a.completeAttr,
	}
	to.flags(cmd, false)
	a.timeoutFlag(cmd)
	a.jsonFlag(cmd, "print an object of names and values; errors as JSON too")
	return a.remote(cmd, func(ctx context.Context, args []string) error {
		for i, what := range []string{"attribute's name", "attribute's value"}[:len(args)] {
			if err := checkText(what, args[i]); err != nil {
				return err
			}
		}
		if len(args) > 0 && args[0] == "" {
			return usagef("the attribute's name is empty")
		}
		c, err := a.dial(ctx)
		if err != nil {
			return err
		}
		defer c.Close()
		switch len(args) {
		case 0:
			return a.listAttrs(ctx, c, to.call())
		case 1:
			return a.getAttr(ctx, c, args[0], to.call())
		}
		_, err = c.Call(ctx, "attr.set", map[string]string{"name": args[0], "value": args[1]}, to.call()...)
		return err
	})
}

// attrValue is the response to attr.get.
type attrValue struct {
	Value string `json:"value"`
}

func attrNames(ctx context.Context, c *flux.Client, opts []flux.CallOption) ([]string, error) {
	list, err := flux.CallAs[struct {
		Names []string `json:"names"`
	}](ctx, c, "attr.list", nil, opts...)
	slices.Sort(list.Names)
	return list.Names, err
}

func (a *app) listAttrs(ctx context.Context, c *flux.Client, opts []flux.CallOption) error {
	names, err := attrNames(ctx, c, opts)
	if err != nil {
		return err
	}
	var replies []<-chan flux.Response
	for _, name := range names {
		replies = append(replies, c.Go(ctx, "attr.get", map[string]string{"name": name}, opts...))
	}
	values := make(map[string]string)
	for i, reply := range replies {
		var v attrValue
		err := (<-reply).Decode(&v)
		switch {
		case errors.Is(err, flux.ENOENT): // listed, but not set
			continue
		case err != nil:
			return err
		}
		values[names[i]] = v.Value
		if !a.json {
			if err := a.out.printf("%s\t%s\n", oneLine(names[i]), oneLine(v.Value)); err != nil {
				return err
			}
		}
	}
	if a.json {
		return a.out.object(values)
	}
	return nil
}

func (a *app) getAttr(ctx context.Context, c *flux.Client, name string, opts []flux.CallOption) error {
	v, err := flux.CallAs[attrValue](ctx, c, "attr.get", map[string]string{"name": name}, opts...)
	switch {
	case err != nil:
		return err
	case a.json:
		return a.out.object(map[string]string{name: v.Value})
	}
	return a.out.line([]byte(v.Value))
}
