package jobspec

import (
	"encoding/json"
	"math"

	"github.com/flux-sdk/flux/internal/jsontree"
)

// Counts are the resources that a jobspec asks for.
type Counts struct {
	Nodes     int  // 0 if the jobspec leaves them open
	Slots     int  // in all
	Cores     int  // in all; at least that many of whole nodes
	GPUs      int  // in all
	Exclusive bool // no other job may use the nodes
}

// Counts returns the resources that the job asks for, as Flux itself counts them, and whether the jobspec says.
func (s *Spec) Counts() (Counts, bool) {
	resources, _ := s.lookup("resources")
	var c counter
	c.read(resources, 1)
	if c.bad || c.slots < 1 || c.slotCores < 1 || c.nodes > math.MaxInt32 {
		return Counts{}, false
	}
	slots := c.slots * max(c.nodes, 1)
	if slots > math.MaxInt32 || slots*max(c.slotCores, c.slotGPUs) > math.MaxInt32 {
		return Counts{}, false
	}
	return Counts{
		Nodes: int(c.nodes), Slots: int(slots), Cores: int(slots * c.slotCores), GPUs: int(slots * c.slotGPUs),
		Exclusive: c.exclusive,
	}, true
}

// counter adds up resources.
type counter struct {
	nodes, slots, slotCores, slotGPUs int64

	exclusive, bad bool
}

func (c *counter) read(list any, factor int64) {
	vertices, ok := list.([]any)
	c.bad = c.bad || !ok
	for _, v := range vertices {
		o, ok := v.(*jsontree.Object)
		if !ok {
			c.bad = true
			return
		}
		kind, _ := o.Get("type")
		value, _ := o.Get("count")
		n, ok := smallInt(value)
		if !ok || n < 1 || factor > math.MaxInt32 {
			c.bad = true
			return
		}
		count := int64(n)
		switch kind {
		case "node":
			c.nodes = factor * count
			exclusive, _ := o.Get("exclusive")
			c.exclusive = c.exclusive || exclusive == true
		case "slot":
			c.slots = count
		case "core":
			c.slotCores = count
		case "gpu":
			c.slotGPUs = count
		}
		if with, ok := o.Get("with"); ok {
			c.read(with, factor*count)
		}
	}
}

// TaskCount returns the number of tasks, and whether it is known before resources are allocated: it is not where tasks
// are counted by a node or a core of which the jobspec does not say how many there will be. In an instance of
// [Batch] or [Nest] the tasks are its brokers, one on each node.
func (s *Spec) TaskCount() (int, bool) {
	counts, ok := s.Counts()
	if !ok {
		return 0, false
	}
	if v, ok := s.lookup(option("per-resource")...); ok {
		return perResourceTasks(v, counts)
	}
	tasks, _ := s.lookup("tasks")
	list, _ := tasks.([]any)
	if len(list) == 0 {
		return 0, false
	}
	task, ok := list[0].(*jsontree.Object)
	if !ok {
		return 0, false
	}
	if v, ok := task.Lookup("count", "total"); ok {
		n, ok := smallInt(v)
		return n, ok && n > 0
	}
	if v, _ := task.Lookup("count", "per_slot"); v == jsontree.Int(1) {
		return counts.Slots, true
	}
	return 0, false
}

func perResourceTasks(v any, counts Counts) (int, bool) {
	o, _ := v.(*jsontree.Object)
	if o == nil {
		return 0, false
	}
	per := 1
	if v, ok := o.Get("count"); ok {
		if per, ok = smallInt(v); !ok || per < 1 {
			return 0, false
		}
	}
	of := 0
	switch kind, _ := o.Get("type"); {
	case kind == "node":
		of = counts.Nodes
	case kind == "core" && counts.Nodes == 0:
		of = counts.Cores
	}
	if of == 0 || int64(of)*int64(per) > math.MaxInt32 {
		return 0, false
	}
	return of * per, true
}

// Argv returns the program of the job and its arguments, or nil.
func (s *Spec) Argv() []string {
	tasks, _ := s.lookup("tasks")
	list, _ := tasks.([]any)
	if len(list) == 0 {
		return nil
	}
	task, ok := list[0].(*jsontree.Object)
	if !ok {
		return nil
	}
	v, _ := task.Get("command")
	args, _ := v.([]any)
	var argv []string
	for _, a := range args {
		text, ok := a.(string)
		if !ok {
			return nil
		}
		argv = append(argv, text)
	}
	return argv
}

func (s *Spec) textAt(path ...string) string {
	v, _ := s.lookup(path...)
	text, _ := v.(string)
	return text
}

// JobName returns the name that the jobspec gives the job, or "". Flux then shows the base name of the program.
func (s *Spec) JobName() string { return s.textAt(system("job", "name")...) }

// QueueName returns the queue, or "".
func (s *Spec) QueueName() string { return s.textAt(system("queue")...) }

// BankName returns the bank, or "".
func (s *Spec) BankName() string { return s.textAt(system("bank")...) }

// WorkingDir returns the working directory, or "".
func (s *Spec) WorkingDir() string { return s.textAt(system("cwd")...) }

// StdoutFile returns the file of standard output, or "" if it is not in a file.
func (s *Spec) StdoutFile() string { return s.textAt(option("output", "stdout", "path")...) }

// StderrFile returns the file of standard error, or "" if it is not in a file of its own.
func (s *Spec) StderrFile() string { return s.textAt(option("output", "stderr", "path")...) }

// StdinFile returns the file of standard input, or "".
func (s *Spec) StdinFile() string { return s.textAt(option("input", "stdin", "path")...) }

// Version returns the version of the jobspec, or 0 if there is none that is an integer.
func (s *Spec) Version() int {
	v, _ := s.lookup("version")
	n, _ := smallInt(v)
	return n
}

// Attributes returns the attributes as JSON, or nil.
func (s *Spec) Attributes() json.RawMessage {
	v, ok := s.lookup("attributes")
	if !ok {
		return nil
	}
	return jsontree.Append(nil, v)
}
