package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/spf13/cobra"
)

type serveFlags struct {
	exec        string
	stream      bool
	allowGuests bool
	jobs        int
	timeout     time.Duration
	maxOutput   sizeFlag
	verbose     bool
}

func (a *app) serveCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve NAME --exec CMD",
		Short: "Serve requests with a command",
		Long: `Serve registers a service and runs a shell command for each request. The
request's payload is the command's standard input, without the NUL of text; what
it writes to standard output is the response: a JSON object, other text, or
bytes; nothing is a response without a payload.

An exit status other than 0 is an error response with what the command wrote to
standard error as its text. The number is EIO, or that of a text which starts
with an error's name: "ENOENT: no such job". A command that writes more than
--max-output, with --stream in one line, is killed; the answer is EMSGSIZE.

With --stream each line of output is one response, sent when it is written, and
the end of the command ends the stream. When the requester cancels or goes away,
the command and what it started are killed.

The command's environment has
  FLUX_RPC_TOPIC     the full topic, such as calc.add
  FLUX_RPC_METHOD    the part after the service's name, such as add
  FLUX_RPC_USERID    the sender's userid
  FLUX_RPC_ROLEMASK  the sender's roles as a number, 1 is the instance owner
  FLUX_RPC_ROLES     the same in words, such as owner,local
  FLUX_RPC_SENDER    an identity of the sender's connection
  FLUX_URI           the broker, if --uri was given

Ctrl-C ends it: requests at hand are answered first, for ten seconds at most.`,
		Example: `  flux-rpc serve calc --exec 'jq -c "{sum: (.a + .b)}"'
  flux-rpc serve host --exec 'printf "{\"load\":%s}" "$(cut -d" " -f1 /proc/loadavg)"'
  flux-rpc serve tail --stream --exec 'tail -f /var/log/messages'`,
		Args: wantArgs(1, 1),
	}
	cmd.Flags().StringVar(&f.exec, "exec", "", "the shell command `CMD` to run for each request")
	cmd.Flags().BoolVar(&f.stream, "stream", false, "serve streaming requests: each line of output is a response")
	cmd.Flags().BoolVar(&f.allowGuests, "allow-guests", false, "serve all users, not only the instance owner")
	cmd.Flags().IntVar(&f.jobs, "jobs", defaultJobs,
		"how many commands `N` run at once; some 1,000 more requests wait")
	cmd.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "tell on standard error what is served")
	durationVar(cmd, &f.timeout, "timeout", 0,
		"kill a command after this time and answer ETIMEDOUT; 0, the default, never does")
	f.maxOutput = defaultMaxOutput
	cmd.Flags().Var(&f.maxOutput, "max-output", "the most that a response may have")
	if err := cmd.MarkFlagRequired("exec"); err != nil {
		panic(err)
	}
	return a.remote(cmd, func(ctx context.Context, args []string) error { return a.serve(ctx, &f, args[0]) })
}

// defaultJobs keeps a burst of requests from forking without end.
const defaultJobs = 64

// defaultMaxOutput keeps a command that writes without end from taking all memory: with as many commands as run at
// once by default, all their output is as large as one message can be.
const defaultMaxOutput = maxInput / defaultJobs

func (a *app) serve(ctx context.Context, f *serveFlags, name string) error {
	if f.jobs < 1 {
		return usagef("--jobs %d: want 1 or more", f.jobs)
	}
	if err := checkService(name); err != nil {
		return err
	}
	if _, err := shellCommand(ctx, f.exec); err != nil {
		return err
	}
	c, err := a.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	h := &execHandler{service: name, command: f.exec, timeout: f.timeout, maxOutput: int(f.maxOutput)}
	if a.uri != "" {
		h.env = append(h.env, "FLUX_URI="+a.uri)
	}
	if f.verbose {
		h.log = a.logRequest
	}
	var opts []flux.RouteOption
	if f.allowGuests {
		opts = append(opts, flux.AllowRoles(flux.RoleAll))
	}
	mux := flux.NewServeMux()
	if f.stream {
		mux.HandleFunc(name+".*", h.serveLines, append(opts, flux.Streaming())...)
	} else {
		mux.HandleFunc(name+".*", h.serveOnce, opts...)
	}
	return c.Serve(ctx, name, mux, flux.MaxInFlight(f.jobs), flux.OnReady(func() {
		if f.verbose {
			a.note("serving %s", name)
		}
	}))
}

// logRequest tells of a request that is over.
func (a *app) logRequest(r *flux.Request, took time.Duration, err error) {
	outcome := "ok"
	var remote *flux.Error
	if errors.As(err, &remote) {
		outcome = fmt.Sprintf("%s (%s)", oneLine(errorText(remote)), remote.Errno.Name())
	} else if err != nil {
		outcome = oneLine(err.Error())
	}
	a.note("%s userid=%d %v %s", r.Topic(), r.UserID(), took.Round(100*time.Microsecond), outcome)
}

// requestEnv is what a command gets to know of the request.
func requestEnv(service string, r *flux.Request) []string {
	return []string{
		"FLUX_RPC_TOPIC=" + r.Topic(),
		"FLUX_RPC_METHOD=" + r.Topic()[min(len(service)+1, len(r.Topic())):],
		fmt.Sprintf("FLUX_RPC_USERID=%d", r.UserID()),
		fmt.Sprintf("FLUX_RPC_ROLEMASK=%d", uint32(r.Roles())),
		"FLUX_RPC_ROLES=" + r.Roles().String(),
		"FLUX_RPC_SENDER=" + r.Sender(),
	}
}
