package jobspec_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/flux-sdk/flux/jobspec"
	"github.com/google/go-cmp/cmp"
)

// bare returns a job without what depends on this process.
func bare() *jobspec.Spec { return jobspec.Command("true").ClearEnv().Dir("/") }

func text(t testing.TB, s *jobspec.Spec) string {
	t.Helper()
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	b, err := s.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const bareText = `{"resources":[{"type":"slot","count":1,"with":[{"type":"core","count":1}],"label":"task"}],` +
	`"tasks":[{"command":["true"],"slot":"task","count":{"per_slot":1}}],` +
	`"attributes":{"system":{"duration":0,"environment":{},"cwd":"/"}},"version":1}`

func TestCommand(t *testing.T) {
	if diff := cmp.Diff(bareText, text(t, bare())); diff != "" {
		t.Error(diff)
	}
	t.Setenv("JOBSPEC_TEST", "a=b")
	dir := t.TempDir()
	t.Chdir(dir)
	s := jobspec.Command("a", "b c")
	if v, ok := s.LookupEnv("JOBSPEC_TEST"); v != "a=b" || !ok || s.EnvMap()["JOBSPEC_TEST"] != "a=b" {
		t.Errorf("environment: %q %v", v, ok)
	}
	if s.WorkingDir() != dir {
		t.Errorf("directory %q, want %q", s.WorkingDir(), dir)
	}
	if diff := cmp.Diff([]string{"a", "b c"}, s.Argv()); diff != "" {
		t.Error(diff)
	}
	if d, ok := s.TimeLimit(); d != 0 || !ok {
		t.Errorf("time limit %v %v", d, ok)
	}
}

// TestMethods checks what each method adds to the system attributes.
func TestMethods(t *testing.T) {
	at := time.Date(2030, 1, 2, 3, 4, 5, 60_000_000, time.FixedZone("", 3600))
	for _, c := range []struct {
		name string
		do   func(*jobspec.Spec) *jobspec.Spec
		path string
		want string
	}{
		{"Duration", func(s *jobspec.Spec) *jobspec.Spec { return s.Duration(90 * time.Minute) }, "duration", `5400.0`},
		{"Duration ns", func(s *jobspec.Spec) *jobspec.Spec { return s.Duration(1) }, "duration", `0.000000001`},
		{"NoTimeLimit", func(s *jobspec.Spec) *jobspec.Spec { return s.Duration(1).NoTimeLimit() }, "duration", `0`},
		{"Queue", func(s *jobspec.Spec) *jobspec.Spec { return s.Queue("q") }, "queue", `"q"`},
		{"Bank", func(s *jobspec.Spec) *jobspec.Spec { return s.Bank("b") }, "bank", `"b"`},
		{"Name", func(s *jobspec.Spec) *jobspec.Spec { return s.Name("n") }, "job", `{"name":"n"}`},
		{"Env", func(s *jobspec.Spec) *jobspec.Spec { return s.Env("A", "{{x}}").Env("B", "").UnsetEnv("A", "C") },
			"environment", `{"B":""}`},
		{"Environ", func(s *jobspec.Spec) *jobspec.Spec { return s.Environ([]string{"B=1", "A=x=y"}) }, "environment",
			`{"B":"1","A":"x=y"}`},
		{"EnvExpand", func(s *jobspec.Spec) *jobspec.Spec { return s.EnvExpand("A.B", "{{id}}") },
			"shell.options.env-expand", `{"A.B":"{{id}}"}`},
		{"Env over EnvExpand", func(s *jobspec.Spec) *jobspec.Spec {
			return s.EnvExpand("A", "{{id}}").EnvExpand("B", "{{id}}").Env("A", "1").UnsetEnv("B")
		}, "shell.options", `{}`},
		{"EnvRules", func(s *jobspec.Spec) *jobspec.Spec { return s.EnvRules("A=1", "B=$A", "C={{id}}") }, "environment",
			`{"A":"1","B":"1"}`},
		{"Stdio", func(s *jobspec.Spec) *jobspec.Spec { return s.Stdin("i").Stdout("o").Stderr("e") }, "shell.options",
			`{"input":{"stdin":{"type":"file","path":"i"}},"output":{"stdout":{"type":"file","path":"o"},` +
				`"stderr":{"type":"file","path":"e"}}}`},
		{"LabelIO", func(s *jobspec.Spec) *jobspec.Spec { return s.Stdout("o").LabelIO().Stderr("e") },
			"shell.options.output",
			`{"stdout":{"type":"file","path":"o","label":true},"stderr":{"type":"file","path":"e","label":true}}`},
		{"Stdout none", func(s *jobspec.Spec) *jobspec.Spec { return s.Stdout("o").LabelIO().Stdout("none") },
			"shell.options", `{}`},
		{"Unbuffered", func(s *jobspec.Spec) *jobspec.Spec { return s.Unbuffered().Stdout("kvs") }, "shell.options",
			`{"output":{"stdout":{"buffer":{"type":"none"}},"stderr":{"buffer":{"type":"none"}},` +
				`"batch-timeout":0.05},"input":{"batch-timeout":0.0}}`},
		{"Signal", func(s *jobspec.Spec) *jobspec.Spec { return s.Signal(syscall.SIGTERM, time.Minute) },
			"shell.options.signal", `{"signum":15,"timeleft":60.0}`},
		{"Signal os", func(s *jobspec.Spec) *jobspec.Spec { return s.Signal(os.Interrupt, time.Second/2) },
			"shell.options.signal", `{"signum":2,"timeleft":0.5}`},
		{"Taskmap", func(s *jobspec.Spec) *jobspec.Spec { return s.Taskmap("cyclic", "2") }, "shell.options.taskmap",
			`{"scheme":"cyclic","value":"2"}`},
		{"RLimit", func(s *jobspec.Spec) *jobspec.Spec { return s.RLimit("core", jobspec.Unlimited).RLimit("nofile", 9) },
			"shell.options.rlimit", `{"core":-1,"nofile":9}`},
		{"ShellOption", func(s *jobspec.Spec) *jobspec.Spec { return s.ShellOption("a.b", 1).ShellOption("a.c", []int{2}) },
			"shell.options", `{"a":{"b":1,"c":[2]}}`},
		{"Set", func(s *jobspec.Spec) *jobspec.Spec {
			return s.Set("x.y", json.RawMessage(`{"b":1.0,"a":9007199254740993}`))
		}, "x", `{"y":{"b":1.0,"a":9007199254740993}}`},
		{"Set user", func(s *jobspec.Spec) *jobspec.Spec { return s.Set("user.x", 1).Set("attributes.user.y", 2) },
			"attributes.user", `{"x":1,"y":2}`},
		{"Unset", func(s *jobspec.Spec) *jobspec.Spec {
			return s.Set("x.y", 1).Set("x.z", 2).Unset("x.y").Unset("no.thing")
		}, "x", `{"z":2}`},
		{"Dependency", func(s *jobspec.Spec) *jobspec.Spec {
			return s.Dependency("afterok:123?a=1&a=2.5&b=x+y").DependOn(jobspec.AfterAny(uint64(7)), jobspec.Singleton())
		}, "dependencies",
			`[{"scheme":"afterok","value":"123","a":[1,2.5],"b":"x y"},` +
				`{"scheme":"afterany","value":"7"},{"scheme":"singleton","value":""}]`},
		{"BeginAt", func(s *jobspec.Spec) *jobspec.Spec { return s.BeginAt(at) }, "dependencies",
			`[{"scheme":"begin-time","value":"1893549845.06"}]`},
		{"Constraint", func(s *jobspec.Spec) *jobspec.Spec { return s.Constraint("a|b").Constraint("host:n1") },
			"constraints",
			`{"and":[{"or":[{"properties":["a"]},{"properties":["b"]}]},{"hostlist":["n1"]}]}`},
		{"Constraint merged", func(s *jobspec.Spec) *jobspec.Spec { return s.Constraint("a").Constraint("b,c") },
			"constraints", `{"properties":["a","b","c"]}`},
		{"Require", func(s *jobspec.Spec) *jobspec.Spec {
			return s.Require(jobspec.Constraint{}).Require(jobspec.AllOf(jobspec.Hosts("n[1-2]"),
				jobspec.AnyOf(jobspec.Ranks("0-3"), jobspec.Not(jobspec.Properties("x")))))
		}, "constraints", `{"and":[{"hostlist":["n[1-2]"]},{"or":[{"ranks":["0-3"]},{"not":[{"properties":["x"]}]}]}]}`},
		{"File", func(s *jobspec.Spec) *jobspec.Spec {
			return s.File("a.b/c", "text").File("n", []byte("a\x00")).File("j", map[string]int{"x": 1})
		}, "files",
			`{"a.b/c":{"mode":33152,"data":"text","encoding":"utf-8"},` +
				`"n":{"mode":33152,"data":"YQA=","encoding":"base64"},"j":{"mode":33152,"data":{"x":1}}}`},
		{"FileMode", func(s *jobspec.Spec) *jobspec.Spec { return s.FileMode("a", "", 0o755) }, "files",
			`{"a":{"mode":33261,"data":"","encoding":"utf-8"}}`},
	} {
		s := c.do(bare())
		text(t, s)
		got, ok := s.Get(c.path)
		if c.want == `{}` && !ok {
			continue
		}
		if diff := cmp.Diff(c.want, string(got)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.name, diff)
		}
	}
}

func TestAddFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.sh")
	if err := os.WriteFile(path, []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o750); err != nil {
		t.Fatal(err)
	}
	s := bare().AddFile(path).AddFileAs("other", path)
	text(t, s)
	want := `{"run.sh":{"mode":33256,"size":2,"data":"x\n","encoding":"utf-8"},` +
		`"other":{"mode":33256,"size":2,"data":"x\n","encoding":"utf-8"}}`
	if got, _ := s.Get("files"); string(got) != want {
		t.Errorf("%s", got)
	}
	if err := bare().AddFile(path + ".no").Validate(); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("missing file: %v", err)
	}
}

// TestMethodErrors checks that each wrong argument is an error of Validate and of json.Marshal that names the method.
func TestMethodErrors(t *testing.T) {
	for want, s := range map[string]*jobspec.Spec{
		"Command needs the name of a program":                                     jobspec.Command(),
		"tasks[0].command[0] must name a program":                                 jobspec.Command(""),
		"argv[1] is not UTF-8":                                                    jobspec.Command("a", "\xff"),
		"Tasks must be at least 1, got 0":                                         bare().Tasks(0),
		"Nodes must be at least 1, got -1":                                        bare().Nodes(-1),
		"GPUsPerTask must be at least 0, got -1":                                  bare().GPUsPerTask(-1),
		"Cores must be at least 1, got 0":                                         bare().Cores(0),
		"Duration must be more than 0":                                            bare().Duration(0),
		"Queue must not be empty":                                                 bare().Queue(""),
		"Name is not UTF-8":                                                       bare().Name("\xff"),
		"Dir must not be empty":                                                   bare().Dir(""),
		`Env name must not contain "=", got "A=B"`:                                bare().Env("A=B", ""),
		"Env name must not be empty":                                              bare().Env("", ""),
		"Env value of A contains a NUL":                                           bare().Env("A", "\x00"),
		`Environ must have the form "NAME=VALUE", got "A"`:                        bare().Environ([]string{"A"}),
		"EnvExpand must not be empty":                                             bare().EnvExpand("A", ""),
		"EnvRules cannot be applied: Variable 'X_NO' not found":                   bare().EnvRules("A=$X_NO"),
		"Stdout must not be empty":                                                bare().Stdout(""),
		"Stdin must not be empty":                                                 bare().Stdin(""),
		"Signal must be a syscall.Signal":                                         bare().Signal(nil, time.Second),
		"Signal must be sent more than 0 before the end, got 0s":                  bare().Signal(syscall.SIGTERM, 0),
		"Taskmap needs a scheme":                                                  bare().Taskmap("", "x"),
		"RLimit must be one of cpu fsize":                                         bare().RLimit("foo", 1),
		"RLimit must be at least 0, or Unlimited, got -2":                         bare().RLimit("core", -2),
		"ShellOption name must be names separated":                                bare().ShellOption("a..b", 1),
		`Set path must be names separated by single dots`:                         bare().Set("", 1),
		`Set value of "x": NaN is no JSON number`:                                 bare().Set("x", math.NaN()),
		"Set needs attributes.system.cwd to be an object":                         bare().Set("cwd.x", 1),
		`dependency URI must begin with a scheme of letters and digits, got ":x"`: bare().Dependency(":x"),
		"DependOn needs a scheme":                                                 bare().DependOn(jobspec.Dependency{Value: "x"}),
		"dependencies[0].value must be a job id over 0, got \"0\"":                bare().DependOn(jobspec.AfterOK(uint64(0))),
		"BeginAt must be a time after 1970":                                       bare().BeginAt(time.Time{}),
		`constraint "a|": Unexpected end of input`:                                bare().Constraint("a|"),
		"Require must not contain a zero Constraint":                              bare().Require(jobspec.Not(jobspec.Constraint{})),
		"constraints.foo is not an operator":                                      bare().Constraint("foo:x"),
		"File name must be relative":                                              bare().File("/etc/x", ""),
		`File name must not contain ".."`:                                         bare().File("a/../../b", ""),
		`data of "x" must be text, bytes`:                                         bare().File("x", json.RawMessage(`"s"`)),
		"FileMode permissions must be within 0777":                                bare().FileMode("x", "", os.ModeDir),
		"BrokerOptions needs a job of Batch or Nest":                              bare().BrokerOptions("-Sx=1"),
		"Dump needs a job of Batch or Nest":                                       bare().Dump("x"),
		"Conf must be an object":                                                  jobspec.Nest().Conf([]int{1}),
		`Batch script must be text that begins with "#!"`:                         jobspec.Batch("job.sh"),
		"Exclusive needs Nodes":                                                   bare().Exclusive(),
		"Nodes must not be more than the 2 of Tasks, got 3":                       bare().Tasks(2).Nodes(3),
		"GPUsPerNode needs Nodes":                                                 bare().GPUsPerNode(1).Cores(1),
		"TasksPerNode needs Nodes or Cores":                                       bare().TasksPerNode(1),
		"TasksPerNode excludes TasksPerCore":                                      bare().TasksPerNode(1).TasksPerCore(1).Nodes(1),
		"Cores must be a multiple of the 2 of Nodes, got 5":                       bare().Cores(5).Nodes(2),
		"Cores excludes Tasks, CoresPerTask and GPUsPerTask":                      bare().Cores(5).Tasks(2),
		"Cores needs a job of Command":                                            jobspec.Nest().Cores(2),
	} {
		err := s.Validate()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate: %v, want %s", err, want)
		}
		if strings.Contains(want, "resources[") || strings.Contains(want, "].") || strings.Contains(want, "tasks[") {
			continue // found by Validate only
		}
		if b, err := json.Marshal(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Marshal: %s %v, want %s", b, err, want)
		}
	}
	// A contradiction that a further method resolves is none.
	text(t, bare().Exclusive().Tasks(2).Nodes(2))
	text(t, bare().Nodes(4).Tasks(4))
}

// TestEnvironmentNotUTF8 checks that a variable which no broker takes is named, without its value.
func TestEnvironmentNotUTF8(t *testing.T) {
	t.Setenv("JOBSPEC_TEST", "secret\xff")
	s := jobspec.Command("true")
	err := s.Validate()
	want := "jobspec: attributes.system.environment.JOBSPEC_TEST must be text without NUL in UTF-8"
	if err == nil || err.Error() != want {
		t.Errorf("Validate: %v", err)
	}
	if _, err := json.Marshal(s); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Marshal: %v", err)
	}
	text(t, s.UnsetEnv("JOBSPEC_TEST"))
}

func TestClone(t *testing.T) {
	a := bare().Tasks(2)
	b := a.Clone().Tasks(3).Env("A", "1").Name("")
	if diff := cmp.Diff(text(t, bare().Tasks(2)), text(t, a)); diff != "" {
		t.Error(diff)
	}
	if n, _ := b.TaskCount(); n != 3 || b.Validate() == nil {
		t.Errorf("the clone has %d tasks and error %v", n, b.Validate())
	}
}

// TestReaders reads one Spec from several goroutines, for the race detector.
func TestReaders(t *testing.T) {
	env := make([]string, 50)
	for i := range env {
		env[i] = strings.Repeat("X", i+1) + "=1"
	}
	s := bare().Environ(env).UnsetEnv("X").Constraint("a")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := s.Validate(); err != nil {
				t.Error(err)
			}
			if _, err := json.Marshal(s); err != nil {
				t.Error(err)
			}
			s.LookupEnv("XXX")
			s.Counts()
			s.Constraints()
			s.Clone()
		})
	}
	wg.Wait()
}

func TestZeroSpec(t *testing.T) {
	var s jobspec.Spec
	if err := s.Validate(); err == nil || !strings.Contains(err.Error(), "version is missing") {
		t.Errorf("Validate: %v", err)
	}
	if n, ok := s.TaskCount(); n != 0 || ok || s.Argv() != nil || s.JobName() != "" ||
		s.IsInstance() || s.Version() != 0 {
		t.Error("a zero Spec has something in it")
	}
	if err := s.Clone().Tasks(2).Validate(); err == nil || !strings.Contains(err.Error(),
		"cannot change these resources") {
		t.Errorf("Tasks: %v", err)
	}
	s.Env("A", "b").Queue("q")
	if got := string(s.Attributes()); got != `{"system":{"environment":{"A":"b"},"queue":"q"}}` {
		t.Errorf("%s", got)
	}
}
