package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// maxMistakes is how many letters of a name may be wrong, missing or too many for it to be suggested.
const maxMistakes = 2

// similar returns those of the names that are most similar to s, and similar enough to have been meant.
func similar(s string, names []string) []string {
	nearest := maxMistakes
	var list []string
	for _, name := range names {
		far := distance(s, name)
		if len(s) > 1 && strings.HasPrefix(name, s) {
			far = min(far, 1)
		}
		if far > nearest || far >= len(name) || far >= len(s) {
			continue
		}
		if far < nearest {
			nearest, list = far, nil
		}
		list = append(list, name)
	}
	return list
}

// maxTyped is the longest text that is compared with names, in bytes.
const maxTyped = 64

// distance counts the letters to change, add, remove or exchange with their neighbour to make b of a.
func distance(a, b string) int {
	if len(a) > maxTyped {
		return len(a)
	}
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// didYouMean is the end of a message about a name that does not exist.
func didYouMean(prefix string, names []string) string {
	if len(names) == 0 {
		return ""
	}
	var b strings.Builder
	for i, name := range names {
		if i > 0 {
			b.WriteString(" or ")
		}
		fmt.Fprintf(&b, "%s%s", prefix, name)
	}
	return fmt.Sprintf("; did you mean %s?", b.String())
}

// subcommandNames are the commands under cmd that help shows.
func subcommandNames(cmd *cobra.Command) []string {
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() || sub.Name() == "help" {
			names = append(names, sub.Name())
			names = append(names, sub.Aliases...)
		}
	}
	return names
}

func unknownCommand(cmd *cobra.Command, name string) error {
	return fmt.Errorf("unknown command %q%s", name, didYouMean("", similar(name, subcommandNames(cmd))))
}

// helpCommand is "help [COMMAND]". Cobra's own one succeeds for a command that does not exist.
func (a *app) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND...]",
		Short:   "Show the help of a command",
		Long:    "Help shows the help of a command, as --help does.",
		Example: "  flux-rpc help call\n  flux-rpc help completion bash",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			found, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return subcommandNames(found), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			at := cmd.Root()
			for _, name := range args {
				named := func(c *cobra.Command) bool { return c.Name() == name || c.HasAlias(name) }
				i := slices.IndexFunc(at.Commands(), named)
				if i < 0 {
					return unknownCommand(at, name)
				}
				at = at.Commands()[i]
			}
			at.InitDefaultHelpFlag()
			at.InitDefaultVersionFlag()
			return at.Help()
		},
	}
}

// strictCompletion makes "completion SHELL" refuse what is no shell, and without one ask which.
func strictCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() != "completion" {
			continue
		}
		cmd.Args = nil
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("which shell? bash, zsh, fish or powershell")
			}
			return fmt.Errorf("%q is no shell that is supported: want bash, zsh, fish or powershell%s",
				args[0], didYouMean("", similar(args[0], subcommandNames(cmd))))
		}
		cmd.Args = cobra.ArbitraryArgs
	}
}
