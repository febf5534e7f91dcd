package resource

import (
	"encoding/json"

	"github.com/flux-sdk/flux/internal/jsonobject"
)

// MarshalJSON returns the R as compact JSON (RFC 20). An R that was read and not changed has the members that were
// read, in their order and with their numbers as they were, so writing what was written gives the same bytes. In an R
// that an operation returned, the elements of R_lite have their two members of RFC 20 only.
func (r R) MarshalJSON() ([]byte, error) {
	execution := r.execution.Clone()
	if r.changed || r.top == nil {
		lite, err := r.lite()
		if err != nil {
			return nil, err
		}
		execution.Set("R_lite", lite)
		for _, member := range []string{"starttime", "expiration"} {
			if !execution.Has(member) {
				execution.Set(member, json.RawMessage("0.0"))
			}
		}
		r.setHostsAndProperties(&execution)
	}
	raw, err := execution.MarshalJSON()
	if err != nil {
		return nil, err
	}
	top := r.top.Clone()
	if !top.Has("version") {
		top.Set("version", json.RawMessage("1"))
	}
	top.Set("execution", raw)
	return top.MarshalJSON()
}

func (r R) lite() (json.RawMessage, error) {
	b := []byte{'['}
	for i, g := range r.groups() {
		if i > 0 {
			b = append(b, ',')
		}
		var types jsonobject.Object
		for _, c := range g.res {
			types = append(types, jsonobject.Member{Name: c.name, Value: jsonobject.Text(c.ids.String())})
		}
		raw, err := types.MarshalJSON()
		if err != nil {
			return nil, err
		}
		entry := jsonobject.Object{{Name: "rank", Value: jsonobject.Text(g.ranks.String())}, {Name: "children", Value: raw}}
		if b, err = entry.Append(b); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

func (r R) setHostsAndProperties(execution *jsonobject.Object) {
	// Flux has one empty text in the nodelist of an empty R.
	if r.IsEmpty() || !r.hosts.IsEmpty() {
		text := jsonobject.Text(r.hosts.String())
		execution.Set("nodelist", json.RawMessage("["+string(text)+"]"))
	} else {
		execution.Delete("nodelist")
	}
	var properties jsonobject.Object
	for _, name := range r.Properties() {
		value := jsonobject.Text(r.properties[name].String())
		properties = append(properties, jsonobject.Member{Name: name, Value: value})
	}
	if len(properties) == 0 {
		execution.Delete("properties")
		return
	}
	raw, _ := properties.MarshalJSON() // it has texts only
	execution.Set("properties", raw)
}
