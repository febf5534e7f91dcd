package jobspec

import (
	"fmt"

	"github.com/flux-sdk/flux/internal/jsontree"
)

// layout holds the arguments of the methods about resources. A zero is an argument that was not given.
type layout struct {
	tasks, nodes, coresPerTask, gpusPerTask        int
	cores, tasksPerNode, tasksPerCore, gpusPerNode int

	exclusive bool
	instance  bool   // of Batch or Nest: tasks are slots
	label     string // of the slot; "" is "task"
}

// Tasks sets the number of tasks, by default one, or one a node if only the nodes are given. In a job of [Batch] or
// [Nest] it is the number of slots.
func (s *Spec) Tasks(n int) *Spec {
	return s.resource("Tasks", n, 1, func(l *layout) { l.tasks = n })
}

// Nodes spreads the tasks over n nodes. Without [Spec.Tasks] or [Spec.Cores] it asks for n whole nodes, exclusively,
// as `flux submit -N` does, with one task on each. Tasks that do not divide evenly are packed as Flux does: the
// nodes get slots for the larger share, and the total of tasks is as given.
func (s *Spec) Nodes(n int) *Spec {
	return s.resource("Nodes", n, 1, func(l *layout) { l.nodes = n })
}

// CoresPerTask sets the cores of each task, by default one.
func (s *Spec) CoresPerTask(n int) *Spec {
	return s.resource("CoresPerTask", n, 1, func(l *layout) { l.coresPerTask = n })
}

// GPUsPerTask sets the GPUs of each task, by default none.
func (s *Spec) GPUsPerTask(n int) *Spec {
	return s.resource("GPUsPerTask", n, 0, func(l *layout) { l.gpusPerTask = n })
}

// Exclusive asks that no other job shares the nodes. It needs [Spec.Nodes].
func (s *Spec) Exclusive() *Spec {
	return s.resource("Exclusive", 1, 1, func(l *layout) { l.exclusive = true })
}

// Cores sets the total of cores, with one task on each unless [Spec.TasksPerNode] or [Spec.TasksPerCore] says
// otherwise. With [Spec.Nodes] it must divide evenly. It excludes Tasks, CoresPerTask and GPUsPerTask.
func (s *Spec) Cores(n int) *Spec {
	return s.resource("Cores", n, 1, func(l *layout) { l.cores = n })
}

// TasksPerNode sets how many tasks run on each node. It needs [Spec.Nodes] or [Spec.Cores] and excludes Tasks,
// CoresPerTask and GPUsPerTask.
func (s *Spec) TasksPerNode(n int) *Spec {
	return s.resource("TasksPerNode", n, 1, func(l *layout) { l.tasksPerNode = n })
}

// TasksPerCore sets how many tasks run on each core. It needs [Spec.Nodes] or [Spec.Cores] and excludes Tasks,
// CoresPerTask and GPUsPerTask.
func (s *Spec) TasksPerCore(n int) *Spec {
	return s.resource("TasksPerCore", n, 1, func(l *layout) { l.tasksPerCore = n })
}

// GPUsPerNode sets the GPUs of each node. It needs [Spec.Nodes] and excludes Tasks, CoresPerTask and GPUsPerTask.
func (s *Spec) GPUsPerNode(n int) *Spec {
	return s.resource("GPUsPerNode", n, 0, func(l *layout) { l.gpusPerNode = n })
}

func (s *Spec) resource(method string, n, least int, set func(*layout)) *Spec {
	if n < least {
		return s.fail(method, fmt.Sprintf("must be at least %d", least), n)
	}
	if s.layout == nil {
		l, err := readLayout(s.root0())
		if err != nil {
			return s.fail(method, "cannot change these resources: "+err.Error(), nil)
		}
		s.layout = l
		s.perResource = !l.instance
	}
	set(s.layout)
	s.arrange()
	return s
}

// arrange writes the layout into the document. Arguments that contradict each other are kept in layoutErr, because a
// further method may resolve the contradiction.
func (s *Spec) arrange() {
	a, err := s.layout.plan()
	if s.layoutErr = err; err != nil {
		return
	}
	slot := jsontree.NewObject(member("type", "slot"), member("count", jsontree.Int(a.slots)),
		member("with", a.slot()), member("label", s.layout.slotLabel()))
	vertex := slot
	if s.layout.nodes > 0 {
		vertex = jsontree.NewObject(member("type", "node"), member("count", jsontree.Int(s.layout.nodes)))
		if a.exclusive {
			vertex.Set("exclusive", true)
		}
		vertex.Set("with", []any{slot})
	}
	s.root().Set("resources", []any{vertex})
	tasks, _ := s.root().Get("tasks")
	task := tasks.([]any)[0].(*jsontree.Object)
	task.Set("slot", s.layout.slotLabel())
	count := jsontree.NewObject(member("per_slot", jsontree.Int(1)))
	if a.total > 0 {
		count = jsontree.NewObject(member("total", jsontree.Int(a.total)))
	}
	task.Set("count", count)
	switch {
	case a.perResource != "":
		s.perResource = true
		s.put("TasksPerNode", jsontree.NewObject(member("type", a.perResource), member("count", jsontree.Int(a.perCount))),
			option("per-resource"))
	case s.perResource:
		s.root().Remove(option("per-resource")...)
		s.perResource = false
	}
}

func member(name string, value any) jsontree.Member { return jsontree.Member{Name: name, Value: value} }

func (l *layout) slotLabel() string {
	if l.label == "" {
		return "task"
	}
	return l.label
}

// arrangement is the resources and tasks that result from a layout.
type arrangement struct {
	slots       int // on each node, or in all without nodes
	cores, gpus int // of a slot
	exclusive   bool
	total       int    // of tasks, if they do not divide evenly; 0 stands for one a slot
	perResource string // the resource that tasks are counted by, or ""
	perCount    int
}

func (a *arrangement) slot() []any {
	with := []any{jsontree.NewObject(member("type", "core"), member("count", jsontree.Int(a.cores)))}
	if a.gpus > 0 {
		with = append(with, jsontree.NewObject(member("type", "gpu"), member("count", jsontree.Int(a.gpus))))
	}
	return with
}

// perResourceMethod returns the name of a method that was used and counts by resource, or "".
func (l *layout) perResourceMethod() string {
	switch {
	case l.tasksPerNode > 0:
		return "TasksPerNode"
	case l.tasksPerCore > 0:
		return "TasksPerCore"
	case l.gpusPerNode > 0:
		return "GPUsPerNode"
	case l.cores > 0:
		return "Cores"
	}
	return ""
}

// plan computes the arrangement, by the rules of flux-submit(1).
func (l *layout) plan() (*arrangement, error) {
	method := l.perResourceMethod()
	switch {
	case l.exclusive && l.nodes == 0:
		return nil, &Error{Path: "Exclusive", Rule: "needs Nodes"}
	case method == "":
		return l.planTasks()
	case l.instance:
		return nil, &Error{Path: method, Rule: "needs a job of Command"}
	case l.tasks > 0 || l.coresPerTask > 0 || l.gpusPerTask > 0:
		return nil, &Error{Path: method, Rule: "excludes Tasks, CoresPerTask and GPUsPerTask"}
	}
	return l.planResources(method)
}

// planTasks arranges a job whose resources are given by task.
func (l *layout) planTasks() (*arrangement, error) {
	a := &arrangement{cores: max(l.coresPerTask, 1), gpus: l.gpusPerTask, exclusive: l.exclusive}
	tasks := l.tasks
	if tasks == 0 {
		tasks = max(l.nodes, 1)
		a.exclusive = l.nodes > 0
	}
	if l.nodes == 0 {
		a.slots = tasks
		return a, nil
	}
	if l.nodes > tasks {
		return nil, &Error{Path: "Nodes", Rule: fmt.Sprintf("must not be more than the %d of Tasks", tasks),
			Value: fmt.Sprint(l.nodes)}
	}
	a.slots = tasks / l.nodes
	if tasks%l.nodes > 0 {
		a.slots++
		a.total = tasks
	}
	return a, nil
}

// planResources arranges a job whose tasks are given by resource.
func (l *layout) planResources(method string) (*arrangement, error) {
	a := &arrangement{slots: 1, cores: 1, gpus: l.gpusPerNode, exclusive: l.exclusive}
	switch {
	case l.tasksPerNode > 0 && l.tasksPerCore > 0:
		return nil, &Error{Path: "TasksPerNode", Rule: "excludes TasksPerCore"}
	case l.tasksPerNode > 0:
		a.perResource, a.perCount = "node", l.tasksPerNode
	case l.tasksPerCore > 0:
		a.perResource, a.perCount = "core", l.tasksPerCore
	}
	switch {
	case l.gpusPerNode > 0 && l.nodes == 0:
		return nil, &Error{Path: "GPUsPerNode", Rule: "needs Nodes"}
	case l.nodes == 0 && l.cores == 0:
		return nil, &Error{Path: method, Rule: "needs Nodes or Cores"}
	case l.nodes == 0:
		a.slots = l.cores
	case l.cores == 0:
		a.exclusive = true
	case l.cores%l.nodes != 0:
		return nil, &Error{Path: "Cores", Rule: fmt.Sprintf("must be a multiple of the %d of Nodes", l.nodes),
			Value: fmt.Sprint(l.cores)}
	default:
		a.cores = l.cores / l.nodes
	}
	return a, nil
}
