package job

import (
	"fmt"
	"strings"

	"github.com/flux-sdk/flux"
)

// A ParseError says which text could not be read, where, and why. It matches [flux.ERANGE] if the text is well formed
// but its value does not fit, and [flux.EINVAL] otherwise.
type ParseError struct {
	What   string     // what was expected, such as "job id"
	Input  string     // the whole text
	Offset int        // where reading stopped, in bytes
	Reason string     // what was wrong and what was expected
	Errno  flux.Errno // flux.EINVAL or flux.ERANGE
}

// Error returns the reason with the text, of which it shows the part at Offset if it is long.
func (e *ParseError) Error() string {
	text := e.Input
	if begin := min(e.Offset-20, len(text)); len(text) > maxShown && begin > 0 {
		text = text[begin:]
	}
	return fmt.Sprintf("job: invalid %s %s: %s (offset %d)", e.What, shorten(text), e.Reason, e.Offset)
}

// Unwrap returns the errno.
func (e *ParseError) Unwrap() error { return e.Errno }

// maxShown is the number of bytes of a text that an error shows.
const maxShown = 80

// shorten quotes s for an error and cuts it if it is long.
func shorten(s string) string {
	if len(s) <= maxShown {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q...", s[:maxShown])
}

// spaces is white space as isspace(3) has it in the C locale.
const spaces = " \t\n\v\f\r"

func trimSpaceLeft(s string) string { return strings.TrimLeft(s, spaces) }
