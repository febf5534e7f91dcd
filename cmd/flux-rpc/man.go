package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func (a *app) manCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "man",
		Short: "Print the manual page, for man to read",
		Long: `Man prints the manual page flux-rpc(1). It belongs into a directory man1 where man
looks, under the name flux-rpc.1; "man flux-rpc" and "flux help rpc" find it there.
"man --path" lists the places; $MANPATH adds some.`,
		Example: `  flux-rpc man >/usr/local/share/man/man1/flux-rpc.1
  flux-rpc man | man -l -`,
		Args: wantArgs(0, 0),
	}
	cmd.RunE = a.run(func(context.Context, []string) error {
		_, err := a.out.Write([]byte(manPage(cmd.Root())))
		return err
	})
	return cmd
}

// manEnvironment is the part of the manual page about the environment.
var manEnvironment = [][2]string{
	{"FLUX_URI", "The broker, if --uri is not given. Without both it is that of the system instance."},
	{"FLUX_EXEC_PATH", "Where flux(1) looks for commands. With flux-rpc in one of the directories, flux rpc runs it."},
	{"FLUX_HANDLE_TRACE", "If set, every message is shown on standard error."},
	{"FLUX_HANDLE_USERID, FLUX_HANDLE_ROLEMASK", "Credentials for requests. Only the instance owner may set them."},
	{"FLUX_SSH, FLUX_SSH_RCMD", "The ssh command, and the flux command on the other host, for ssh:// URIs."},
}

// manPage is the manual page of a command and all under it, in the language of man(7).
func manPage(root *cobra.Command) string {
	m := &manWriter{}
	m.macro("TH", "FLUX-RPC", "1", "", "flux-rpc", "Flux SDK Manual")
	m.macro("SH", "NAME")
	m.line("flux-rpc - talk to a Flux broker from the command line")
	m.macro("SH", "SYNOPSIS")
	commands := manCommands(root)
	for i, cmd := range commands {
		if i > 0 {
			m.macro("br")
		}
		m.synopsis(cmd)
	}
	m.macro("SH", "DESCRIPTION")
	m.text(strings.TrimSpace(strings.TrimSuffix(root.Long, exitHelp)))
	m.macro("SH", "OPTIONS")
	m.line("These work with every command.")
	root.InitDefaultHelpFlag()
	m.flags(root.PersistentFlags())
	m.flag("-h, --help", "Show the help of the command.")
	m.flag("--version", "Show the version of the program. Only without a command.")
	m.macro("SH", "COMMANDS")
	for _, cmd := range commands {
		m.command(cmd)
	}
	m.macro("SH", "EXIT STATUS")
	_, statuses, _ := strings.Cut(exitHelp, "\n")
	m.text(statuses)
	m.macro("SH", "ENVIRONMENT")
	for _, e := range manEnvironment {
		m.flag(e[0], e[1])
	}
	m.macro("SH", "SEE ALSO")
	m.line("flux(1), flux-broker-attributes(7), flux_rpc(3)")
	return m.b.String()
}

// manCommands are the commands that have a part of the page.
func manCommands(root *cobra.Command) []*cobra.Command {
	var list []*cobra.Command
	for _, cmd := range root.Commands() {
		if cmd.IsAvailableCommand() && cmd.Name() != "completion" && cmd.Name() != "help" {
			list = append(list, cmd)
		}
	}
	return list
}

// manWriter writes text in the language of man(7).
type manWriter struct{ b strings.Builder }

// roff escapes text, so that nothing in it is a request. Hyphens are those of the command line, which can be copied.
var roff = strings.NewReplacer(`\`, `\e`, `-`, `\-`, `'`, `\(aq`, "`", `\(ga`, `^`, `\(ha`, `~`, `\(ti`)

func roffText(s string) string {
	s = roff.Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}

func (m *manWriter) macro(name string, args ...string) {
	m.b.WriteString("." + name)
	for _, arg := range args {
		m.b.WriteString(` "` + strings.ReplaceAll(roff.Replace(arg), `"`, `\(dq`) + `"`)
	}
	m.b.WriteString("\n")
}

func (m *manWriter) line(s string) { m.b.WriteString(roffText(s) + "\n") }

func (m *manWriter) synopsis(cmd *cobra.Command) {
	name, args, _ := strings.Cut(cmd.Use, " ")
	m.b.WriteString(`\fB` + roff.Replace("flux-rpc "+name) + `\fR`)
	if hasFlags(cmd) {
		args = "[OPTIONS] " + args
	}
	if args = strings.TrimSpace(args); args != "" {
		m.b.WriteString(" " + roff.Replace(args))
	}
	m.b.WriteString("\n")
}

// text writes help text: paragraphs, and lines that begin with a space as they are.
func (m *manWriter) text(s string) {
	literal, paragraph := false, false
	end := func() {
		if literal {
			m.macro("fi")
			m.macro("RE")
		}
		literal = false
	}
	for line := range strings.SplitSeq(s, "\n") {
		indented := strings.HasPrefix(line, " ")
		switch {
		case line == "":
			end()
			paragraph = true
			continue
		case indented && !literal:
			if paragraph {
				m.macro("PP")
			}
			m.macro("RS")
			m.macro("nf")
			literal = true
		case !indented:
			end()
			if paragraph {
				m.macro("PP")
			}
		}
		paragraph = false
		m.line(strings.TrimPrefix(line, "  "))
	}
	end()
}

func (m *manWriter) command(cmd *cobra.Command) {
	m.macro("SS", "flux-rpc "+cmd.Use)
	if len(cmd.Aliases) > 0 {
		m.line("Also called " + strings.Join(cmd.Aliases, ", ") + ".")
		m.macro("PP")
	}
	m.text(cmd.Long)
	m.flags(cmd.LocalNonPersistentFlags())
	if cmd.Example != "" {
		m.macro("PP")
		m.line("Examples:")
		m.macro("PP")
		m.text(cmd.Example)
	}
}

// hasFlags reports whether a command has flags of its own.
func hasFlags(cmd *cobra.Command) bool {
	has := false
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) { has = has || isManFlag(f) })
	return has
}

// isManFlag reports whether a flag is described. The two that every program has are described once.
func isManFlag(f *pflag.Flag) bool { return !f.Hidden && f.Name != "help" && f.Name != "version" }

func (m *manWriter) flags(set *pflag.FlagSet) {
	set.VisitAll(func(f *pflag.Flag) {
		if !isManFlag(f) {
			return
		}
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		kind, usage := pflag.UnquoteUsage(f)
		if kind != "" {
			name += " " + strings.ToUpper(kind)
		}
		switch f.DefValue {
		case "", "0", "false", "[]":
		default:
			usage += fmt.Sprintf(" (default %s)", f.DefValue)
		}
		m.flag(name, usage)
	})
}

func (m *manWriter) flag(name, usage string) {
	m.macro("TP")
	m.b.WriteString(`\fB` + roff.Replace(name) + `\fR` + "\n")
	m.line(strings.ToUpper(usage[:1]) + usage[1:])
}
