package jobspec

import "github.com/flux-sdk/flux/internal/jsontree"

// resources checks the resources and returns the label of the slot, or "".
//
// Types that Flux's own scheduler does not know, such as "socket" and "memory", are allowed anywhere: the C code of
// Flux skips them, and other schedulers know more types.
func (v *validator) resources(value any) string {
	list, ok := v.array("resources", value)
	if !ok {
		return ""
	}
	if len(list) != 1 {
		// With none the job has no slot. With more, Flux takes the count of one and the size of another.
		v.bad("resources", "must have one element", value)
	}
	seen := &counted{}
	v.vertices("resources", list, seen, false)
	switch {
	case len(list) == 0:
	case seen.slots == 0:
		v.bad("resources", "must contain a slot", value)
	case seen.slots > 1:
		v.bad("resources", "must contain one slot only", value)
	case seen.cores == 0:
		v.bad("resources", "must have a core within the slot", value)
	}
	if seen.nodes > 1 {
		v.bad("resources", "must contain one node only", value)
	}
	return seen.label
}

// counted is what resources contain.
type counted struct {
	nodes, slots, cores int
	label               string
}

func (v *validator) vertices(path string, list []any, seen *counted, inSlot bool) {
	for i, e := range list {
		path := element(path, i)
		r, ok := v.object(path, e)
		if !ok {
			continue
		}
		inSlot := inSlot
		switch v.vertex(path, r) {
		case "node":
			seen.nodes++
		case "slot":
			seen.slots++
			inSlot = true
			seen.label = v.label(path, r)
		case "core":
			if inSlot {
				seen.cores++
			}
		}
		if with, ok := r.Get("with"); ok {
			if children, ok := v.array(below(path, "with"), with); ok {
				v.vertices(below(path, "with"), children, seen, inSlot)
			}
		}
	}
}

// vertex checks one resource and returns its type.
func (v *validator) vertex(path string, r *jsontree.Object) string {
	kind := ""
	if value, ok := v.required(r, path, "type"); ok {
		kind, _ = v.str(below(path, "type"), value)
	}
	if value, ok := v.required(r, path, "count"); ok {
		v.count(below(path, "count"), value)
	}
	for _, name := range []string{"id", "unit", "label"} {
		if value, ok := r.Get(name); ok {
			v.str(below(path, name), value)
		}
	}
	if value, ok := r.Get("exclusive"); ok {
		if _, ok := value.(bool); !ok {
			v.bad(below(path, "exclusive"), "must be a boolean", value)
		}
	}
	return kind
}

// label returns the label of a slot.
func (v *validator) label(path string, r *jsontree.Object) string {
	value, ok := v.required(r, path, "label")
	if !ok {
		return ""
	}
	label, ok := value.(string)
	if ok && label == "" {
		v.bad(below(path, "label"), "must not be empty", value)
	}
	return label
}
