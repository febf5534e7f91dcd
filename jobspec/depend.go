package jobspec

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/flux-sdk/flux/internal/jsontree"
)

// Dependency is what a job waits for before it is scheduled (RFC 26).
type Dependency struct {
	Scheme string // such as "afterok"
	Value  string // such as the id of a job

	// params are further members, or nil.
	params *jsontree.Object
}

// AfterStart makes a job wait until another has started.
func AfterStart[ID ~uint64](id ID) Dependency { return afterJob("afterstart", id) }

// AfterAny makes a job wait until another has ended, whatever its result.
func AfterAny[ID ~uint64](id ID) Dependency { return afterJob("afterany", id) }

// AfterOK makes a job wait until another has ended without failure. If that one fails, so does this one.
func AfterOK[ID ~uint64](id ID) Dependency { return afterJob("afterok", id) }

// AfterNotOK makes a job wait until another has failed. If that one does not fail, this one does.
func AfterNotOK[ID ~uint64](id ID) Dependency { return afterJob("afternotok", id) }

// afterJob takes the text of ids that have one, such as those of package job.
func afterJob[ID ~uint64](scheme string, id ID) Dependency {
	return Dependency{Scheme: scheme, Value: fmt.Sprint(id)}
}

// Singleton makes a job wait until no other job of the same user and name is active. It needs [Spec.Name].
func Singleton() Dependency { return Dependency{Scheme: "singleton"} }

// uriScheme is what a URI may begin with.
var uriScheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*$`)

// ParseDependency reads a dependency URI as `flux submit --dependency` takes it: SCHEME:VALUE?NAME=VALUE&..., or
// SCHEME alone. As there, a parameter that looks like a number is one, and a parameter that repeats is an array.
func ParseDependency(uri string) (Dependency, error) {
	bad := func(why string) (Dependency, error) {
		return Dependency{}, &Error{Path: "dependency URI", Rule: why, Value: goText(uri)}
	}
	if err := jsontree.CheckString(uri); err != nil {
		return bad(err.Error())
	}
	if strings.ContainsFunc(uri, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return bad("must not have control characters")
	}
	if strings.Contains(uri, "#") {
		return bad(`must not have a fragment ("#")`)
	}
	scheme, rest, _ := strings.Cut(uri, ":")
	if !uriScheme.MatchString(scheme) {
		return bad("must begin with a scheme of letters and digits")
	}
	value, query, _ := strings.Cut(rest, "?")
	d := Dependency{Scheme: strings.ToLower(scheme), Value: value}
	for part := range strings.SplitSeq(query, "&") {
		name, text, _ := strings.Cut(part, "=")
		if text == "" {
			continue
		}
		name, errName := url.QueryUnescape(name)
		text, errText := url.QueryUnescape(text)
		if errName != nil || errText != nil || jsontree.CheckString(name) != nil || jsontree.CheckString(text) != nil {
			return bad(fmt.Sprintf("must not have the malformed parameter %q", part))
		}
		if name == "scheme" || name == "value" {
			return bad(fmt.Sprintf("must not have the parameter %q, whose name is reserved", part))
		}
		d = d.add(name, numberOrText(text))
	}
	return d, nil
}

// add adds a parameter, as one more of an array if there is one of that name.
func (d Dependency) add(name string, v any) Dependency {
	if d.params == nil {
		d.params = &jsontree.Object{}
	}
	switch old, again := d.params.Get(name); {
	case !again:
		d.params.Set(name, v)
	default:
		list, isList := old.([]any)
		if !isList {
			list = []any{old}
		}
		d.params.Set(name, append(list, v))
	}
	return d
}

var integer = regexp.MustCompile(`^[+-]?[0-9]+$`)

// numberOrText returns text as a JSON number if it is a number, without a plus sign and leading zeros.
func numberOrText(text string) any {
	if integer.MatchString(text) {
		sign, digits := "", strings.TrimPrefix(text, "+")
		if rest, negative := strings.CutPrefix(digits, "-"); negative {
			sign, digits = "-", rest
		}
		if digits = strings.TrimLeft(digits, "0"); digits == "" {
			sign, digits = "", "0"
		}
		return json.Number(sign + digits)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) || strings.ContainsAny(text, "xXpP_") {
		return text
	}
	return jsontree.Real(f)
}

// Param returns a further member of the dependency as JSON, and whether there is one.
func (d Dependency) Param(name string) (json.RawMessage, bool) {
	if d.params == nil {
		return nil, false
	}
	v, ok := d.params.Get(name)
	return jsontree.Append(nil, v), ok
}

// tree returns the object that stands in a jobspec.
func (d Dependency) tree() *jsontree.Object {
	o := jsontree.NewObject(member("scheme", d.Scheme), member("value", d.Value))
	if d.params != nil {
		for _, m := range d.params.Members() {
			o.Set(m.Name, jsontree.Clone(m.Value))
		}
	}
	return o
}

// MarshalJSON returns the object that stands in a jobspec. A dependency without scheme, and text that is not UTF-8 or
// has a NUL, are errors.
func (d Dependency) MarshalJSON() ([]byte, error) {
	if d.Scheme == "" {
		return nil, &Error{Path: "dependency", Rule: "needs a scheme", Value: goText(d.Value)}
	}
	for _, text := range []string{d.Scheme, d.Value} {
		if err := jsontree.CheckString(text); err != nil {
			return nil, &Error{Path: "dependency", Rule: err.Error()}
		}
	}
	return jsontree.Append(nil, d.tree()), nil
}

// UnmarshalJSON reads the object that stands in a jobspec. Members besides scheme and value are kept; see
// [Dependency.Param]. null changes nothing.
func (d *Dependency) UnmarshalJSON(data []byte) error {
	tree, err := jsontree.Parse(data)
	if err != nil {
		return fmt.Errorf("jobspec: dependency: %w", err)
	}
	if tree == nil {
		return nil
	}
	o, ok := tree.(*jsontree.Object)
	if !ok {
		return &Error{Path: "dependency", Rule: "must be an object", Value: jsontree.Text(tree)}
	}
	for _, name := range []string{"scheme", "value"} {
		v, _ := o.Get(name)
		if text, ok := v.(string); !ok || name == "scheme" && text == "" {
			rule := "needs a member " + name + " that is text"
			return &Error{Path: "dependency", Rule: rule, Value: jsontree.Text(tree)}
		}
	}
	*d = dependencyOf(o)
	return nil
}

// String returns the scheme and the value, separated by a colon. Parameters are left out.
func (d Dependency) String() string {
	if d.Value == "" {
		return d.Scheme
	}
	return d.Scheme + ":" + d.Value
}

// Dependency adds what the job waits for, as `flux submit --dependency` does. See [ParseDependency] and
// [Spec.DependOn].
func (s *Spec) Dependency(uri string) *Spec {
	d, err := ParseDependency(uri)
	if err != nil {
		s.errs = append(s.errs, err)
		return s
	}
	return s.dependOn("Dependency", d)
}

// DependOn adds what the job waits for.
func (s *Spec) DependOn(deps ...Dependency) *Spec {
	for _, d := range deps {
		s.dependOn("DependOn", d)
	}
	return s
}

func (s *Spec) dependOn(method string, d Dependency) *Spec {
	if d.Scheme == "" {
		return s.fail(method, "needs a scheme", d)
	}
	v, ok := s.lookup(system("dependencies")...)
	list, isList := v.([]any)
	if ok && !isList {
		return s.fail(method, "needs attributes.system.dependencies to be an array", nil)
	}
	return s.put(method, append(list[:len(list):len(list)], d.tree()), system("dependencies"))
}

// BeginAt makes the job wait until a point in time. One that has passed does not delay the job. The zero time is an
// error.
func (s *Spec) BeginAt(t time.Time) *Spec {
	if t.IsZero() || t.Unix() < 0 {
		return s.fail("BeginAt", "must be a time after 1970", t)
	}
	value := strconv.FormatInt(t.Unix(), 10)
	if frac := strings.TrimRight(fmt.Sprintf("%09d", t.Nanosecond()), "0"); frac != "" {
		value += "." + frac
	}
	return s.dependOn("BeginAt", Dependency{Scheme: "begin-time", Value: value})
}

// Dependencies returns what the job waits for. Entries that are not well formed are left out.
func (s *Spec) Dependencies() []Dependency {
	v, _ := s.lookup(system("dependencies")...)
	list, _ := v.([]any)
	var deps []Dependency
	for _, e := range list {
		o, ok := e.(*jsontree.Object)
		if !ok {
			continue
		}
		d := dependencyOf(o)
		if d.Scheme != "" {
			deps = append(deps, d)
		}
	}
	return deps
}

// dependencyOf reads the object of a dependency. Scheme and value that are not text are empty.
func dependencyOf(o *jsontree.Object) Dependency {
	var d Dependency
	for _, m := range o.Members() {
		switch m.Name {
		case "scheme":
			d.Scheme, _ = m.Value.(string)
		case "value":
			d.Value, _ = m.Value.(string)
		default:
			if d.params == nil {
				d.params = &jsontree.Object{}
			}
			d.params.Set(m.Name, jsontree.Clone(m.Value))
		}
	}
	return d
}

var (
	_ json.Marshaler   = Dependency{}
	_ json.Unmarshaler = (*Dependency)(nil)
)
