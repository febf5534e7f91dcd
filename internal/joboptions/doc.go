// Package joboptions reads the command lines of `flux submit`, `flux run`, `flux batch`, `flux alloc` and
// `flux bulksubmit` into jobspecs.
//
// Options, defaults, checks and the texts of errors are those of the commands. Differences on purpose:
//
//   - An unknown name in --flags, and an --urgency that is none, are errors also with --dry-run.
//   - A count that is an empty string is an error, not unset.
//   - --begin-time takes "now", an offset with a sign, and dates and times in the forms of RFC 3339, but no words
//     such as "tomorrow"; an RFC 3339 time is read as what it says.
//   - Regular expressions in --env are those of package regexp. Globs in --env and --rlimit are those of fnmatch(3),
//     as elsewhere in Flux, where the commands have those of Python: [^a] is the same as [!a], and a backslash quotes.
//   - TOML for --conf is read if the program brings a decoder; see [Host].
//   - Values of --setopt and --setattr that are no JSON numbers (NaN, Infinity) are text.
//   - Parameters of --dependency that are no JSON numbers (inf, nan, 1_000) are text, and a fragment is an error.
//   - --define (Python expressions), --add-brokers and plugins are not supported.
//   - A directive in a batch script that has arguments besides options is an error, and so is a triple quote without
//     end.
//   - --cc and --bcc keep --rlimit and --add-file, which the commands lose then.
//   - "::::+" of bulksubmit reads a file, as its manual says.
//   - Options that a command takes and ignores are reported as warnings.
package joboptions

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// UsageError is a command line that the option parser refuses. The commands exit with 2 then, and with 1 for other
// errors.
type UsageError struct {
	Command string // such as "submit"
	Text    string
}

func (e *UsageError) Error() string { return e.Text }

// HelpError tells that help was asked for.
type HelpError struct {
	Command string
	Topic   string // "" for the command itself
}

func (e *HelpError) Error() string { return "help for flux " + e.Command + " requested" }

// openError returns the failure to open a file in the words of the commands.
func openError(name string, err error) error {
	var errno syscall.Errno
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("No such file or directory: '%s'", name)
	case errors.As(err, &errno):
		return fmt.Errorf("%s: '%s'", errno.Error(), name)
	}
	return err
}
