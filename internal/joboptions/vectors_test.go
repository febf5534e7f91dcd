package joboptions

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/flux-sdk/flux/internal/formattest"
	"github.com/google/go-cmp/cmp"
)

// vectorEnviron is the environment in which the vectors were made, with what the flux command adds.
var vectorEnviron = []string{
	"PATH=/usr/bin:/usr/bin:/bin", "HOME=/home/u", "FOO=foo", "FOO2=two", "BAR=bar", "LANG=C.UTF-8",
	"PYTHONDONTWRITEBYTECODE=1", "LUA_PATH=/usr/share/lua/5.1/?.lua;;;", "FLUX_EXEC_PATH=/usr/libexec/flux/cmd",
	"LUA_CPATH=/usr/lib/lua/5.1/?.so;;;", "FLUX_CONNECTOR_PATH=/usr/lib/flux/connectors", "MANPATH=/usr/share/man:",
	"FLUX_MODULE_PATH=/usr/lib/flux/modules",
}

// vectorLimits are the limits of the machine on which the vectors were made.
var vectorLimits = []Limit{
	{"cpu", -1}, {"fsize", -1}, {"data", -1}, {"stack", 8388608}, {"core", 0}, {"nofile", 20000}, {"ofile", 20000},
	{"as", -1}, {"rss", -1}, {"nproc", 96364}, {"memlock", 65536}, {"msgqueue", 819200}, {"nice", 0}, {"rtprio", 0},
	{"rttime", -1}, {"sigpending", 96364},
}

// vectorFiles are the files in the directory of the vectors.
var vectorFiles = map[string]string{
	"f.txt": "hello\n", "bin.dat": "\x00\xff\xfebin", "attr.json": `{"a":[1,2]}`,
	"env.txt":         "A=1\nB=2 # c\n# comment\nFOO*\n-BAR\nC=\"q s\"\nD=$A-x\n",
	"c.toml":          "[resource]\nnoverify=true\n",
	"batch.sh":        batchScript,
	"batch-orphan.sh": batchScript + "#flux: -N4\n",
	"batch-mixed.sh":  "#!/bin/bash\n#flux: -N2\n# flux: -t1\n",
	"plain.sh":        "#!/bin/sh\nflux run hostname\n",
	"badopt.sh":       "#!/bin/sh\n#FLUX: --bogus\n",
}

const batchScript = "#!/bin/bash\n#flux: -N2\n#flux: --queue=debug\n#flux: -t 30m\n#flux: --output=out.txt\n" +
	"#flux: --job-name=\"my batch\" \n\nflux run hostname\n"

// vectorHost enters a directory with the files of the vectors.
func vectorHost(t testing.TB) Host {
	dir := t.TempDir()
	for name, text := range vectorFiles {
		mode := os.FileMode(0o644)
		if name == "bin.dat" {
			mode = 0o755
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	return Host{
		Environ: vectorEnviron, Dir: "/home/u/work", Limits: vectorLimits, Stdin: strings.NewReader(""),
		Now:        func() time.Time { return time.Unix(1795883302, 0) },
		DecodeTOML: decodeVectorTOML,
	}
}

// decodeVectorTOML reads the one TOML file of the vectors. The module that brings a TOML library tests others.
func decodeVectorTOML(text []byte) (map[string]any, error) {
	if string(text) != vectorFiles["c.toml"] {
		return nil, errors.New("not the file c.toml")
	}
	return map[string]any{"resource": map[string]any{"noverify": true}}, nil
}

// differs has the vectors whose outcome differs on purpose, by their arguments.
var differs = map[string]string{
	"submit --dry-run --env=-* --rlimit=-* --flags=foo true": "--flags: Unknown flag foo",
}

// dropsRlimit has the vectors in which the command loses its --rlimit options, because --cc makes it forget the
// options in which no field can be: --rlimit and --add-file. They are kept here, so that the limits are as the
// options say.
var dropsRlimit = map[string]bool{"submit --dry-run --env=-* --rlimit=-* --cc=1-3 true": true}

// words has the vectors that are refused with other words, because the words of the commands do not say as much or are
// those of another file.
var words = map[string]string{
	"batch --dry-run --env=-* --rlimit=-* -N1 batch-mixed.sh": "sentinel changed from '#flux:' to '# flux:'",
}

func TestVectors(t *testing.T) {
	host := vectorHost(t)
	type vector struct {
		In    []string
		Out   json.RawMessage
		Error *struct {
			Exit int
			Text string
		}
		Stderr string
	}
	count, jobs, refused, different := 0, 0, 0, 0
	for v := range formattest.Vectors[vector](t, filepath.Join(testdata, "jobspec.jsonl")) {
		count++
		name := strings.Join(v.In, " ")
		text, err := vectorOutput(v.In, host, v.Stderr)
		switch {
		case differs[name] != "":
			different++
			if err == nil || err.Error() != differs[name] {
				t.Errorf("%s: error %v, want %s", name, err, differs[name])
			}
		case v.Error != nil:
			refused++
			if err == nil {
				t.Errorf("%s: %s, want error %s", name, text, v.Error.Text)
				continue
			}
			want := v.Error.Text
			if other, ok := words[name]; ok {
				want = other
			} else if _, after, ok := strings.Cut(want, "ERROR: "); ok {
				want = after
			} else if _, after, ok := strings.Cut(want, "error: "); ok {
				want = after
			}
			var usage *UsageError
			if !strings.Contains(err.Error(), want) || errors.As(err, &usage) != (v.Error.Exit == 2) {
				t.Errorf("%s: error %v, want %s (exit %d)", name, err, want, v.Error.Exit)
			}
		case err != nil:
			t.Errorf("%s: %v", name, err)
		default:
			want := decode(t, string(v.Out))
			if dropsRlimit[name] {
				different++
				delete(want.(map[string]any)["attributes"].(map[string]any)["system"].(map[string]any), "shell")
			} else {
				jobs++
			}
			if diff := cmp.Diff(want, decode(t, text)); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", name, diff)
			}
		}
	}
	if count != 210 {
		t.Errorf("%d vectors, want 210", count)
	}
	t.Logf("jobspec.jsonl: %d vectors: %d the same, %d refused alike, %d different on purpose", count, jobs, refused, different)
}

// vectorOutput returns what the command prints on standard output, and checks what it prints on standard error.
func vectorOutput(argv []string, host Host, warnings string) (string, error) {
	s, err := Parse(argv, host)
	if err != nil {
		return "", err
	}
	if got := strings.Join(s.Warnings, "\n"); warnings != "" && got != strings.TrimSpace(warnings) {
		return "", fmt.Errorf("warnings %q, want %q", got, warnings)
	}
	if argv[0] == "bulksubmit" {
		var out strings.Builder
		for job, err := range s.Jobs() {
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&out, "bulksubmit: submit %s\n", job.Line)
		}
		text, err := json.Marshal(out.String())
		return string(text), err
	}
	for job, err := range s.Jobs() {
		// With --dry-run a command prints the first job only.
		if err != nil {
			return "", err
		}
		if err := job.Spec.Validate(); err != nil {
			return "", fmt.Errorf("not valid: %w", err)
		}
		text, err := json.Marshal(job.Spec)
		return string(text), err
	}
	return "", errors.New("no job")
}

// testdata is the absolute path of the vectors, for tests that change directory.
var testdata = func() string {
	dir, err := filepath.Abs("testdata")
	if err != nil {
		panic(err)
	}
	return dir
}()

// decode returns JSON with numbers in one form, integers apart from reals.
func decode(t testing.TB, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return plain(v)
}

func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			v[name] = plain(value)
		}
	case []any:
		return slices.Collect(func(yield func(any) bool) {
			for _, e := range v {
				if !yield(plain(e)) {
					return
				}
			}
		})
	case json.Number:
		if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
			return n
		}
		if f, err := v.Float64(); err == nil && !math.IsInf(f, 0) {
			return f
		}
	}
	return v
}
