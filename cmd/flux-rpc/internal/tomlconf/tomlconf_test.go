package tomlconf

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/flux-sdk/flux/internal/joboptions"
)

// configuration returns the configuration that `flux alloc --conf=FILE` puts into a jobspec.
func configuration(t *testing.T, text string) (json.RawMessage, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "c.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	host := joboptions.Host{Dir: "/", Stdin: strings.NewReader(""), Now: time.Now, DecodeTOML: Decode}
	s, err := joboptions.Parse([]string{"alloc", "-N1", "--conf=" + file}, host)
	if err != nil {
		return nil, err
	}
	for job, err := range s.Jobs() {
		if err != nil {
			return nil, err
		}
		data, ok := job.Spec.Get("files")
		if !ok {
			t.Fatal("the jobspec has no files")
		}
		var files map[string]struct{ Data json.RawMessage }
		if err := json.Unmarshal(data, &files); err != nil {
			t.Fatal(err)
		}
		return files["conf.json"].Data, nil
	}
	t.Fatal("no job")
	return nil, nil
}

var documents = map[string]string{
	"a = 1 # one\n\n# more\nb='x'":                `{"a":1,"b":"x"}`,
	"[resource]\nnoverify=true\n":                 `{"resource":{"noverify":true}}`,
	"a.b.c = 1\na.b.d = 2\n[x.y]\nz = []":         `{"a":{"b":{"c":1,"d":2}},"x":{"y":{"z":[]}}}`,
	"[[q]]\nn=1\n[[q]]\nn=2\n[q.sub]\nm=3":        `{"q":[{"n":1},{"n":2,"sub":{"m":3}}]}`,
	`a = "é\u00e9\t\"\\"`:                         `{"a":"éé\t\"\\"}`,
	"a=1_000\nb=0xff\nc=0o17\nd=0b11\ne=-7\nf=+0": `{"a":1000,"b":255,"c":15,"d":3,"e":-7,"f":0}`,
	"a=1.5\nb=1e3\nc=-0.25\nd=6.0":                `{"a":1.5,"b":1000.0,"c":-0.25,"d":6.0}`,
	"big=9007199254740993":                        `{"big":9007199254740993}`,
}

var broken = []string{
	"a", "a=", "[a", "[a]\n[a]", "a=1\na=2", "a={b=1}\n[a.c]", "[[a]]\n[a]", "a.b=1\n[a]", "a=01", "a=\"x", "a=True",
	"a=\xff", "a=9223372036854775808", "a=1979-05-27", "a=[07:32:00]", "a=inf", "a=nan",
	"a = " + strings.Repeat("[", 1000),
}

func TestDecode(t *testing.T) {
	for text, want := range documents {
		got, err := configuration(t, text)
		if err != nil || string(got) != want {
			t.Errorf("%q: %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range broken {
		if got, err := configuration(t, text); err == nil {
			t.Errorf("%q: %s; want an error", text, got)
		}
	}
}

// TestDecodeIsFlux compares with the parser that the Flux commands use.
func TestDecodeIsFlux(t *testing.T) {
	flux, err := exec.LookPath("flux")
	if err != nil {
		t.Skip("flux is not installed: TOML was not compared with the parser of its commands")
	}
	const program = `
import json, sys
try:
    import tomllib
except ImportError:
    from flux.utils import tomli as tomllib
for line in sys.stdin:
    try:
        print(json.dumps(tomllib.loads(json.loads(line)), allow_nan=False))
    except Exception:
        print("error")
`
	var texts []string
	for text := range documents {
		texts = append(texts, text)
	}
	for _, text := range broken {
		if strings.Contains(text, "9223372036854775808") || strings.Contains(text, "\xff") {
			continue // Python's integers have any size, and JSON cannot carry the other to it
		}
		texts = append(texts, text)
	}
	var in strings.Builder
	for _, text := range texts {
		line, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&in, "%s\n", line)
	}
	cmd := exec.CommandContext(t.Context(), flux, "python", "-c", program)
	cmd.Stdin = strings.NewReader(in.String())
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != len(texts) {
		t.Fatalf("%d answers, want %d", len(lines), len(texts))
	}
	for i, text := range texts {
		got, err := configuration(t, text)
		if err != nil {
			got = []byte("error")
		}
		if (lines[i] == "error") != (err != nil) || err == nil && !sameJSON(t, got, []byte(lines[i])) {
			t.Errorf("%q: %s, Flux has %s", text, got, lines[i])
		}
	}
	t.Logf("%d documents compared", len(texts))
}

func sameJSON(t *testing.T, a, b []byte) bool {
	var x, y any
	for data, v := range map[*any][]byte{&x: a, &y: b} {
		if err := json.Unmarshal(v, data); err != nil {
			t.Fatal(err)
		}
	}
	return reflect.DeepEqual(x, y)
}
