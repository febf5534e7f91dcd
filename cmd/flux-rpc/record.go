package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/internal/capture"
	"github.com/flux-sdk/flux/transport"
	"github.com/spf13/cobra"
)

type recordFlags struct {
	output string
	quiet  bool
	full   bool
}

func (a *app) recordCommand() *cobra.Command {
	var f recordFlags
	cmd := &cobra.Command{
		Use:   "record SOCKET [-- CMD [ARG...]]",
		Short: "Record what a program and the broker say to each other",
		Long: `Record listens on a socket, runs a command with FLUX_URI set to it, and passes
every byte on to the real broker and back, unchanged. Each message is written to
--output as a line of JSON, with its exact bytes and what they mean, and shown on
standard error. It exits with the command's status.

Without a command it prints the FLUX_URI to use and records until interrupted.

The broker sees this program's user, whoever connects; the socket is for this
user only. "flux-rpc broker --replay" gives the recorded answers again.`,
		Example: `  flux-rpc record /tmp/tap -o getattr.jsonl -- flux getattr rank
  flux-rpc record /tmp/tap -o jobs.jsonl --quiet -- python3 submit.py
  flux-rpc broker --replay jobs.jsonl -- python3 submit.py`,
		Args: func(cmd *cobra.Command, args []string) error {
			if dash := cmd.ArgsLenAtDash(); len(args) == 0 || dash == 0 || dash < 0 && len(args) > 1 {
				return errors.New("want SOCKET, and a command only after --")
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&f.output, "output", "o", "", "file for the recording")
	cmd.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "show nothing on standard error")
	cmd.Flags().BoolVar(&f.full, "full", false, "show payloads in full")
	cmd.RunE = a.run(func(ctx context.Context, args []string) error { return a.record(ctx, &f, args[0], args[1:]) })
	return cmd
}

// maxSocketPath is the longest path that the system takes for a socket.
const maxSocketPath = 107

func (a *app) record(ctx context.Context, f *recordFlags, socket string, command []string) (err error) {
	upstream, err := a.brokerSocket()
	if err != nil {
		return err
	}
	if socket, err = filepath.Abs(socket); err != nil {
		return err
	}
	if len(socket) > maxSocketPath {
		return usagef("socket %q: path of %d bytes, %d at most", socket, len(socket), maxSocketPath)
	}
	// Before anything is made, and not by the first client.
	if _, err := os.Stat(upstream); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("broker socket %s was not found", upstream)
	}
	t := &tap{upstream: upstream}
	if f.output != "" {
		out, err := os.Create(f.output)
		if err != nil {
			return err
		}
		defer func() {
			if cerr := out.Close(); err == nil {
				err = cerr
			}
		}()
		t.out = capture.NewWriter(out)
	}
	if !f.quiet {
		t.trace = newTracer(a.errout, f.full)
	}
	l, err := listenPrivate(socket)
	if err != nil {
		return err
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		t.serve(l)
	}()
	uri := "local://" + socket
	if len(command) > 0 {
		err = runChild(ctx, command, uri)
	} else {
		err = a.out.printf("FLUX_URI=%s\n", uri)
		if err == nil {
			<-ctx.Done()
		}
	}
	// No new connections; those at hand have a moment to end by themselves.
	l.Close()
	<-served
	t.finish()
	if terr := t.failure(); terr != nil {
		return terr
	}
	return err
}

// brokerSocket is the path of the socket to record in front of. Other ways to a
// broker have no bytes of their own to pass on.
func (a *app) brokerSocket() (string, error) {
	uri := a.uri
	if uri == "" {
		uri = os.Getenv("FLUX_URI")
	}
	if uri == "" {
		uri = flux.DefaultURI
	}
	u, err := transport.ParseURI(uri)
	if err != nil {
		return "", &usageError{err}
	}
	if u.Scheme != "local" || u.Path == "" {
		return "", usagef("cannot record in front of %q: want local://PATH", strings.TrimSpace(uri))
	}
	return u.Path, nil
}

// errClosed tells the ends of a connection that are no failure.
func errClosed(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, os.ErrClosed) }
