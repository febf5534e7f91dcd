package jobspec

import (
	"fmt"
	"os"
	"strings"

	"github.com/flux-sdk/flux/internal/envrules"
	"github.com/flux-sdk/flux/internal/jsontree"
)

// Command returns the specification of a job that runs a program: one task on one core, without time limit, in the
// working directory and with the environment of this process, as `flux submit` does. The environment is taken as it is
// now; see [Spec.ClearEnv].
//
// Resource limits are not passed on, unlike with `flux submit`: the Go runtime raises the limit on open files, so that
// the limits of a Go process are not those of its user. See [Spec.RLimit].
func Command(argv ...string) *Spec {
	s := newSpec(argv, &layout{})
	if len(argv) == 0 {
		s.fail("Command", "needs the name of a program", nil)
	}
	return s
}

// The parts of a Flux instance as a job.
const (
	scriptName = "script"
	confName   = "conf.json"
	// DefaultDump is the file that `flux batch --dump` and `flux alloc --dump` write if none is named.
	DefaultDump = "flux-{{jobid}}-dump.tgz"
	// DefaultBatchOutput is the file that `flux batch` writes output to unless told otherwise.
	DefaultBatchOutput = "flux-{{id}}.out"
)

// Batch returns the specification of a Flux instance as a job that runs a script, as `flux batch` does. The script is
// the text itself, not the name of a file, and begins with "#!"; it travels with the job. The arguments are those of
// the script. Output goes to [DefaultBatchOutput]; the name of the job is "batch".
//
// In a batch job the resource methods shape the slots of the instance, not its tasks: Tasks is the number of slots,
// CoresPerTask and GPUsPerTask are what a slot has. There is one slot of one core unless they say otherwise.
//
// Directives in the script (RFC 36, "# flux: -N2") are not applied; see [Directives].
func Batch(script string, argv ...string) *Spec {
	s := Nest(append([]string{"{{tmpdir}}/" + scriptName}, argv...)...)
	if !strings.HasPrefix(script, "#!") {
		s.fail("Batch", `script must be text that begins with "#!"`, firstLine(script))
	}
	s.Name("batch").Stdout(DefaultBatchOutput)
	return s.FileMode(scriptName, script, 0o700)
}

func firstLine(text string) string {
	line, _, more := strings.Cut(text, "\n")
	if more {
		line += "\n..."
	}
	return line
}

// Nest returns the specification of a Flux instance as a job that runs a program, as `flux alloc` does. Without
// arguments the instance runs the shell of the user. What [Batch] says on slots holds.
func Nest(argv ...string) *Spec {
	s := newSpec(append([]string{"flux", "broker"}, argv...), &layout{instance: true})
	return s.ShellOption("per-resource.type", "node").ShellOption("mpi", "none").ShellOption("exit-timeout", "none")
}

// newSpec returns a Spec with its members in the order in which Flux's own tools have them.
func newSpec(argv []string, l *layout) *Spec {
	command := make([]any, len(argv))
	task := jsontree.NewObject(jsontree.Member{Name: "command", Value: command})
	s := &Spec{layout: l, doc: jsontree.NewObject(
		jsontree.Member{Name: "resources", Value: []any{}},
		jsontree.Member{Name: "tasks", Value: []any{task}},
		jsontree.Member{Name: "attributes", Value: jsontree.NewObject(
			jsontree.Member{Name: "system", Value: jsontree.NewObject(
				jsontree.Member{Name: "duration", Value: jsontree.Int(0)},
				jsontree.Member{Name: "environment", Value: envrules.FromList(os.Environ())},
			)},
		)},
		jsontree.Member{Name: "version", Value: jsontree.Int(1)},
	)}
	for i, a := range argv {
		if err := jsontree.CheckString(a); err != nil {
			s.fail(fmt.Sprintf("argv[%d]", i), err.Error(), nil)
		}
		command[i] = a
	}
	s.arrange()
	if dir, err := os.Getwd(); err != nil {
		s.dirErr = fmt.Errorf("jobspec: the working directory of this process: %w (use Dir)", err)
	} else {
		s.Dir(dir)
	}
	return s
}

// IsInstance reports whether the job is a Flux instance, that is, whether its program is a broker.
func (s *Spec) IsInstance() bool {
	argv := s.Argv()
	return len(argv) > 1 && argv[0] == "flux" && (argv[1] == "broker" || argv[1] == "start")
}

// BrokerOptions adds options for the brokers of a Flux instance, such as "-Slog-stderr-level=6". They go before the
// program and after those that were added before. It is an error unless the job is an instance.
func (s *Spec) BrokerOptions(opts ...string) *Spec { return s.brokerOptions("BrokerOptions", opts...) }

func (s *Spec) brokerOptions(method string, opts ...string) *Spec {
	tasks, _ := s.root().Get("tasks")
	list, _ := tasks.([]any)
	if !s.IsInstance() || len(list) == 0 {
		return s.fail(method, "needs a job of Batch or Nest", nil)
	}
	task, _ := list[0].(*jsontree.Object)
	v, _ := task.Get("command")
	argv, _ := v.([]any)
	const broker = 2 // of "flux", "broker"
	at := broker + s.brokerArgs
	command := append(make([]any, 0, len(argv)+len(opts)), argv[:at]...)
	for _, o := range opts {
		if err := jsontree.CheckString(o); err != nil || o == "" {
			return s.fail(method, "must be options", o)
		}
		command = append(command, o)
	}
	task.Set("command", append(command, argv[at:]...))
	s.brokerArgs += len(opts)
	return s
}

// Dump makes a Flux instance write its key-value store to a file when it ends, as `flux batch --dump` does. See
// [DefaultDump].
func (s *Spec) Dump(file string) *Spec {
	if file == "" {
		return s.fail("Dump", "must not be empty", file)
	}
	return s.brokerOptions("Dump", "-Scontent.dump="+file)
}

// Conf gives a Flux instance its configuration, as `flux batch --conf` does. The value must encode to a JSON object.
// A second call replaces the first.
func (s *Spec) Conf(config any) *Spec {
	tree, err := jsontree.From(config)
	if err != nil {
		return s.fail("Conf", err.Error(), nil)
	}
	if _, ok := tree.(*jsontree.Object); !ok {
		return s.fail("Conf", "must be an object", jsontree.Kind(tree))
	}
	if _, again := s.lookup(system("files", confName)...); !again {
		s.brokerOptions("Conf", "-c{{tmpdir}}/"+confName)
	}
	return s.FileMode(confName, tree, 0o600)
}
