package jobspec_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/flux-sdk/flux/jobspec"
)

func Example() {
	spec := jobspec.Command("simulate", "--steps=1000").
		Tasks(8).Nodes(2).GPUsPerTask(1).
		Duration(2*time.Hour).
		Stdout("sim-{{id}}.out").
		Constraint("host:node[1-8] and not debug").
		ClearEnv().Env("OMP_NUM_THREADS", "4").
		Dir("/scratch")
	if err := spec.Validate(); err != nil {
		fmt.Println(err)
	}
	text, err := json.MarshalIndent(spec, "", "  ")
	fmt.Println(string(text), err)
	// Output:
	// {
	//   "resources": [
	//     {
	//       "type": "node",
	//       "count": 2,
	//       "with": [
	//         {
	//           "type": "slot",
	//           "count": 4,
	//           "with": [
	//             {
	//               "type": "core",
	//               "count": 1
	//             },
	//             {
	//               "type": "gpu",
	//               "count": 1
	//             }
	//           ],
	//           "label": "task"
	//         }
	//       ]
	//     }
	//   ],
	//   "tasks": [
	//     {
	//       "command": [
	//         "simulate",
	//         "--steps=1000"
	//       ],
	//       "slot": "task",
	//       "count": {
	//         "per_slot": 1
	//       }
	//     }
	//   ],
	//   "attributes": {
	//     "system": {
	//       "duration": 7200.0,
	//       "environment": {
	//         "OMP_NUM_THREADS": "4"
	//       },
	//       "cwd": "/scratch",
	//       "shell": {
	//         "options": {
	//           "output": {
	//             "stdout": {
	//               "type": "file",
	//               "path": "sim-{{id}}.out"
	//             }
	//           }
	//         }
	//       },
	//       "constraints": {
	//         "and": [
	//           {
	//             "hostlist": [
	//               "node[1-8]"
	//             ]
	//           },
	//           {
	//             "not": [
	//               {
	//                 "properties": [
	//                   "debug"
	//                 ]
	//               }
	//             ]
	//           }
	//         ]
	//       }
	//     }
	//   },
	//   "version": 1
	// } <nil>
}

func ExampleSpec_Validate() {
	spec := jobspec.Command("true").Tasks(0).Duration(-time.Second)
	fmt.Println(spec.Validate())

	parsed, err := jobspec.Parse([]byte(`{"version":1,"resources":[],"tasks":[],
		"attributes":{"system":{"duration":0,"constraints":{}}}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	err = parsed.Validate()
	var first *jobspec.Error
	if errors.As(err, &first) {
		fmt.Printf("%q %q %q\n", first.Path, first.Rule, first.Value)
	}
	// Output:
	// jobspec: Tasks must be at least 1, got 0
	// jobspec: Duration must be more than 0 (NoTimeLimit removes the limit), got -1s
	// "resources" "must have one element" "[]"
}

func ExampleBatch() {
	script := "#!/bin/sh\nflux run -n4 hostname\n"
	spec := jobspec.Batch(script).Nodes(2).Name("survey").Stdout("survey-{{id}}.out").Duration(time.Hour)
	fmt.Println(spec.Validate(), spec.Argv(), spec.JobName())
	// Output: <nil> [flux broker {{tmpdir}}/script] survey
}

func ExampleNest() {
	spec := jobspec.Nest("sleep", "60").Tasks(4).CoresPerTask(2).
		Conf(map[string]any{"resource": map[string]any{"noverify": true}})
	counts, _ := spec.Counts()
	fmt.Println(spec.Validate(), spec.Argv(), counts.Cores)
	// Output: <nil> [flux broker -c{{tmpdir}}/conf.json sleep 60] 8
}

func ExampleParse() {
	const stored = `{"version":1,
		"resources":[{"type":"slot","count":2,"label":"task","with":[{"type":"core","count":1}]}],
		"tasks":[{"command":["hostname"],"slot":"task","count":{"per_slot":1}}],
		"attributes":{"system":{"duration":0,"x-site":{"ticket":9007199254740993}}}}`
	spec, err := jobspec.Parse([]byte(stored))
	if err != nil {
		fmt.Println(err)
		return
	}
	tasks, _ := spec.TaskCount()
	fmt.Println(spec.Argv(), tasks)
	// Once more with four tasks and a limit. What is not known here stays.
	spec.Tasks(4).Duration(time.Minute)
	counts, _ := spec.Counts()
	fmt.Println(counts.Cores, string(spec.Attributes()), spec.Validate())
	// Output:
	// [hostname] 2
	// 4 {"system":{"duration":60.0,"x-site":{"ticket":9007199254740993}}} <nil>
}

func ExampleParseConstraint() {
	c, err := jobspec.ParseConstraint("gpu,big -host:node[1-2]")
	fmt.Println(c, err)
	_, err = jobspec.ParseConstraint("gpu and (host:node1")
	fmt.Println(err)
	// Output:
	// {"and":[{"properties":["gpu","big"]},{"not":[{"hostlist":["node[1-2]"]}]}]} <nil>
	// jobspec: constraint "gpu and (host:node1": Unclosed parenthesis in position 8
}

func ExampleSpec_DependOn() {
	type ID uint64 // as job.ID is
	prepare := ID(123456)
	spec := jobspec.Command("analyze").
		DependOn(jobspec.AfterOK(prepare)).
		BeginAt(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	deps, _ := spec.Get("dependencies")
	fmt.Println(string(deps))
	// Output: [{"scheme":"afterok","value":"123456"},{"scheme":"begin-time","value":"1893456000"}]
}

func ExampleSpec_EnvRules() {
	spec := jobspec.Command("env").ClearEnv().Env("PATH", "/bin").
		EnvRules("PATH=$PATH:/opt/bin", "PRICE=5$$", "LOG={{tmpdir}}/log")
	env, _ := spec.Get("environment")
	expanded, _ := spec.Get("shell.options.env-expand")
	fmt.Println(string(env), string(expanded))
	// Output: {"PATH":"/bin:/opt/bin","PRICE":"5$"} {"LOG":"{{tmpdir}}/log"}
}

func ExampleDirectives() {
	script := "#!/bin/sh\n# flux: -N2 --queue=debug\n# flux: --job-name='a job'\n\nflux run hostname\n"
	directives, err := jobspec.Directives(script)
	for _, d := range directives {
		fmt.Printf("%d: %q\n", d.Line, d.Args)
	}
	fmt.Println(err)
	// Output:
	// 2: ["-N2" "--queue=debug"]
	// 3: ["--job-name=a job"]
	// <nil>
}
