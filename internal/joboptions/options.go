package joboptions

import "slices"

// option is one option of a command.
type option struct {
	dest  string // the name that its value is kept under
	short byte   // or 0
	long  []string
	kind  optionKind
	// prefix is put before the value. It tells rules of several options apart that are kept in one list.
	prefix string
}

type optionKind int

const (
	text     optionKind = iota // one value; the last one counts
	repeated                   // a list of values
	integer                    // one value, an integer
	flag                       // no value
	counted                    // no value; how often it is given counts
	optional                   // a value that may be left out
)

var commonOptions = []option{
	{dest: "help", long: []string{"help"}, kind: optional},
	{dest: "bank", short: 'B', long: []string{"bank"}},
	{dest: "queue", short: 'q', long: []string{"queue"}},
	{dest: "time_limit", short: 't', long: []string{"time-limit"}},
	{dest: "urgency", long: []string{"urgency"}},
	{dest: "job_name", long: []string{"job-name"}},
	{dest: "setopt", short: 'o', long: []string{"setopt"}, kind: repeated},
	{dest: "setattr", short: 'S', long: []string{"setattr"}, kind: repeated},
	{dest: "add_file", long: []string{"add-file"}, kind: repeated},
	{dest: "dependency", long: []string{"dependency"}, kind: repeated},
	{dest: "requires", long: []string{"requires", "require"}, kind: repeated},
	{dest: "dependency", long: []string{"begin-time"}, kind: repeated, prefix: beginTimePrefix},
	{dest: "env", long: []string{"env"}, kind: repeated},
	{dest: "env", long: []string{"env-remove"}, kind: repeated, prefix: "-"},
	{dest: "env", long: []string{"env-file"}, kind: repeated, prefix: "^"},
	{dest: "rlimit", long: []string{"rlimit"}, kind: repeated},
	{dest: "input", long: []string{"input"}},
	{dest: "output", long: []string{"output"}},
	{dest: "error", long: []string{"error"}},
	{dest: "unbuffered", short: 'u', long: []string{"unbuffered"}, kind: flag},
	{dest: "label_io", short: 'l', long: []string{"label-io"}, kind: flag},
	{dest: "cwd", long: []string{"cwd"}},
	{dest: "flags", long: []string{"flags"}, kind: repeated},
	{dest: "signal", long: []string{"signal"}},
	{dest: "dry_run", long: []string{"dry-run", "dry"}, kind: flag},
	{dest: "quiet", long: []string{"quiet"}, kind: flag},
	{dest: "list_plugins", long: []string{"list-plugins"}, kind: flag},
	{dest: "debug_emulate", long: []string{"debug-emulate"}, kind: flag},
}

var verbose = option{dest: "verbose", short: 'v', long: []string{"verbose"}, kind: counted}

// taskOptions are those of submit, run and bulksubmit. Counts are text there, because bulksubmit substitutes in them.
var taskOptions = []option{
	{dest: "taskmap", long: []string{"taskmap"}},
	{dest: "nodes", short: 'N', long: []string{"nodes"}},
	{dest: "exclusive", short: 'x', long: []string{"exclusive"}, kind: flag},
	{dest: "ntasks", short: 'n', long: []string{"ntasks"}},
	{dest: "cores_per_task", short: 'c', long: []string{"cores-per-task"}},
	{dest: "gpus_per_task", short: 'g', long: []string{"gpus-per-task"}},
	{dest: "cores", long: []string{"cores"}},
	{dest: "tasks_per_node", long: []string{"tasks-per-node"}},
	{dest: "tasks_per_core", long: []string{"tasks-per-core"}},
	{dest: "gpus_per_node", long: []string{"gpus-per-node"}},
	verbose,
}

var bulkOptions = []option{
	{dest: "cc", long: []string{"cc"}},
	{dest: "bcc", long: []string{"bcc"}},
	{dest: "wait", long: []string{"wait-event"}},
	{dest: "wait_clean", long: []string{"wait"}, kind: flag},
	{dest: "watch", long: []string{"watch"}, kind: flag},
	{dest: "log", long: []string{"log"}},
	{dest: "log_stderr", long: []string{"log-stderr"}},
	{dest: "progress", long: []string{"progress"}, kind: flag},
	{dest: "jps", long: []string{"jps"}, kind: flag},
}

var instanceOptions = []option{
	{dest: "add_brokers", long: []string{"add-brokers"}, kind: integer},
	{dest: "conf", long: []string{"conf"}, kind: repeated},
	{dest: "broker_opts", long: []string{"broker-opts", "broker-opt"}, kind: repeated},
	{dest: "dump", long: []string{"dump"}, kind: optional},
	{dest: "nslots", short: 'n', long: []string{"nslots"}, kind: integer},
	{dest: "cores_per_slot", short: 'c', long: []string{"cores-per-slot"}, kind: integer},
	{dest: "gpus_per_slot", short: 'g', long: []string{"gpus-per-slot"}, kind: integer},
	{dest: "nodes", short: 'N', long: []string{"nodes"}, kind: integer},
	{dest: "exclusive", short: 'x', long: []string{"exclusive"}, kind: flag},
}

// optionsOf has the options of each command.
var optionsOf = map[string][]option{
	"submit": slices.Concat(commonOptions, taskOptions, bulkOptions),
	"run":    slices.Concat(commonOptions, taskOptions, []option{{dest: "wait_event", long: []string{"wait-event"}}}),
	"bulksubmit": slices.Concat(commonOptions, taskOptions, bulkOptions, []option{
		{dest: "shuffle", long: []string{"shuffle"}, kind: flag},
		{dest: "sep", long: []string{"sep"}},
		{dest: "define", long: []string{"define"}, kind: repeated},
	}),
	"batch": slices.Concat(commonOptions, instanceOptions, []option{{dest: "wrap", long: []string{"wrap"}, kind: flag}}),
	"alloc": slices.Concat(commonOptions, instanceOptions, []option{
		verbose, {dest: "bg", long: []string{"bg"}, kind: flag},
	}),
}
