package resource

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/internal/jsontree"
)

// MarshalJSON returns the R as compact JSON (RFC 20). An R that was read and not changed has the members that were
// read, in their order and with their numbers as they were, so writing what was written gives the same bytes. In an R
// that an operation returned, the elements of R_lite have their two members of RFC 20 only.
//
// An error matches [flux.EINVAL]: a host name is not UTF-8.
func (r R) MarshalJSON() ([]byte, error) {
	execution := r.execution.Clone()
	if r.changed || r.top == nil {
		execution.Set("R_lite", r.lite())
		for _, member := range []string{"starttime", "expiration"} {
			if !execution.Has(member) {
				execution.Set(member, json.RawMessage("0.0"))
			}
		}
		if err := r.setHosts(execution); err != nil {
			return nil, err
		}
		r.setProperties(execution)
	}
	top := r.top.Clone()
	if !top.Has("version") {
		top.Set("version", jsontree.Int(1))
	}
	top.Set("execution", execution)
	return jsontree.Append(nil, top), nil
}

func (r R) lite() []any {
	entries := []any{}
	for _, g := range r.groups() {
		types := &jsontree.Object{}
		for _, c := range g.res {
			types.Set(c.name, c.ids.String())
		}
		entries = append(entries, jsontree.NewObject(jsontree.Member{Name: "rank", Value: g.ranks.String()},
			jsontree.Member{Name: "children", Value: types}))
	}
	return entries
}

func (r R) setHosts(execution *jsontree.Object) error {
	// Flux has one empty text in the nodelist of an empty R.
	if !r.IsEmpty() && r.hosts.IsEmpty() {
		execution.Delete("nodelist")
		return nil
	}
	text := r.hosts.String()
	if !utf8.ValidString(text) {
		return fmt.Errorf("resource: the host names %.200q are not UTF-8: %w", text, flux.EINVAL)
	}
	execution.Set("nodelist", []any{text})
	return nil
}

func (r R) setProperties(execution *jsontree.Object) {
	properties := &jsontree.Object{}
	for _, name := range r.Properties() {
		properties.Set(name, r.properties[name].String())
	}
	if properties.Len() == 0 {
		execution.Delete("properties")
		return
	}
	execution.Set("properties", properties)
}
