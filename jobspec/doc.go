// Package jobspec builds, reads and checks job specifications (RFC 14, RFC 25): what a Flux job runs, on which
// resources and how. It does no I/O beyond reading the state of this process and files that it is told to read;
// package job submits.
//
//	spec := jobspec.Command("simulate", "--steps=1000").
//		Tasks(64).Nodes(4).GPUsPerTask(1).
//		Duration(2 * time.Hour).
//		Stdout("sim-{{id}}.out").
//		Constraint("host:node[1-8] and not debug")
//	if err := spec.Validate(); err != nil {
//		return err
//	}
//
// # Options of flux submit and their methods
//
//	-n --ntasks, -n --nslots     Tasks
//	-N --nodes                   Nodes
//	-c --cores-per-task, -slot   CoresPerTask
//	-g --gpus-per-task, -slot    GPUsPerTask
//	-x --exclusive               Exclusive
//	--cores                      Cores
//	--tasks-per-node             TasksPerNode
//	--tasks-per-core             TasksPerCore
//	--gpus-per-node              GPUsPerNode
//	-t --time-limit              Duration, NoTimeLimit
//	-q --queue                   Queue
//	-B --bank                    Bank
//	--job-name                   Name
//	--cwd                        Dir
//	--env                        EnvRules, Env, UnsetEnv, ClearEnv, EnvExpand
//	--rlimit                     RLimit
//	--input, --output, --error   Stdin, Stdout, Stderr
//	-l --label-io                LabelIO
//	-u --unbuffered              Unbuffered
//	--requires                   Constraint, Require
//	--dependency                 Dependency, DependOn
//	--begin-time                 BeginAt
//	--signal                     Signal
//	--taskmap                    Taskmap
//	-o --setopt                  ShellOption
//	-S --setattr                 Set, Unset
//	--add-file                   AddFile, AddFileAs, File, FileMode
//	--broker-opts                BrokerOptions
//	--conf                       Conf
//	--dump                       Dump
//	--urgency, --flags           not in a jobspec: options of job.Submit
//
// What differs from flux submit on purpose:
//
//   - Zero is never "not set": Tasks(0), Duration(0) and empty texts are errors.
//   - Resource limits are not passed on unless [Spec.RLimit] sets them; see [Command].
//   - Patterns in [Spec.EnvRules] are regular expressions of package regexp and globs of fnmatch(3), not those of
//     Python.
//   - [Spec.File] takes any bytes. Flux puts text with a NUL into JSON that its own parser refuses.
//   - [Directives] refuses a triple quote that is open at the end of a script.
//
// # What Validate refuses
//
// Besides everything that the validator of a broker refuses on any configuration, [Spec.Validate] refuses these,
// which a broker takes:
//
//   - resources or tasks that have not exactly one element, no slot, more than one slot or node, a slot without a
//     core, or "with" that is no array: the scheduler fails the job, or takes the count of one and the size of another
//   - a task for another slot than there is; counts over 2147483647, which wrap; per_slot other than 1
//   - a duration below 0, an empty cwd or queue, a command whose program is empty
//   - members of a wrong type: exclusive, cwd, environment and its values, queue, bank, project, job.name, shell and
//     its options per-resource, rlimit and env-expand, files: the job shell fails the job, or job-list cannot show it
//   - files that cannot be unpacked
//   - dependencies on the job 0, on what cannot be a job id, and begin times that are no number
//   - constraints that are empty, have two operators in one object, "not" of other than one, or values of a wrong
//     type: the scheduler ends the whole instance, or looks at one part only. [Spec.MarshalJSON] refuses these as
//     well, and ranks over 1048575, which keep a broker busy for minutes.
//   - nesting deeper than 256, which can end the validator of a broker; [Spec.MarshalJSON] refuses it as well
//   - text that is not UTF-8 or has a NUL, integers over 64 bits, reals over the range of a 64 bit float
//
// Unknown members are allowed where a broker allows them, and so are resource types besides node, slot, core and gpu,
// which some schedulers know.
//
// # Jobspecs that harm an instance
//
// Any user can submit these, a broker of flux-core 0.88 takes them, and other jobs suffer. [Spec.MarshalJSON] refuses
// them, so that a Spec cannot carry one to a broker:
//
//   - A constraint that is an empty object, or that a scheduler cannot evaluate otherwise, ends the whole instance if
//     queues are configured.
//   - A constraint such as {"ranks":["0-2147483647"]} keeps the validator busy for minutes. No job is accepted then.
//   - JSON that is nested 1,500 levels deep ends the process of the broker that reads it first. If queues are
//     configured that is job-frobnicator, and the next job is accepted. Otherwise it is job-validator, and the next
//     job is refused with EPIPE.
package jobspec
