package jobspec

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/flux-sdk/flux/internal/jsontree"
)

// Validate tells whether a broker would take the jobspec and could run it, on any configuration. The error joins one
// [*Error] for each rule that is broken, after the errors of methods, up to a hundred.
//
// It is stricter than the validator of a broker, which takes jobspecs that fail only once the job is scheduled or
// started: without resources or tasks, with two of either, with a slot without cores, with a task for a slot that is
// not there, or with members of a wrong type in the system attributes. See the package comment for the list.
//
// What depends on the instance is not checked: names of queues, hosts and properties, the number of nodes, policy
// limits, and dependency schemes of plugins.
func (s *Spec) Validate() error {
	v := &validator{}
	doc := s.root0()
	v.text(doc)
	v.document(doc)
	return errors.Join(append(s.builderErrors(), v.errs...)...)
}

// errorsMax bounds what a hostile document can make Validate collect.
const errorsMax = 100

// depthMax is how deep a jobspec may nest. The parser of a broker takes more, but from a thousand on a validator exits,
// and a broker then takes no other jobs.
const depthMax = 256

// validator collects what is wrong.
type validator struct {
	errs []error
	// at is the path of the text that is checked. It becomes a string for errors only.
	at []string
}

func (v *validator) bad(path, rule string, value any) {
	if len(v.errs) < errorsMax {
		v.errs = append(v.errs, &Error{Path: path, Rule: rule, Value: jsontree.Text(value)})
	}
}

func (v *validator) missing(path string) {
	if len(v.errs) < errorsMax {
		v.errs = append(v.errs, &Error{Path: path, Rule: "is missing"})
	}
}

// below returns the path of a member.
func below(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func element(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// text checks what Flux's JSON parser refuses in any place. Values are left out of the errors: they are not fit to
// be shown, and may be secrets of the environment.
func (v *validator) text(value any) {
	if len(v.errs) >= errorsMax {
		return
	}
	scalar := true
	switch value.(type) {
	case *jsontree.Object, []any:
		scalar = false
	}
	if !scalar && len(v.at) >= depthMax {
		v.badText(fmt.Sprintf("must not nest deeper than %d", depthMax))
		return
	}
	v.at = append(v.at, "")
	last := len(v.at) - 1
	switch value := value.(type) {
	case *jsontree.Object:
		for _, m := range value.Members() {
			v.at[last] = m.Name
			if jsontree.CheckString(m.Name) != nil {
				v.badText("must have a name without NUL in UTF-8")
			}
			v.text(m.Value)
		}
	case []any:
		for i, e := range value {
			v.at[last] = "[" + strconv.Itoa(i) + "]"
			v.text(e)
		}
	}
	v.at = v.at[:last]
	switch value := value.(type) {
	case string:
		if jsontree.CheckString(value) != nil {
			v.badText("must be text without NUL in UTF-8")
		}
	case json.Number:
		if isInteger(value) {
			if _, err := strconv.ParseInt(string(value), 10, 64); err != nil {
				v.badText("must fit 64 bits with a sign")
			}
		} else if _, ok := finite(value); !ok {
			v.badText("must fit a 64 bit real")
		}
	}
}

// badText reports what is wrong at the path at.
func (v *validator) badText(rule string) {
	var path strings.Builder
	for i, name := range v.at {
		if i > 0 && !strings.HasPrefix(name, "[") {
			path.WriteByte('.')
		}
		path.WriteString(strings.ToValidUTF8(name, "\ufffd"))
	}
	v.errs = append(v.errs, &Error{Path: path.String(), Rule: rule})
}

// isInteger tells whether a number is written as an integer, which Flux tells from a real.
func isInteger(n json.Number) bool {
	for _, c := range n {
		if c == '.' || c == 'e' || c == 'E' {
			return false
		}
	}
	return true
}

// finite returns a number as a float.
func finite(value any) (float64, bool) {
	n, ok := value.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(n), 64)
	return f, err == nil && !math.IsInf(f, 0)
}

func (v *validator) document(doc *jsontree.Object) {
	for _, m := range doc.Members() {
		switch m.Name {
		case "version", "resources", "tasks", "attributes":
		default:
			v.bad(m.Name, "is not a member of a jobspec (version, resources, tasks, attributes)", m.Value)
		}
	}
	if version, ok := v.required(doc, "", "version"); ok && version != jsontree.Int(1) {
		v.bad("version", "must be the integer 1", version)
	}
	slot := ""
	if resources, ok := v.required(doc, "", "resources"); ok {
		slot = v.resources(resources)
	}
	if tasks, ok := v.required(doc, "", "tasks"); ok {
		v.tasks(tasks, slot)
	}
	if attributes, ok := v.required(doc, "", "attributes"); ok {
		v.attributes(attributes)
	}
}

// required returns a member, or reports that it is missing.
func (v *validator) required(o *jsontree.Object, path, name string) (any, bool) {
	value, ok := o.Get(name)
	if !ok {
		v.missing(below(path, name))
	}
	return value, ok
}

// object returns a value as an object, or reports that it is none.
func (v *validator) object(path string, value any) (*jsontree.Object, bool) {
	o, ok := value.(*jsontree.Object)
	if !ok {
		v.bad(path, "must be an object", value)
	}
	return o, ok
}

// array returns a value as an array, or reports that it is none.
func (v *validator) array(path string, value any) ([]any, bool) {
	a, ok := value.([]any)
	if !ok {
		v.bad(path, "must be an array", value)
	}
	return a, ok
}

// str returns a value as a string, or reports that it is none.
func (v *validator) str(path string, value any) (string, bool) {
	s, ok := value.(string)
	if !ok {
		v.bad(path, "must be a string", value)
	}
	return s, ok
}

// optionalText checks members that are strings if they are there.
func (v *validator) optionalText(o *jsontree.Object, path string, names ...string) {
	for _, name := range names {
		if value, ok := o.Get(name); ok {
			v.str(below(path, name), value)
		}
	}
}

// count checks a count, which Flux keeps in 32 bits.
func (v *validator) count(path string, value any) {
	n, ok := value.(json.Number)
	switch {
	case !ok || !isInteger(n):
		v.bad(path, "must be an integer", value)
	default:
		if i, err := strconv.ParseInt(string(n), 10, 64); err != nil || i < 1 || i > math.MaxInt32 {
			v.bad(path, fmt.Sprintf("must be within 1 and %d", math.MaxInt32), value)
		}
	}
}

func (v *validator) tasks(value any, slot string) {
	list, ok := v.array("tasks", value)
	if !ok {
		return
	}
	if len(list) != 1 {
		// The job shell runs the first task only, and fails without one.
		v.bad("tasks", "must have one element", value)
	}
	for i, e := range list {
		v.task(element("tasks", i), e, slot)
	}
}

func (v *validator) task(path string, value any, slot string) {
	task, ok := v.object(path, value)
	if !ok {
		return
	}
	if command, ok := v.required(task, path, "command"); ok {
		v.command(below(path, "command"), command)
	}
	if value, ok := v.required(task, path, "slot"); ok {
		label, ok := v.str(below(path, "slot"), value)
		if ok && slot != "" && label != slot {
			v.bad(below(path, "slot"), fmt.Sprintf("must be the label of the slot, %q", slot), value)
		}
	}
	if attributes, ok := task.Get("attributes"); ok {
		v.object(below(path, "attributes"), attributes)
	}
	value, ok = v.required(task, path, "count")
	if !ok {
		return
	}
	path = below(path, "count")
	count, ok := v.object(path, value)
	if !ok {
		return
	}
	if count.Len() != 1 {
		v.bad(path, "must have one member, per_slot or total", value)
		return
	}
	m := count.Members()[0]
	switch m.Name {
	case "total":
		v.count(below(path, m.Name), m.Value)
	case "per_slot":
		if m.Value != jsontree.Int(1) {
			// A broker takes more, but the job shell knows no other value.
			v.bad(below(path, m.Name), "must be 1", m.Value)
		}
	default:
		v.bad(path, "must have one member, per_slot or total", value)
	}
}

func (v *validator) command(path string, value any) {
	argv, ok := v.array(path, value)
	if !ok {
		return
	}
	if len(argv) == 0 {
		v.bad(path, "must name a program", value)
	}
	for i, arg := range argv {
		if s, ok := v.str(element(path, i), arg); ok && i == 0 && s == "" {
			v.bad(element(path, i), "must name a program", arg)
		}
	}
}
