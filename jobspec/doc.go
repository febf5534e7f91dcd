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
//	-n --ntasks, -n --nslots     [Spec.Tasks]
//	-N --nodes                   [Spec.Nodes]
//	-c --cores-per-task, -slot   [Spec.CoresPerTask]
//	-g --gpus-per-task, -slot    [Spec.GPUsPerTask]
//	-x --exclusive               [Spec.Exclusive]
//	--cores                      [Spec.Cores]
//	--tasks-per-node             [Spec.TasksPerNode]
//	--tasks-per-core             [Spec.TasksPerCore]
//	--gpus-per-node              [Spec.GPUsPerNode]
//	-t --time-limit              [Spec.Duration], [Spec.NoTimeLimit]
//	-q --queue                   [Spec.Queue]
//	-B --bank                    [Spec.Bank]
//	--job-name                   [Spec.Name]
//	--cwd                        [Spec.Dir]
//	--env                        [Spec.EnvRules], [Spec.Env], [Spec.UnsetEnv], [Spec.ClearEnv], [Spec.EnvExpand]
//	--rlimit                     [Spec.RLimit]
//	--input, --output, --error   [Spec.Stdin], [Spec.Stdout], [Spec.Stderr]
//	-l --label-io                [Spec.LabelIO]
//	-u --unbuffered              [Spec.Unbuffered]
//	--requires                   [Spec.Constraint], [Spec.Require]
//	--dependency                 [Spec.Dependency], [Spec.DependOn]
//	--begin-time                 [Spec.BeginAt]
//	--signal                     [Spec.Signal]
//	--taskmap                    [Spec.Taskmap]
//	-o --setopt                  [Spec.ShellOption]
//	-S --setattr                 [Spec.Set], [Spec.Unset]
//	--add-file                   [Spec.AddFile], [Spec.AddFileAs], [Spec.File], [Spec.FileMode]
//	--broker-opts                [Spec.BrokerOptions]
//	--conf                       [Spec.Conf]
//	--dump                       [Spec.Dump]
//	--urgency, --flags           not in a jobspec: options of job.Submit
//
// What differs from flux submit on purpose:
//
//   - Zero is never "not set": Tasks(0), Duration(0) and empty texts are errors.
//   - Resource limits are not passed on unless [Spec.RLimit] sets them; see [Command].
//   - Regular expressions in [Spec.EnvRules] are those of package regexp.
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
//   - a duration below 0
//   - members of a wrong type: exclusive, cwd, environment and its values, queue, bank, project, job.name, shell and
//     its options per-resource, rlimit and env-expand, files: the job shell fails the job, or job-list cannot show it
//   - files that cannot be unpacked
//   - dependencies on the job 0, on what cannot be a job id, and begin times that are no number
//   - constraints that are empty, have two operators in one object, "not" of other than one, or values of a wrong
//     type: the scheduler ends the whole instance, or looks at one part only. [Spec.MarshalJSON] refuses these as
//     well.
//   - text that is not UTF-8 or has a NUL, integers over 64 bits, reals over the range of a 64 bit float
//
// Unknown members are allowed where a broker allows them, and so are resource types besides node, slot, core and gpu,
// which some schedulers know.
package jobspec
