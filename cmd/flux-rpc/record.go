package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
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

	overwrite bool
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

A file that exists is not recorded into, because another recording may be going
on there; --overwrite empties it, when this program listens. A pipe or a device is
written to as it is.

Without a command it prints the FLUX_URI to use and records until interrupted.

The broker sees this program's user, whoever connects; the socket is for this
user only. "flux-rpc broker --replay" gives the recorded answers again.`,
		Example: `  flux-rpc record /tmp/tap -o getattr.jsonl -- flux getattr rank
  flux-rpc record /tmp/tap -o jobs.jsonl --quiet -- python3 submit.py
  flux-rpc broker --replay jobs.jsonl -- python3 submit.py`,
		ValidArgsFunction: a.completeCommand(true),
		Args: func(cmd *cobra.Command, args []string) error {
			if dash := cmd.ArgsLenAtDash(); len(args) == 0 || dash == 0 || dash < 0 && len(args) > 1 {
				return errors.New("want SOCKET, and a command only after --")
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&f.output, "output", "o", "", "`FILE` for the recording")
	cmd.Flags().BoolVar(&f.overwrite, "overwrite", false, "replace the file of --output if it exists")
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
	if len(command) > 0 {
		if _, err := exec.LookPath(command[0]); err != nil {
			return err
		}
	}
	t := &tap{upstream: upstream}
	if !f.quiet {
		t.trace = newTracer(a.errout, f.full)
	}
	l, err := listenPrivate(socket)
	if err != nil {
		return wrongPath(err)
	}
	defer l.Close()
	if f.output != "" {
		out, err := openRecording(ctx, f.output, f.overwrite)
		if err != nil {
			return err
		}
		defer func() {
			if cerr := out.close(); err == nil {
				err = cerr
			}
		}()
		t.out = capture.NewWriter(out)
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

// recording is the file that a recording is written to.
type recording struct {
	*os.File
	isNew bool
}

// openRecording makes the file, or opens what is no regular file, such as a pipe. One that exists keeps what it has,
// unless overwrite is set.
func openRecording(ctx context.Context, name string, overwrite bool) (*recording, error) {
	const mode = 0o666
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err == nil {
		return &recording{f, true}, nil
	}
	if !errors.Is(err, fs.ErrExist) {
		return nil, wrongPath(err)
	}
	info, serr := os.Stat(name)
	if serr == nil && info.Mode().IsRegular() && !overwrite {
		return nil, usagef("the file %s exists and may be another recording; --overwrite replaces it", name)
	}
	// A pipe cannot be opened before it has a reader.
	return await(ctx, "opening "+name, func() (*recording, error) {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_TRUNC, mode)
		return &recording{f, false}, err
	})
}

// wrongPath makes the error of a place that does not exist one of usage.
func wrongPath(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &usageError{err}
	}
	return err
}

// close closes the file, and removes one that was made for nothing.
func (r *recording) close() error {
	if info, err := r.Stat(); err == nil && r.isNew && info.Size() == 0 {
		defer os.Remove(r.Name())
	}
	return r.File.Close()
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
