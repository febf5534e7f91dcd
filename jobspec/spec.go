package jobspec

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/flux-sdk/flux/internal/jsontree"
)

// Spec is a job specification: what to run, on which resources and how. [Command], [Batch] and [Nest] make one,
// [Parse] reads one. Its methods that change it return it, so that they chain. An error in an argument does not end
// the chain: it is kept, and [Spec.Validate] and [Spec.MarshalJSON] return it.
//
// A Spec keeps members that this package does not know, the order of all members, and numbers as they were written.
//
// Several goroutines may read one Spec. A change needs exclusive access. [Spec.Clone] makes an independent copy; an
// assignment of a Spec does not.
type Spec struct {
	doc  *jsontree.Object
	errs []error

	// layout holds the arguments of the methods about resources. It is nil until the first of them is called on a Spec
	// that Parse made. layoutErr tells why they contradict each other, if they do.
	layout    *layout
	layoutErr error
	// perResource tells that the shell option of this name comes from layout.
	perResource bool

	// dirErr is why the working directory of this process is unknown. A later Dir makes it irrelevant.
	dirErr error
	// label tells that files for output get a label on each line.
	label bool
	// brokerArgs is how many options for the brokers of an instance are in the command.
	brokerArgs int
}

// Error is one rule that a jobspec breaks.
type Error struct {
	// Path names the member, such as "resources[0].count", or the method that was given a wrong argument, such as
	// "Tasks".
	Path string
	// Rule is what Path must be.
	Rule string
	// Value is what Path is instead, as JSON. It is empty if the member is missing.
	Value string
}

func (e *Error) Error() string {
	const valueMax = 80
	value := e.Value
	if len(value) > valueMax {
		value = strings.ToValidUTF8(value[:valueMax], "") + "..."
	}
	if value != "" {
		value = ", got " + value
	}
	return "jobspec: " + e.Path + " " + e.Rule + value
}

// fail keeps an error of a method.
func (s *Spec) fail(method, rule string, value any) *Spec {
	s.errs = append(s.errs, &Error{Path: method, Rule: rule, Value: goText(value)})
	return s
}

// goText shows an argument in an error.
func goText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return jsontree.Text(v)
	default:
		return fmt.Sprint(v)
	}
}

// root returns the document, which a zero Spec gets here.
func (s *Spec) root() *jsontree.Object {
	if s.doc == nil {
		s.doc = &jsontree.Object{}
	}
	return s.doc
}

// lookup finds a member. It does not change a Spec.
func (s *Spec) lookup(path ...string) (any, bool) {
	if s.doc == nil {
		return nil, false
	}
	return s.doc.Lookup(path...)
}

// system returns the path of a system attribute.
func system(path ...string) []string { return append([]string{"attributes", "system"}, path...) }

// option returns the path of an option of the job shell.
func option(path ...string) []string { return append(system("shell", "options"), path...) }

// put sets a member for a method.
func (s *Spec) put(method string, value any, path []string) *Spec {
	if blocked, ok := s.root().Put(value, path...); !ok {
		return s.fail(method, "needs "+blocked+" to be an object", nil)
	}
	return s
}

// putText sets a member for a method to text that must not be empty.
func (s *Spec) putText(method, text string, path []string) *Spec {
	if text == "" {
		return s.fail(method, "must not be empty", text)
	}
	if err := jsontree.CheckString(text); err != nil {
		return s.fail(method, err.Error(), nil)
	}
	return s.put(method, text, path)
}

// Clone returns a copy that shares nothing with s, kept errors included.
func (s *Spec) Clone() *Spec {
	c := *s
	c.errs = append([]error(nil), s.errs...)
	if s.doc != nil {
		c.doc = s.doc.Clone()
	}
	if s.layout != nil {
		l := *s.layout
		c.layout = &l
	}
	return &c
}

// pathMax bounds how deep Set may nest.
const pathMax = 100

// split returns the members that a dotted path names.
func split(path string) ([]string, error) {
	names := strings.Split(path, ".")
	for _, n := range names {
		if n == "" {
			return nil, fmt.Errorf("must be names separated by single dots")
		}
		if err := jsontree.CheckString(n); err != nil {
			return nil, err
		}
	}
	if len(names) > pathMax {
		return nil, fmt.Errorf("must not have more than %d names", pathMax)
	}
	return names, nil
}

// attribute returns the members that a path of Set names.
func attribute(path string) ([]string, error) {
	names, err := split(path)
	switch {
	case err != nil:
		return nil, err
	case len(names) > 1 && names[0] == "attributes":
	case len(names) > 1 && (names[0] == "system" || names[0] == "user"):
		names = append([]string{"attributes"}, names...)
	default:
		names = system(names...)
	}
	return names, nil
}

// Set sets an attribute, as `flux submit --setattr` does. The names in path are separated by dots; a path that begins
// with none of "system.", "user." and "attributes." is below "system.". Objects that are missing on the path are
// created. The value may be anything that encoding/json takes; a json.RawMessage is kept as it is.
func (s *Spec) Set(path string, v any) *Spec {
	names, err := attribute(path)
	if err != nil {
		return s.fail("Set", "path "+err.Error(), path)
	}
	value, err := jsontree.From(v)
	if err != nil {
		return s.fail("Set", fmt.Sprintf("value of %q: %v", path, err), nil)
	}
	return s.put("Set", value, names)
}

// Unset removes an attribute. The path is as for [Spec.Set]. It is no error if there is none.
func (s *Spec) Unset(path string) *Spec {
	names, err := attribute(path)
	if err != nil {
		return s.fail("Unset", "path "+err.Error(), path)
	}
	s.root().Remove(names...)
	return s
}

// Get returns an attribute as JSON, and whether there is one. The path is as for [Spec.Set].
func (s *Spec) Get(path string) (json.RawMessage, bool) {
	names, err := attribute(path)
	if err != nil {
		return nil, false
	}
	v, ok := s.lookup(names...)
	if !ok {
		return nil, false
	}
	return jsontree.Append(nil, v), true
}

// ShellOption sets an option of the job shell, as `flux submit --setopt` does. Dots in the name nest. The value may be
// anything that encoding/json takes.
func (s *Spec) ShellOption(name string, v any) *Spec {
	names, err := split(name)
	if err != nil {
		return s.fail("ShellOption", "name "+err.Error(), name)
	}
	value, err := jsontree.From(v)
	if err != nil {
		return s.fail("ShellOption", fmt.Sprintf("value of %q: %v", name, err), nil)
	}
	if names[0] == "per-resource" {
		s.perResource = false
	}
	return s.put("ShellOption", value, option(names...))
}
