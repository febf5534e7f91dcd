package hostlist

import (
	"errors"
	"fmt"

	"github.com/flux-sdk/flux/internal/excerpt"
)

// The causes of a [ParseError], for [errors.Is].
var (
	ErrSyntax   = errors.New("invalid range")
	ErrRange    = errors.New("number or range too large")
	ErrBrackets = errors.New("mismatched or second brackets")
	ErrName     = errors.New("invalid character in the name of a host")
)

// ParseError says what is wrong with the text of a hostlist, and where.
type ParseError struct {
	Offset   int    // of Fragment in the text, in bytes
	Fragment string // the part of the text that is wrong
	Reason   string // what is wrong with it, or what was expected
	Err      error  // ErrSyntax, ErrRange, ErrBrackets or ErrName
}

// Error returns the fragment, the offset and the reason.
func (e *ParseError) Error() string {
	return fmt.Sprintf("hostlist: error parsing %s at offset %d: %s", excerpt.Quote(e.Fragment), e.Offset, e.Reason)
}

// Unwrap returns e.Err.
func (e *ParseError) Unwrap() error { return e.Err }
