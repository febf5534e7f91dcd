package main

import (
	"context"
	"slices"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/spf13/cobra"
)

// completeWait is how long a shell waits for a broker's help with completion.
const completeWait = 500 * time.Millisecond

// knownTopics are what people call most.
var knownTopics = []string{
	"attr.get", "attr.list", "attr.set", "broker.getenv", "broker.ping", "config.get", "content.load", "content.store",
	"groups.get", "job-info.eventlog-watch", "job-info.lookup", "job-list.list", "job-list.list-id",
	"job-manager.events-journal", "job-manager.wait", "kvs.commit", "kvs.getroot", "kvs.lookup", "kvs-watch.lookup",
	"log.dmesg", "module.list", "overlay.health", "overlay.topology", "resource.status", "sched.resource-status",
	"state-machine.get", "state-machine.wait",
}

// asking runs f with a connection, for a moment. A broker that does not help is
// no error to a shell.
func (a *app) asking(cmd *cobra.Command, f func(ctx context.Context, c *flux.Client) ([]string, error)) []string {
	ctx, cancel := context.WithTimeout(cmd.Context(), completeWait)
	defer cancel()
	c, err := a.dial(ctx)
	if err != nil {
		return nil
	}
	defer c.Close()
	names, err := f(ctx, c)
	if err != nil {
		return nil
	}
	return names
}

func moduleServices(ctx context.Context, c *flux.Client) ([]string, error) {
	mods, err := listModules(ctx, c, nil)
	names := []string{"broker"}
	for _, m := range mods {
		names = append(names, m.Services...)
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// completeTopic offers the topics that are known and, of every service that the
// broker knows, the beginning.
func (a *app) completeTopic(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault // a file for @FILE
	}
	topics := slices.Clone(knownTopics)
	for _, name := range a.asking(cmd, moduleServices) {
		topics = append(topics, name+".")
	}
	return topics, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

func (a *app) completeService(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 && cmd.Name() == "ping" {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.asking(cmd, moduleServices), cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeAttr(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.asking(cmd, func(ctx context.Context, c *flux.Client) ([]string, error) {
		return attrNames(ctx, c, nil)
	}), cobra.ShellCompDirectiveNoFileComp
}

// completeErrno offers the names of errors for --expect-errno.
func (a *app) completeErrno(cmd *cobra.Command) {
	err := cmd.RegisterFlagCompletionFunc("expect-errno", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return errnoNames(), cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic(err) // the flag is there
	}
}
