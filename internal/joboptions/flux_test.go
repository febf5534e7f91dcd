package joboptions

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flux-sdk/flux/internal/fluxpython"
	"github.com/flux-sdk/flux/internal/formattest"
	"github.com/flux-sdk/flux/jobspec"
	"github.com/google/go-cmp/cmp"
)

// oracle is a process that has Flux's own classes.
type oracle struct {
	python  *fluxpython.Process
	host    Host
	environ []string // in which flux was started
}

func startOracle(t *testing.T) *oracle {
	script, err := os.ReadFile(filepath.Join(testdata, "oracle.py"))
	if err != nil {
		t.Fatal(err)
	}
	environ := []string{"PATH=/usr/bin:/bin", "HOME=" + t.TempDir(), "FOO=foo", "FOO2=two", "BAR=bar", "LANG=C.UTF-8"}
	host := vectorHost(t)
	o := &oracle{environ: environ}
	o.python = fluxpython.StartEnv(t, string(script), "that command lines give the jobspecs of Flux's commands", environ)
	var self struct {
		Environ []string
		Dir     string
		Limits  [][2]any
	}
	o.python.MustCall(map[string]bool{"self": true}, &self)
	o.host = Host{
		Environ: self.Environ, Dir: self.Dir, Stdin: host.Stdin, Now: time.Now, DecodeTOML: decodeVectorTOML,
	}
	for _, l := range self.Limits {
		o.host.Limits = append(o.host.Limits, Limit{l[0].(string), int64(l[1].(float64))})
	}
	return o
}

type verdict struct {
	Out   json.RawMessage
	Error *string
	Exit  int
}

func (o *oracle) ask(t *testing.T, request any) verdict {
	t.Helper()
	var v verdict
	o.python.MustCall(request, &v)
	return v
}

// choices are values of options, good and bad.
var choices = map[string][]string{
	"-n": {"1", "2", "3", "5", "8", "0", "-1", "x", " 4 ", "1_0", "2.0"}, "-N": {"1", "2", "3", "4", "0", "-2", "y"},
	"-c": {"1", "2", "4", "0", "-3"}, "-g": {"0", "1", "2", "-1"}, "-t": {"5", "30s", "1.5h", "2d", "500ms", "0", "0.5",
		"inf", "-1", "1:30", "1e2", "nan", "5m", "-5m", "s", "m", "1.5", "1e400"},
	"-q": {"debug", "batch"}, "-B": {"phys"}, "--job-name": {"my job", "x"}, "--cwd": {"/var", "rel"},
	"--cores": {"2", "4", "5", "8", "0"}, "--tasks-per-node": {"1", "3", "0"}, "--tasks-per-core": {"1", "2", "0"},
	"--gpus-per-node": {"1", "2", "0"}, "--taskmap": {"block", "cyclic", "cyclic:2", "manual:[[0,1,2,1]]", "A:b"},
	"-o": {"verbose", "a.b=1", "a.c=x", "z=true", "j={\"k\":[1,2.5,null]}", "s=\"q\"", "e=1e3", "n=", "x=a=b",
		"é=ü", "big=9007199254740993"},
	"-S": {"foo=bar", "system.x=1", "user.y=[1]", ".system.z=2", "attributes.system.w=3", "duration=7",
		"^d=attr.json", "deep.er=1"},
	"--dependency": {"afterok:123", "afterany:f123?a=b&c=1", "singleton", "foo:bar?l=1&l=2&x=1.5&y=abc", "Foo:Bar", ":x",
		"string:a?b=", "a+b:c"},
	"--requires": {"a", "a|b", "host:n1", "rank:0-3", "-x y", "not (a b)", "x(", "properties:q,r", "hosts:n[1-2] or z"},
	"--env": {"-*", "-FOO*", "FOO*", "X=1", "X=$FOO-${BAR}", "Y=$$", "Y=$NOPE", "^env.txt", "Z={{id}}", "-/F.*/",
		"/B/", "Q="},
	"--rlimit": {"-*", "nofile=1024", "core=unlimited", "-n*", "foo", "core", "nofile=x", "-*,core=0", "Stack=1"},
	"--signal": {"SIGTERM", "@5m", "10@1m", "KILL@", "15", "USR2@30s", "FOO", "0", "-1", "TERM@x", "INT@90"},
	"--output": {"out.txt", "none", "kvs", "o-{{id}}"}, "--error": {"err.txt", "none"}, "--input": {"in.txt"},
	"--add-file": {"f.txt", "n.txt=f.txt", "bin.dat", "inline=a\\nb", "i:0755=x\\ny", "missing.txt"},
	"--cc":       {"1-3", "7"}, "--bcc": {"2"}, "--conf": {"a.b=1", "resource.noverify=true", "c.toml", "attr.json",
		"x=y", "{\"q\":1}\n", "nope"},
	"--broker-opts": {"-Sx=1", "-Sx=1,-Sy=2"}, "--dump": {"d.tgz"}, "-u": {""}, "-l": {""}, "-x": {""}, "-v": {""},
	"--urgency": {"16", "hold"}, "--flags": {"debug", "waitable,debug"}, "--wrap": {""}, "--bg": {""}, "--bogus": {"1"},
}

// optionNames has the options that a command is tried with.
var optionNames = func() map[string][]string {
	all := strings.Fields("-t -q -B --job-name --cwd -o -S --dependency --requires --env --rlimit --signal --output " +
		"--error --add-file -u -l --urgency --flags -N -n -c -g -x --env --env -o")
	task := strings.Fields("--cores --tasks-per-node --tasks-per-core --gpus-per-node --taskmap --input -v --bogus")
	instance := strings.Fields("--conf --broker-opts --dump --conf")
	return map[string][]string{
		"submit": append(append([]string{"--cc", "--bcc"}, all...), task...),
		"run":    append(append([]string{}, all...), task...),
		"batch":  append(append([]string{"--wrap"}, all...), instance...),
		"alloc":  append(append([]string{"--bg", "-v"}, all...), instance...),
	}
}()

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// randomLine returns a command line.
func randomLine(r *rand.Rand) []string {
	command := pick(r, []string{"submit", "submit", "run", "batch", "alloc"})
	argv := []string{command}
	for range r.IntN(6) {
		name := pick(r, optionNames[command])
		value := pick(r, choices[name])
		switch long := strings.HasPrefix(name, "--"); {
		case value == "":
			argv = append(argv, name)
		case long && r.IntN(3) > 0:
			argv = append(argv, name+"="+value)
		case !long && r.IntN(2) > 0:
			argv = append(argv, name+value)
		default:
			argv = append(argv, name, value)
		}
	}
	if command == "alloc" || command == "batch" && r.IntN(2) > 0 {
		argv = append(argv, fmt.Sprintf("-N%d", 1+r.IntN(3)))
	}
	switch command {
	case "batch":
		argv = append(argv, pick(r, []string{"batch.sh", "plain.sh", "plain.sh", "f.txt", "missing.sh", "batch-orphan.sh"}))
	case "alloc":
		if r.IntN(2) > 0 {
			return argv
		}
	}
	return append(argv, pick(r, [][]string{{"true"}, {"sleep", "1"}, {"a b", "-x"}, {"--", "x"}, {"echo",
		"{{tmpdir}}"}})...)
}

// forgotten tells whether Flux loses options of a command line: --cc makes it forget those that can have no field.
func forgotten(argv []string) bool {
	line := strings.Join(argv, " ")
	return strings.Contains(line, "cc") && (strings.Contains(line, "--rlimit") || strings.Contains(line, "--add-file"))
}

// TestFluxOptions compares jobspecs of random command lines with those of Flux.
func TestFluxOptions(t *testing.T) {
	o, r := startOracle(t), formattest.Random(t)
	n := 4500
	if testing.Short() {
		n = 300
	}
	same, refused := 0, 0
	excused := map[string]int{}
	for range n {
		argv := randomLine(r)
		want := o.ask(t, map[string]any{"argv": argv})
		text, err := vectorOutput(argv, o.host, "")
		if forgotten(argv) {
			excused["--cc keeps --rlimit and --add-file"]++
			continue
		}
		switch {
		case want.Error == nil && err != nil:
			t.Errorf("%q: error %v, Flux has %s", argv, err, want.Out)
		case want.Error != nil && err == nil:
			t.Errorf("%q: %s, Flux says %s", argv, text, *want.Error)
		case err != nil:
			refused++
			var usage *UsageError
			switch sameWords := strings.HasSuffix(*want.Error, err.Error()); {
			case !sameWords:
				// Of several errors the first to be found may be another one.
				excused["other words: "+*want.Error+" | "+err.Error()]++
			case errors.As(err, &usage) != (want.Exit == 2):
				t.Errorf("%q: error %#v, Flux exits with %d", argv, err, want.Exit)
			}
		default:
			same++
			if diff := cmp.Diff(decode(t, string(want.Out)), decode(t, text)); diff != "" {
				t.Errorf("%q: (-Flux +here)\n%s", argv, diff)
			}
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d command lines: %d jobspecs are the same, %d are refused by both", n, same, refused)
	for why, count := range excused {
		t.Logf("%6d %s", count, why)
	}
}

// randomExpr writes an expression that is well formed.
func randomExpr(r *rand.Rand, b *strings.Builder, depth int) {
	term := func() {
		b.WriteString(pick(r, []string{"a", "b", "gpu", "host:n1", "rank:0-3", "x:y", "c,d", "'q r'", "properties:e",
			"not-f"}))
	}
	if depth == 0 {
		term()
		return
	}
	switch r.IntN(7) {
	case 0:
		b.WriteByte('-')
		term()
	case 1:
		b.WriteString("not ")
		randomExpr(r, b, depth-1)
	case 2:
		b.WriteByte('(')
		randomExpr(r, b, depth-1)
		b.WriteByte(')')
	case 3, 4, 5:
		randomExpr(r, b, depth-1)
		b.WriteString(pick(r, []string{" ", "  ", " and ", " or ", "|", "&", "&&", "||"}))
		randomExpr(r, b, depth-1)
	default:
		term()
	}
}

// TestFluxConstraints compares random constraint expressions.
func TestFluxConstraints(t *testing.T) {
	o, r := startOracle(t), formattest.Random(t)
	n := 4000
	if testing.Short() {
		n = 400
	}
	pieces := []string{
		"a", "b", "gpu", "host:n1", "rank:0-3", "x:y", "op:", "-", "not", "not ", "(", ")", "(", ")", "&", "&&", "|", "||",
		" and ", " or ", " ", " ", " ", "'q r'", `"s t"`, "'", "^c", "a,b", "properties:d,e", "\t", "notx", "and", "op$:x",
	}
	same, refused := 0, 0
	for range n {
		var expr strings.Builder
		if r.IntN(4) > 0 {
			randomExpr(r, &expr, 4)
		} else {
			for range 1 + r.IntN(9) {
				expr.WriteString(pick(r, pieces))
			}
		}
		want := o.ask(t, map[string]any{"expr": expr.String()})
		c, err := jobspec.ParseConstraint(expr.String())
		var syntax *jobspec.ConstraintSyntaxError
		switch {
		case (err != nil) != (want.Error != nil):
			t.Fatalf("%q: %v %v, Flux has %s", expr.String(), c, err, want.Out)
		case errors.As(err, &syntax):
			refused++
			if syntax.Reason != *want.Error && !strings.Contains(*want.Error, "{self.lexer.last_rparens}") {
				t.Fatalf("%q: %s, Flux says %s", expr.String(), syntax.Reason, *want.Error)
			}
		default:
			same++
			if diff := cmp.Diff(decode(t, string(want.Out)), decode(t, c.String())); diff != "" {
				t.Fatalf("%q: (-Flux +here)\n%s", expr.String(), diff)
			}
		}
	}
	t.Logf("%d expressions: %d are the same, %d are refused with the same words", n, same, refused)
}

// TestFluxDryRun compares with the real commands as they are run.
func TestFluxDryRun(t *testing.T) {
	o, r := startOracle(t), formattest.Random(t)
	n := 40
	if testing.Short() {
		n = 4
	}
	// `flux python` adds these, other commands do not.
	host := o.host
	host.Environ = slices.DeleteFunc(slices.Clone(host.Environ), func(kv string) bool {
		return strings.HasPrefix(kv, "PYTHONPATH=") || strings.HasPrefix(kv, "PATH=")
	})
	host.Environ = append(host.Environ, o.environ[0])
	same, refused := 0, 0
	for range n {
		argv := randomLine(r)
		if forgotten(argv) {
			continue
		}
		argv = append([]string{argv[0], "--dry-run"}, argv[1:]...)
		cmd := exec.Command("flux", argv...)
		cmd.Env = o.environ
		cmd.Stdin = strings.NewReader("")
		out, fluxErr := cmd.Output()
		text, err := vectorOutput(argv, host, "")
		switch {
		case (fluxErr != nil) != (err != nil):
			t.Fatalf("%q: error %v, Flux has %v\n%s", argv, err, fluxErr, out)
		case err != nil:
			refused++
		default:
			same++
			if diff := cmp.Diff(decode(t, string(out)), decode(t, text)); diff != "" {
				t.Fatalf("%q: (-Flux +here)\n%s", argv, diff)
			}
		}
	}
	t.Logf("%d commands run: %d jobspecs are the same, %d are refused by both", same+refused, same, refused)
}
