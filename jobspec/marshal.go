package jobspec

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/flux-sdk/flux/internal/jsontree"
)

// Parse reads a jobspec from JSON (RFC 14, RFC 25). It takes any object, so that every jobspec that was ever accepted
// somewhere can be read; [Spec.Validate] tells whether a broker would run it. As in Flux, of members with the same
// name the last one counts, and a string with a NUL or half of a surrogate pair is an error.
func Parse(data []byte) (*Spec, error) {
	doc, err := jsontree.ParseObject(data)
	if err != nil {
		return nil, fmt.Errorf("jobspec: %w", err)
	}
	return &Spec{doc: doc}, nil
}

// UnmarshalJSON reads a jobspec as [Parse] does and replaces all of s. null is an error.
func (s *Spec) UnmarshalJSON(data []byte) error {
	p, err := Parse(data)
	if err != nil {
		return err
	}
	*s = *p
	return nil
}

// MarshalJSON returns the JSON that job-ingest takes. Members keep their order, and the same Spec gives the same
// bytes.
//
// It fails with the errors of methods, and with those of [Spec.Validate] about constraints: a scheduler that meets a
// constraint it cannot evaluate, such as an empty object, ends the whole Flux instance. It fails on what the parser of a
// broker refuses in any place, such as text that is not UTF-8, and on deep nesting. It does not check the rest, so
// that what Parse read can be written again. The receiver is a value so that a Spec inside another value is not lost.
func (s Spec) MarshalJSON() ([]byte, error) {
	errs := s.builderErrors()
	v := &validator{}
	v.text(s.root0())
	if c, ok := s.lookup(system("constraints")...); ok {
		v.constraint("attributes.system.constraints", c)
	}
	if err := errors.Join(append(errs, v.errs...)...); err != nil {
		return nil, err
	}
	return jsontree.Append(nil, s.root0()), nil
}

// root0 returns the document, or an empty one, without changing s.
func (s *Spec) root0() *jsontree.Object {
	if s.doc == nil {
		return &jsontree.Object{}
	}
	return s.doc
}

// builderErrors returns the errors that methods kept.
func (s *Spec) builderErrors() []error {
	errs := append([]error(nil), s.errs...)
	if s.layoutErr != nil {
		errs = append(errs, s.layoutErr)
	}
	if s.dirErr != nil {
		errs = append(errs, s.dirErr)
	}
	return errs
}

var (
	_ json.Marshaler   = Spec{}
	_ json.Unmarshaler = (*Spec)(nil)
)
