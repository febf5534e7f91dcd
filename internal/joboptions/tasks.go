package joboptions

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/flux-sdk/flux/internal/jsontree"
	"github.com/flux-sdk/flux/jobspec"
)

// counts are the options about resources of submit. A nil pointer is an option that was not given.
type counts struct {
	tasks, nodes, cores, coresPerTask, gpusPerTask *int
	tasksPerNode, tasksPerCore, gpusPerNode        *int

	exclusive bool
}

func isSet(n *int) bool { return n != nil && *n != 0 }

// under tells whether an option was given and is less than a number.
func under(n *int, least int) bool { return n != nil && *n < least }

func readCounts(a *arguments) (*counts, error) {
	c := &counts{exclusive: a.set("exclusive")}
	for _, o := range []struct {
		dest string
		to   **int
	}{
		{"ntasks", &c.tasks}, {"nodes", &c.nodes}, {"cores", &c.cores}, {"cores_per_task", &c.coresPerTask},
		{"gpus_per_task", &c.gpusPerTask}, {"tasks_per_node", &c.tasksPerNode}, {"tasks_per_core", &c.tasksPerCore},
		{"gpus_per_node", &c.gpusPerNode},
	} {
		if !a.has(o.dest) {
			continue
		}
		n, ok := pythonInt(a.text[o.dest])
		if !ok || n > math.MaxInt32 {
			return nil, fmt.Errorf("--%s: invalid int value '%s'", strings.ReplaceAll(o.dest, "_", "-"), a.text[o.dest])
		}
		*o.to = &n
	}
	return c, nil
}

// taskSpec builds the jobspec of submit and run, without what applyOptions adds.
func taskSpec(a *arguments, host *Host) (*jobspec.Spec, error) {
	argv := a.rest
	if len(argv) == 0 {
		return nil, errors.New("job command and arguments are missing")
	}
	if argv[0] == "--" {
		argv = argv[1:]
	}
	if len(argv) == 0 {
		return nil, errors.New("command array cannot have length of zero")
	}
	c, err := readCounts(a)
	if err != nil {
		return nil, err
	}
	spec := jobspec.Command(argv...)
	if err := c.apply(spec); err != nil {
		return nil, err
	}
	if err := setDirectoryAndLimit(spec, a, host); err != nil {
		return nil, err
	}
	if input, given := a.text["input"]; given && !isIdset(input) {
		spec.Stdin(input)
	}
	setOutput(spec, a, a.text["output"])
	return spec, nil
}

// apply checks the counts as flux submit does and sets the resources.
func (c *counts) apply(spec *jobspec.Spec) error {
	switch {
	case c.tasksPerNode != nil && c.tasksPerCore != nil:
		return errors.New("Do not specify both the number of tasks per node and per core")
	case under(c.tasksPerNode, 1):
		return errors.New("--tasks-per-node must be >= 1")
	case under(c.tasksPerCore, 1):
		return errors.New("--tasks-per-core must be >= 1")
	case isSet(c.gpusPerNode) && !isSet(c.nodes):
		return errors.New("--gpus-per-node requires --nodes")
	}
	if c.tasksPerNode != nil || c.tasksPerCore != nil || c.gpusPerNode != nil || c.cores != nil {
		return c.perResource(spec)
	}
	return c.perTask(spec)
}

func (c *counts) perResource(spec *jobspec.Spec) error {
	if isSet(c.nodes) && c.cores == nil {
		c.exclusive = true
	}
	switch {
	case c.tasks != nil || c.coresPerTask != nil || isSet(c.gpusPerTask):
		return errors.New("Per-resource options can't be used with per-task options. (See --help for details)")
	case under(c.cores, 1):
		return errors.New("ncores must be an integer >= 1")
	case under(c.gpusPerNode, 0):
		return errors.New("gpus_per_node must be an integer >= 0")
	case c.gpusPerNode != nil && !isSet(c.nodes):
		return errors.New("gpus_per_node must be specified with nnodes")
	case under(c.nodes, 1):
		return errors.New("nnodes must be an integer >= 1")
	case c.nodes == nil && c.exclusive:
		return errors.New("exclusive can only be set with a node count")
	case c.nodes == nil && c.cores == nil:
		return errors.New("must specify node or core count with per_resource")
	case c.nodes != nil && c.cores != nil && *c.cores < *c.nodes:
		return errors.New("number of cores cannot be less than nnodes")
	case c.nodes != nil && c.cores != nil && *c.cores%*c.nodes != 0:
		return errors.New("number of cores must be evenly divisible by node count")
	}
	for _, o := range []struct {
		n   *int
		set func(int) *jobspec.Spec
	}{
		{c.nodes, spec.Nodes}, {c.cores, spec.Cores}, {c.tasksPerNode, spec.TasksPerNode},
		{c.tasksPerCore, spec.TasksPerCore}, {c.gpusPerNode, spec.GPUsPerNode},
	} {
		if o.n != nil {
			o.set(*o.n)
		}
	}
	if c.exclusive {
		spec.Exclusive()
	}
	return nil
}

func (c *counts) perTask(spec *jobspec.Spec) error {
	tasks, cores := 1, 1
	switch {
	case isSet(c.tasks):
		tasks = *c.tasks
	case isSet(c.nodes):
		tasks, c.exclusive = *c.nodes, true
	}
	if isSet(c.coresPerTask) {
		cores = *c.coresPerTask
	}
	switch {
	case tasks < 1:
		return errors.New("task count must be a integer >= 1")
	case cores < 1:
		return errors.New("cores per task must be an integer >= 1")
	case under(c.gpusPerTask, 0):
		return errors.New("gpus per task must be an integer >= 0")
	case under(c.nodes, 1):
		return errors.New("node count must be an integer >= 1 (if set)")
	case c.nodes != nil && *c.nodes > tasks:
		return errors.New("node count must not be greater than task count")
	case c.nodes == nil && c.exclusive:
		return errors.New("exclusive can only be set with a node count")
	}
	spec.Tasks(tasks).CoresPerTask(cores)
	if c.gpusPerTask != nil {
		spec.GPUsPerTask(*c.gpusPerTask)
	}
	if c.nodes != nil {
		spec.Nodes(*c.nodes)
	}
	if c.exclusive {
		spec.Exclusive()
	}
	return nil
}

// setDirectoryAndLimit sets the working directory and the time limit.
func setDirectoryAndLimit(spec *jobspec.Spec, a *arguments, host *Host) error {
	spec.Dir(host.Dir)
	if dir, ok := a.text["cwd"]; ok {
		spec.Dir(dir)
	}
	if name, ok := a.text["job_name"]; ok && a.command != "batch" {
		spec.Name(name)
	}
	for dest, set := range map[string]func(string) *jobspec.Spec{"queue": spec.Queue, "bank": spec.Bank} {
		if name, ok := a.text[dest]; ok {
			set(name)
		}
	}
	limit, ok := a.text["time_limit"]
	if !ok {
		return nil
	}
	f, isNumber := pythonFloat(limit)
	switch {
	case !isNumber && (limit == "inf" || limit == "infinity"):
		return errors.New("duration must be a normal, finite value")
	case isNumber && f < 0:
		return errors.New("duration must not be negative")
	case isNumber && (math.IsInf(f*60, 0) || math.IsNaN(f)):
		return errors.New("duration must be a normal, finite value")
	case isNumber:
		// A number without a unit is in minutes.
		spec.Set("duration", jsontree.Real(f*60))
		return nil
	}
	d, err := parseDuration(limit)
	if err != nil {
		return err
	}
	spec.Set("duration", jsontree.Seconds(d))
	return nil
}

// setOutput sets the files of output and what goes with them.
func setOutput(spec *jobspec.Spec, a *arguments, output string) {
	if output != "" || a.has("output") {
		spec.Stdout(output)
	}
	if file, ok := a.text["error"]; ok {
		spec.Stderr(file)
	}
	if a.set("label_io") {
		spec.LabelIO()
	}
	if a.set("unbuffered") {
		spec.Unbuffered()
	}
}
