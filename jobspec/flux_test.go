package jobspec_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flux-sdk/flux/jobspec"
)

// fate is what became of a jobspec on a real instance.
type fate struct {
	Name    string
	Refused string // the text of the refusal, or ""
	Success bool
	Text    string // why the job failed
}

const queues = `
[queues.debug]
[queues.batch]
[policy.jobspec.defaults.system]
queue = "batch"
`

// submit runs jobspecs on a throw-away instance and returns the fate of each.
func submit(t *testing.T, config string, specs map[string]string) map[string]fate {
	t.Helper()
	flux, err := exec.LookPath("flux")
	if err != nil {
		t.Skip("flux is not installed: no jobspec was submitted to a real instance")
	}
	args := []string{"start", "--test-size=2"}
	start := ""
	if config != "" {
		file := filepath.Join(t.TempDir(), "flux.toml")
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config-path="+file)
		start = "flux queue start --all --quiet && "
	}
	script, err := filepath.Abs("testdata/submit.py")
	if err != nil {
		t.Fatal(err)
	}
	var in strings.Builder
	for name, text := range specs {
		line, err := json.Marshal(map[string]string{"name": name, "jobspec": text})
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(line, '\n'))
	}
	cmd := exec.CommandContext(t.Context(), flux, append(args, "sh", "-c", start+"exec flux python "+script)...)
	cmd.Stdin = strings.NewReader(in.String())
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("flux start: %v\n%s%s", err, out, stderr.String())
	}
	fates := map[string]fate{}
	for line := range strings.Lines(string(out)) {
		var f fate
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		fates[f.Name] = f
	}
	if len(fates) != len(specs) {
		t.Fatalf("%d fates, want %d\n%s", len(fates), len(specs), stderr.String())
	}
	return fates
}

// built are jobspecs of this package that run on an instance of two nodes.
func built(t *testing.T) map[string]*jobspec.Spec {
	dir := t.TempDir()
	script := "#!/bin/sh\ntest \"$1\" = x && flux run -N1 true\n"
	return map[string]*jobspec.Spec{
		"plain":        jobspec.Command("true"),
		"tasks":        jobspec.Command("true").Tasks(2),
		"nodes":        jobspec.Command("true").Nodes(2),
		"spread":       jobspec.Command("true").Nodes(2).Tasks(2),
		"uneven":       jobspec.Command("true").Nodes(2).Tasks(3),
		"exclusive":    jobspec.Command("true").Nodes(1).Tasks(1).Exclusive(),
		"cores":        jobspec.Command("true").Cores(2),
		"coresPerTask": jobspec.Command("true").CoresPerTask(2),
		"perNode":      jobspec.Command("true").Nodes(2).TasksPerNode(3),
		"perCore":      jobspec.Command("true").Cores(2).TasksPerCore(2),
		"duration":     jobspec.Command("true").Duration(90 * time.Second),
		"unlimited":    jobspec.Command("true").NoTimeLimit(),
		"named":        jobspec.Command("true").Name("a job").Dir("/tmp"),
		"env":          jobspec.Command("sh", "-c", `test "$A-$B" = "b c-"`).ClearEnv().Env("A", "b c"),
		"envExpand":    jobspec.Command("sh", "-c", `test "$N" = 2`).EnvExpand("N", "{{size}}").Tasks(2),
		"envRules":     jobspec.Command("sh", "-c", `test "$A" = "x$"`).EnvRules("-*", "A=x$$"),
		"dir":          jobspec.Command("sh", "-c", `test "$PWD" = `+dir).Dir(dir),
		"stdin":        jobspec.Command("sh", "-c", `read l && test "$l" = "#!/bin/sh"`).Stdin(filepath.Join(dir, "in")),
		"stdout": jobspec.Command("echo", "x").Stdout(filepath.Join(dir, "out")).Stderr(filepath.Join(dir,
			"err")).LabelIO(),
		"unbuffered": jobspec.Command("true").Unbuffered(),
		"file":       jobspec.Command("sh", "-c", `test "$(cat {{tmpdir}}/sub)" = text`).File("sub", "text"),
		"binary":     jobspec.Command("sh", "-c", `test $(wc -c < {{tmpdir}}/b) = 4`).File("b", []byte{0, 255, 1, 2}),
		"executable": jobspec.Command("{{tmpdir}}/run").FileMode("run", "#!/bin/sh\nexit 0\n", 0o755),
		"signal":     jobspec.Command("true").Duration(time.Minute).Signal(syscall.SIGTERM, 10*time.Second),
		"rlimit":     jobspec.Command("sh", "-c", `test $(ulimit -Sn) = 77`).RLimit("nofile", 77),
		"taskmap":    jobspec.Command("true").Nodes(2).Tasks(2).Taskmap("cyclic", ""),
		"shell":      jobspec.Command("true").ShellOption("verbose", 1).Set("user.note", map[string]any{"x": 1}),
		"rank":       jobspec.Command("true").Constraint("rank:0-1 -rank:1"),
		"ranks":      jobspec.Command("true").Require(jobspec.Not(jobspec.Ranks("1"))),
		"begin":      jobspec.Command("true").BeginAt(time.Now().Add(100 * time.Millisecond)),
		"batch":      jobspec.Batch(script, "x").Nodes(1).Stdout(filepath.Join(dir, "batch")),
		"nest": jobspec.Nest("flux", "getattr",
			"size").Nodes(2).Conf(map[string]any{"a": 1}).BrokerOptions("-Slog-stderr-level=3"),
	}
}

// TestFluxAccepts submits jobspecs of this package to instances with and without queues.
func TestFluxAccepts(t *testing.T) {
	if testing.Short() {
		t.Skip("starts instances of Flux")
	}
	for name, config := range map[string]string{"plain": "", "queues": queues} {
		t.Run(name, func(t *testing.T) {
			specs := built(t)
			if config != "" {
				specs["queue"] = jobspec.Command("true").Queue("debug")
			}
			texts := map[string]string{}
			for name, s := range specs {
				if err := s.Validate(); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				text, err := json.Marshal(s)
				if err != nil {
					t.Fatal(err)
				}
				texts[name] = string(text)
				if file := s.StdinFile(); file != "" {
					if err := os.WriteFile(file, []byte("#!/bin/sh\n"), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			for name, f := range submit(t, config, texts) {
				if !f.Success {
					t.Errorf("%s: refused %q, failed %q", name, f.Refused, f.Text)
				}
			}
			if out, err := os.ReadFile(specs["stdout"].StdoutFile()); err != nil || string(out) != "0: x\n" {
				t.Errorf("output file: %q, %v", out, err)
			}
			t.Logf("%d jobspecs ran", len(texts))
		})
	}
}

// TestFluxRefuses submits what Validate refuses: a broker refuses it, or the job fails, unless the list says
// otherwise.
func TestFluxRefuses(t *testing.T) {
	if testing.Short() {
		t.Skip("starts an instance of Flux")
	}
	texts := map[string]string{}
	readLines(t, "jobspec_single.jsonl", func(line []byte) {
		name, text := vectorText(t, line)
		spec, err := jobspec.Parse([]byte(text))
		if err == nil {
			err = spec.Validate()
		}
		// The array makes a worker of the broker exit, and the empty constraints can end an instance.
		if err != nil && name != "array" && name != "constraint empty" {
			texts[name] = text
		}
	})
	refused, failed, ran := 0, 0, 0
	for name, f := range submit(t, "", texts) {
		switch {
		case f.Refused != "":
			refused++
		case !f.Success:
			failed++
		default:
			ran++
			if !runs[name] {
				t.Errorf("%s: ran", name)
			}
		}
	}
	t.Logf("of %d jobspecs that Validate refuses, %d were refused, %d failed, %d ran", len(texts), refused, failed, ran)
}

// TestFluxConstraintsHarmless submits constraints that Marshal lets out, the odd ones among them, where queues are
// configured. Each job has some fate, and the instance lives on.
func TestFluxConstraintsHarmless(t *testing.T) {
	if testing.Short() {
		t.Skip("starts an instance of Flux")
	}
	texts := map[string]string{}
	for _, c := range []string{
		`{"and":[]}`, `{"or":[]}`, `{"not":[{"and":[]}]}`, `{"not":[{"or":[]}]}`, `{"properties":[]}`, `{"hostlist":[]}`,
		`{"ranks":[]}`, `{"properties":["^x"]}`, `{"properties":["^"]}`, `{"properties":["a","a"]}`, `{"ranks":["0","1"]}`,
		`{"ranks":["0-1048575"]}`, `{"ranks":["[0]"]}`, `{"or":[{"ranks":["0"]},{"and":[{"or":[]}]}]}`,
		`{"not":[{"not":[{"not":[{"ranks":["1"]}]}]}]}`,
		strings.Repeat(`{"and":[`, 125) + `{"ranks":["0"]}` + strings.Repeat(`]}`, 125),
		strings.Repeat(`{"not":[`, 125) + `{"or":[]}` + strings.Repeat(`]}`, 125), `{"hostlist":["nohost[0-3]"]}`,
	} {
		s := jobspec.Command("true").Set("constraints", json.RawMessage(c))
		text, err := s.MarshalJSON()
		if err != nil || s.Validate() != nil {
			t.Fatalf("%s: %v %v", c, err, s.Validate())
		}
		texts[c] = string(text)
	}
	for name, f := range submit(t, queues, texts) {
		t.Logf("%s: refused %q, success %v %s", name, f.Refused, f.Success, f.Text)
	}
}
