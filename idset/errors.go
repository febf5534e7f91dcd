package idset

import (
	"errors"
	"fmt"

	"github.com/flux-sdk/flux/internal/excerpt"
)

// The causes of a [ParseError], for [errors.Is].
var (
	ErrSyntax   = errors.New("invalid number or range")
	ErrRange    = errors.New("id is greater than 4294967295")
	ErrOrder    = errors.New("ids are not in ascending order")
	ErrBrackets = errors.New("mismatched or nested brackets")
)

// ParseError says what is wrong with the text of an idset, and where.
type ParseError struct {
	Offset   int    // of Fragment in the text, in bytes
	Fragment string // the part of the text that is wrong
	Reason   string // what is wrong with it, or what was expected
	Err      error  // ErrSyntax, ErrRange, ErrOrder or ErrBrackets
}

// Error returns the text of the C library for the same fault, with the offset and the reason.
func (e *ParseError) Error() string {
	fault := "error parsing range " + excerpt.Quote(e.Fragment)
	switch e.Err {
	case ErrOrder:
		fault = "range " + excerpt.Quote(e.Fragment) + " is out of order"
	case ErrBrackets:
		fault = ErrBrackets.Error()
	}
	return fmt.Sprintf("idset: %s at offset %d: %s", fault, e.Offset, e.Reason)
}

// Unwrap returns e.Err.
func (e *ParseError) Unwrap() error { return e.Err }
