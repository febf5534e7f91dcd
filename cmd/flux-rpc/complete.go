package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const (
	// completeWait is how long a shell waits for a broker's help with completion.
	completeWait = 500 * time.Millisecond
	// maxRanks is how many ranks are offered. A shell shows no thousands.
	maxRanks = 1024

	noFiles       = cobra.ShellCompDirectiveNoFileComp
	noFilesOrEnd  = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	filesAsUsual  = cobra.ShellCompDirectiveDefault
	topicEnd      = "."
	rankSeparator = "!"
)

// knownTopics are what people call most.
var knownTopics = []string{
	"attr.get", "attr.list", "attr.set", "broker.getenv", "broker.ping", "config.get", "content.load", "content.store",
	"groups.get", "job-info.eventlog-watch", "job-info.lookup", "job-list.list", "job-list.list-id",
	"job-manager.events-journal", "job-manager.wait", "kvs.commit", "kvs.getroot", "kvs.lookup", "kvs-watch.lookup",
	"log.dmesg", "module.list", "overlay.health", "overlay.topology", "resource.status", "sched.resource-status",
	"state-machine.get", "state-machine.wait",
}

// knownEvents are the events, or the beginnings of their topics, that Flux publishes.
var knownEvents = []string{"heartbeat.pulse", "job-exception", "job-purge-inactive", "kvs.namespace-", "shell-"}

// completer offers what the word under the cursor may be.
type completer = func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective)

// asking runs f with a connection, for a moment. A broker that does not help is no error to a shell.
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
	names := slices.Clone(brokerServices)
	for _, m := range mods {
		names = append(append(names, m.Name), m.Services...)
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// topics are those that are known and, of every service that the broker knows, the beginning.
func (a *app) topics(cmd *cobra.Command) []string {
	topics := slices.Clone(knownTopics)
	for _, name := range a.asking(cmd, moduleServices) {
		topics = append(topics, name+topicEnd)
	}
	return topics
}

// completeTopic offers topics and then what a payload may be.
func (a *app) completeTopic(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return completePayload(cmd, args, word)
	}
	return a.topics(cmd), noFilesOrEnd
}

// completePayload offers files where one is asked for: after an @, which is part of the word. A shell's own completion
// of files would look for files whose names begin with it.
func completePayload(_ *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	at := strings.LastIndex(word, "@")
	if len(args) == 0 || at < 0 || at > 0 && word[at-1] != '=' {
		return nil, noFiles
	}
	begin, name := word[:at+1], word[at+1:]
	dir, _ := filepath.Split(name)
	entries, err := os.ReadDir(filepath.Join(".", dir))
	if filepath.IsAbs(dir) {
		entries, err = os.ReadDir(dir)
	}
	if err != nil {
		return nil, noFiles
	}
	var words []string
	directive := noFiles
	for _, e := range entries {
		path := dir + e.Name()
		if !strings.HasPrefix(path, name) || strings.HasPrefix(e.Name(), ".") && path != name {
			continue
		}
		if e.IsDir() {
			path, directive = path+string(filepath.Separator), noFilesOrEnd
		}
		words = append(words, begin+path)
	}
	return words, directive
}

// completeEvent offers the topics of events that Flux publishes.
func completeEvent(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return knownEvents, noFilesOrEnd
}

func (a *app) completeService(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.asking(cmd, moduleServices), noFiles
}

// completeTarget offers what ping takes: services, ranks, and the services of a rank.
func (a *app) completeTarget(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, noFiles
	}
	services := a.asking(cmd, moduleServices)
	rank, _, ok := strings.Cut(word, rankSeparator)
	if !ok {
		return append(services, a.asking(cmd, ranks)...), noFiles
	}
	for i, name := range services {
		services[i] = rank + rankSeparator + name
	}
	return services, noFiles
}

func (a *app) completeAttr(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, noFiles
	}
	return a.asking(cmd, func(ctx context.Context, c *flux.Client) ([]string, error) {
		return attrNames(ctx, c, nil)
	}), noFiles
}

// ranks lists the ranks of the instance.
func ranks(ctx context.Context, c *flux.Client) ([]string, error) {
	size, err := c.Size(ctx)
	var list []string
	for rank := range min(size, maxRanks) {
		list = append(list, strconv.FormatUint(uint64(rank), 10))
	}
	return list, err
}

// fileFlags are the flags whose value is the name of a file.
var fileFlags = map[string]bool{"output": true, "replay": true}

// completeFlags makes every flag of every command offer what its value may be: a shell offers files for a flag that it
// knows nothing about.
func (a *app) completeFlags(cmd *cobra.Command) {
	byName := map[string]completer{
		"expect-errno": func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return errnoNames(), noFiles
		},
		"rank": func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return a.asking(cmd, ranks), noFiles
		},
		"topic": func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return a.topics(cmd), noFilesOrEnd
		},
		"cancel-topic": func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return a.topics(cmd), noFilesOrEnd
		},
		"payload": func(cmd *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
			return completePayload(cmd, []string{"topic"}, word)
		},
		"uri": func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"local://", "ssh://", "..", "/"}, noFilesOrEnd
		},
	}
	register := func(f *pflag.Flag) {
		if _, ok := cmd.GetFlagCompletionFunc(f.Name); ok || f.NoOptDefVal != "" || fileFlags[f.Name] {
			return
		}
		complete := byName[f.Name]
		if complete == nil {
			complete = cobra.NoFileCompletions
		}
		if err := cmd.RegisterFlagCompletionFunc(f.Name, complete); err != nil {
			panic(err) // the flag is there
		}
	}
	cmd.LocalFlags().VisitAll(register)
	if cmd.ValidArgsFunction == nil && !cmd.HasSubCommands() {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	for _, sub := range cmd.Commands() {
		a.completeFlags(sub)
	}
}

// completeCommand offers a socket if wanted, and nothing else before a "--"; after it, a command and its arguments.
func (a *app) completeCommand(socket bool) completer {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		// Not cmd.ArgsLenAtDash: when cobra completes, it adds a "--" at the end.
		if dashes := slices.Contains(a.words, "--"); dashes || socket && len(args) == 0 {
			return nil, filesAsUsual
		}
		return nil, noFiles
	}
}
