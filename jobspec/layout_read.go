package jobspec

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/flux-sdk/flux/internal/jsontree"
)

// readLayout finds the layout that a document came from, so that methods can change a parsed Spec. It refuses what it
// could not write again.
func readLayout(doc *jsontree.Object) (*layout, error) {
	resources, _ := doc.Get("resources")
	vertex, err := onlyVertex(resources)
	if err != nil {
		return nil, err
	}
	l := &layout{}
	slot := vertex
	if vertex.kind == "node" {
		l.nodes, l.exclusive = vertex.count, vertex.exclusive
		if slot, err = onlyVertex(vertex.with); err != nil {
			return nil, err
		}
	}
	if slot.kind != "slot" || slot.exclusive {
		return nil, errors.New("they are not a slot, or a node with a slot")
	}
	l.label = slot.label
	cores, gpus, err := slotSize(slot.with)
	if err != nil {
		return nil, err
	}
	total, err := readTask(doc, slot.label)
	if err != nil {
		return nil, err
	}
	if err := l.readPerResource(doc); err != nil {
		return nil, err
	}
	if l.tasksPerNode > 0 || l.tasksPerCore > 0 {
		err = l.fromResources(slot.count, cores, gpus)
	} else {
		err = l.fromTasks(slot.count, cores, gpus, total)
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

// fromTasks fills in the counts of a layout by task.
func (l *layout) fromTasks(slots, cores, gpus, total int) error {
	if cores > 1 {
		l.coresPerTask = cores
	}
	l.gpusPerTask = gpus
	nodes := max(l.nodes, 1)
	if slots > math.MaxInt32/nodes {
		return errors.New("there are too many of them")
	}
	switch {
	case total > 0 && (l.nodes == 0 || total%l.nodes == 0 || total/l.nodes+1 != slots):
		return errors.New("the tasks are not one a slot")
	case total > 0:
		l.tasks = total
	case l.exclusive && slots == 1:
		// The tasks follow the nodes.
	default:
		l.tasks = slots * nodes
	}
	return nil
}

// fromResources fills in the counts of a layout by resource.
func (l *layout) fromResources(slots, cores, gpus int) error {
	l.gpusPerNode = gpus
	switch {
	case l.nodes == 0 && cores == 1 && gpus == 0:
		l.cores = slots
	case l.nodes > 0 && slots == 1 && cores == 1 && l.exclusive:
		// Whole nodes were asked for.
	case l.nodes > 0 && slots == 1 && cores <= math.MaxInt32/l.nodes:
		l.cores = cores * l.nodes
	default:
		return errors.New("tasks are counted by resource over slots of this shape")
	}
	return nil
}

// readPerResource reads the shell option that counts tasks by resource.
func (l *layout) readPerResource(doc *jsontree.Object) error {
	v, ok := doc.Lookup(option("per-resource")...)
	if !ok {
		return nil
	}
	o, _ := v.(*jsontree.Object)
	if o == nil {
		return errors.New("the shell option per-resource is not an object")
	}
	kind, _ := o.Get("type")
	count, counted := o.Get("count")
	if !counted && kind == "node" && o.Len() == 1 {
		l.instance = true
		return nil
	}
	n, ok := smallInt(count)
	switch {
	case !ok || n < 1 || o.Len() != 2:
	case kind == "node":
		l.tasksPerNode = n
		return nil
	case kind == "core":
		l.tasksPerCore = n
		return nil
	}
	return fmt.Errorf("the shell option per-resource is %s", jsontree.Text(v))
}

// readTask checks that there is one task for the slot and returns its total, or 0 if there is one task a slot.
func readTask(doc *jsontree.Object, label string) (int, error) {
	v, _ := doc.Get("tasks")
	list, _ := v.([]any)
	if len(list) != 1 {
		return 0, errors.New("there is not one task")
	}
	task, _ := list[0].(*jsontree.Object)
	if task == nil {
		return 0, errors.New("the task is not an object")
	}
	if slot, _ := task.Get("slot"); slot != label {
		return 0, errors.New("the task names another slot")
	}
	if v, _ := task.Lookup("count", "per_slot"); v == jsontree.Int(1) {
		return 0, nil
	}
	v, _ = task.Lookup("count", "total")
	if n, ok := smallInt(v); ok && n > 0 {
		return n, nil
	}
	return 0, errors.New("the tasks are not one a slot")
}

// slotSize returns the cores and GPUs in a slot.
func slotSize(v any) (cores, gpus int, err error) {
	list, _ := v.([]any)
	for _, e := range list {
		r, err := readVertex(e)
		switch {
		case err != nil:
			return 0, 0, err
		case r.kind == "core" && cores == 0 && r.with == nil && !r.exclusive:
			cores = r.count
		case r.kind == "gpu" && gpus == 0 && r.with == nil && !r.exclusive:
			gpus = r.count
		default:
			return 0, 0, fmt.Errorf("the slot holds %s more than once, or with members that are not known here", r.kind)
		}
	}
	if cores == 0 {
		return 0, 0, errors.New("the slot has no cores")
	}
	return cores, gpus, nil
}

// vertex is a resource that has only members which layout writes.
type vertex struct {
	kind, label string
	count       int
	exclusive   bool
	with        any
}

func onlyVertex(v any) (*vertex, error) {
	list, _ := v.([]any)
	if len(list) != 1 {
		return nil, errors.New("they are not a slot, or a node with a slot")
	}
	return readVertex(list[0])
}

func readVertex(v any) (*vertex, error) {
	o, _ := v.(*jsontree.Object)
	if o == nil {
		return nil, errors.New("one is not an object")
	}
	r := &vertex{}
	for _, m := range o.Members() {
		ok := true
		switch m.Name {
		case "type":
			r.kind, ok = m.Value.(string)
		case "label":
			r.label, ok = m.Value.(string)
		case "count":
			r.count, ok = smallInt(m.Value)
			ok = ok && r.count > 0
		case "exclusive":
			r.exclusive, ok = m.Value.(bool)
		case "with":
			r.with = m.Value
		default:
			ok = false
		}
		if !ok {
			return nil, fmt.Errorf("a %s has %q: %s", r.kind, m.Name, jsontree.Text(m.Value))
		}
	}
	return r, nil
}

// smallInt returns a number that is written as an integer and fits the 32 bits which Flux counts in.
func smallInt(v any) (int, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	i, err := strconv.ParseInt(string(n), 10, 32)
	return int(i), err == nil
}
