package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/spf13/cobra"
)

// app is what the subcommands share: the flags they have in common and where
// output goes.
type app struct {
	out    *output
	errout io.Writer

	uri     string
	json    bool
	verbose bool          // show the headers of messages
	limit   time.Duration // of the whole command; 0 for none
	expect  errnoFlag

	words   []string       // of the command line
	current *cobra.Command // that runs; nil while the command line is read
}

func newApp(stdout *os.File, stderr io.Writer) *app {
	return &app{out: newOutput(stdout), errout: stderr}
}

// execute runs one command line and returns the exit status.
func (a *app) execute(args []string) int {
	ctx, stop := untilSignal(context.Background())
	defer stop()
	a.words = args
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetOut(a.out)
	root.SetErr(a.errout)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && a.current == nil {
		err = &usageError{err} // the command line itself was refused
	}
	if a.current != nil {
		cmd = a.current
	}
	return a.report(cmd, err)
}

const longHelp = `flux-rpc talks to a Flux broker: it calls services, follows streams and events,
serves requests with any program, measures, and records conversations.

The broker is that of --uri, else of $FLUX_URI, else the system instance.
Copied into a directory of $FLUX_EXEC_PATH, it runs as "flux rpc" too.

` + exitHelp

// exitHelp is the part of the help about exit statuses.
const exitHelp = `Exit status:
  0    success, the regular end of a stream, or the error of --expect-errno;
       also when the reader of the output has gone
  1    an error: of a service or the broker, printed as "TOPIC: text (ERRNO)",
       of the connection, or a timeout
  2    usage: the command line, the URI or the request is wrong, and nothing was
       sent
  130  ended by Ctrl-C (143 by SIGTERM) before the work was done
  Commands that run another command exit with its status.`

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "flux-rpc",
		Short: "Talk to a Flux broker from the command line",
		Long:  longHelp,
		Example: `  flux-rpc call attr.get '{"name":"rank"}'
  flux-rpc stream log.dmesg '{"follow":true}'
  flux-rpc broker --size 4 -- flux-rpc ping 3 --count 5`,
		Args:          wantArgs(0, 0),
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SetOut(a.errout)
			return errors.Join(cmd.Help(), &usageError{errors.New("which command?")})
		},
	}
	root.PersistentFlags().StringVar(&a.uri, "uri", "",
		"the `URI` of the broker: local://PATH, ssh://HOST/PATH, .. for the enclosing instance (default $FLUX_URI)")
	root.AddCommand(
		a.callCommand(), a.streamCommand(), a.subCommand(), a.pubCommand(), a.serveCommand(),
		a.pingCommand(), a.benchCommand(), a.topCommand(), a.recordCommand(), a.brokerCommand(),
		a.attrCommand(), a.servicesCommand(), a.versionCommand(), a.manCommand(),
	)
	root.Version = programVersion()
	root.SetVersionTemplate("flux-rpc {{.Version}}\n")
	root.SetHelpCommand(a.helpCommand())
	root.SetFlagErrorFunc(flagError)
	strictCompletion(root)
	a.completeFlags(root)
	return root
}

// wantArgs checks the number of arguments and says what they are.
func wantArgs(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch _, want, _ := strings.Cut(cmd.Use, " "); {
		case least <= len(args) && len(args) <= most:
			return nil
		case want != "":
			return fmt.Errorf("want %s", want)
		case cmd.HasSubCommands():
			return unknownCommand(cmd, args[0])
		default:
			return fmt.Errorf("unexpected argument %q", args[0])
		}
	}
}

// run makes a command's function: whatever fails before it is a matter of usage.
func (a *app) run(f func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		a.current = cmd
		return f(cmd.Context(), args)
	}
}

// remote is run for a command that talks to a broker: it adds the flags for
// that, bounds the whole by --timeout and judges the outcome by --expect-errno.
func (a *app) remote(cmd *cobra.Command, f func(ctx context.Context, args []string) error) *cobra.Command {
	cmd.Flags().Var(&a.expect, "expect-errno",
		"succeed on this error of the broker or service, number or name, and fail on anything else")
	cmd.RunE = a.run(func(ctx context.Context, args []string) error {
		if a.limit > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeoutCause(ctx, a.limit, &timeLimitError{a.limit})
			defer cancel()
		}
		return a.expect.judge(a.untilStuck(ctx, func() error { return f(ctx, args) }))
	})
	return cmd
}

// stuckWait is how long one write of output may go on after the end of a command's context.
const stuckWait = time.Second

// untilStuck returns what f returns. After the end of ctx it does not wait for a reader of the output that takes
// nothing, which could be for ever; f then ends with the process, and its connection with it.
func (a *app) untilStuck(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	for {
		write := a.out.writing()
		select {
		case err := <-done:
			return err
		case <-time.After(stuckWait):
			if write != 0 && write == a.out.writing() {
				return fmt.Errorf("writing the output: %w", context.Cause(ctx))
			}
		}
	}
}

// follow is remote for a command that prints as things happen: it ends when its output has no reader any more, and not
// only when there is more to print.
func (a *app) follow(cmd *cobra.Command, f func(ctx context.Context, args []string) error) *cobra.Command {
	return a.remote(cmd, func(ctx context.Context, args []string) error {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		stop, err := watchReader(a.out.f, func() { cancel(errReaderGone) })
		if err != nil {
			return err
		}
		defer stop()
		return f(ctx, args)
	})
}

func (a *app) timeoutFlag(cmd *cobra.Command) {
	durationVar(cmd, &a.limit, "timeout", 0, "give up after this time, such as 5s; 0, the default, never does")
}

// timeLimitError is the cause of a context that --timeout ended.
type timeLimitError struct{ limit time.Duration }

func (e *timeLimitError) Error() string { return fmt.Sprintf("no end within %v", e.limit) }

// timedOut reports whether --timeout ended ctx.
func timedOut(ctx context.Context) bool {
	var limit *timeLimitError
	return errors.As(context.Cause(ctx), &limit)
}

func (a *app) jsonFlag(cmd *cobra.Command, usage string) {
	cmd.Flags().BoolVar(&a.json, "json", false, usage)
}

// dial connects to the broker that the flags name.
func (a *app) dial(ctx context.Context, opts ...flux.DialOption) (*flux.Client, error) {
	if a.verbose {
		opts = append(opts, a.verboseOption())
	}
	return flux.Dial(ctx, a.uri, opts...)
}

// note tells the user something that is no result.
func (a *app) note(format string, args ...any) {
	fmt.Fprintf(a.errout, format+"\n", args...)
}

// signalError is the cause of a context that a signal ended.
type signalError struct{ sig syscall.Signal }

func (e *signalError) Error() string { return e.sig.String() }

// untilSignal ends the context with the first SIGINT or SIGTERM; the second
// one has the system's effect.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case sig := <-ch:
			signal.Stop(ch)
			cancel(&signalError{sig.(syscall.Signal)})
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// interrupted reports whether a signal ended ctx, which is the regular end of
// what would go on for ever.
func interrupted(ctx context.Context) bool {
	var sig *signalError
	return errors.As(context.Cause(ctx), &sig)
}
