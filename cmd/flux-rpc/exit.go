package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/transport"
	"github.com/spf13/cobra"
)

// The exit statuses.
const (
	exitOK     = 0
	exitError  = 1
	exitUsage  = 2
	exitSignal = 128 // plus the number of the signal
)

// usageError is a mistake in the command line or in the request given with it:
// nothing was sent.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// statusError makes the exit status that of another command.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// errReaderGone says that nobody reads the output any more.
var errReaderGone = errors.New("the reader of the output has gone")

// report tells the user what went wrong and returns the exit status.
func (a *app) report(cmd *cobra.Command, err error) int {
	var (
		usage  *usageError
		status statusError
		remote *flux.Error
		sig    *signalError
	)
	switch {
	case err == nil, errors.Is(err, errReaderGone):
		return exitOK
	case errors.As(err, &usage):
		a.note("%s: %s\nTry '%s --help'.", cmd.CommandPath(), textOf(usage.err), cmd.CommandPath())
		return exitUsage
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &sig):
		return exitSignal + int(sig.sig)
	case errors.As(err, &remote):
		a.reportRemote(cmd, remote, err)
		return exitError
	case isArgumentError(err):
		a.note("%s: %s\nTry '%s --help'.", cmd.CommandPath(), textOf(err), cmd.CommandPath())
		return exitUsage
	}
	if a.json {
		a.noteJSON(map[string]any{"error": map[string]any{"message": textOf(err)}})
	} else {
		a.note("%s: %s", cmd.CommandPath(), textOf(err))
	}
	return exitError
}

// textOf is an error's text on one line, without the name of the library. The time of --timeout says more than that a
// deadline has passed.
func textOf(err error) string {
	text := strings.TrimPrefix(err.Error(), "flux: ")
	var limit *timeLimitError
	if errors.As(err, &limit) {
		text = strings.Replace(text, context.DeadlineExceeded.Error()+": ", "", 1)
	}
	return oneLine(text)
}

// isArgumentError reports whether the library refused an argument, so that nothing was sent.
func isArgumentError(err error) bool {
	for _, target := range []error{
		codec.ErrUnsendable, codec.ErrTooLarge, transport.ErrInvalidURI, transport.ErrUnknownScheme,
	} {
		if errors.Is(err, target) {
			return !errors.Is(err, flux.ErrConnLost) // or else it is a message that came
		}
	}
	return false
}

// reportRemote shows an error of a service or of the broker: one line, whatever its text has in it. What the library
// says about it, such as what to do, stands in front.
func (a *app) reportRemote(cmd *cobra.Command, e *flux.Error, err error) {
	advised := err.Error() != e.Error()
	switch {
	case a.json:
		fields := map[string]any{
			"topic": e.Topic, "errno": int(e.Errno), "name": e.Errno.Name(), "message": e.Message,
		}
		if advised {
			fields["advice"] = textOf(err)
		}
		a.noteJSON(map[string]any{"error": fields})
	case advised:
		a.note("%s: %s", cmd.CommandPath(), textOf(err))
	default:
		a.note("%s", oneLine(e.Error()))
	}
}

func (a *app) noteJSON(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // made of strings and numbers
	}
	a.note("%s", b)
}
