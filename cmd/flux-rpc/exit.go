package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/flux-sdk/flux"
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
		a.note("%s: %v\nTry '%s --help'.", cmd.CommandPath(), usage.err, cmd.CommandPath())
		return exitUsage
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &sig):
		return exitSignal + int(sig.sig)
	case errors.As(err, &remote):
		a.reportRemote(remote)
		return exitError
	}
	if text := strings.TrimPrefix(err.Error(), "flux: "); a.json {
		a.noteJSON(map[string]any{"error": map[string]any{"message": text}})
	} else {
		a.note("%s: %s", cmd.CommandPath(), text)
	}
	return exitError
}

// reportRemote shows an error of a service or of the broker: one line, whatever
// its text has in it.
func (a *app) reportRemote(e *flux.Error) {
	if a.json {
		a.noteJSON(map[string]any{"error": map[string]any{
			"topic": e.Topic, "errno": int(e.Errno), "name": e.Errno.Name(), "message": e.Message,
		}})
		return
	}
	a.note("%s", oneLine(e.Error()))
}

func (a *app) noteJSON(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // made of strings and numbers
	}
	a.note("%s", b)
}
