package toml

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/internal/jsontree"
)

var documents = map[string]string{
	"":                                            `{}`,
	"a = 1 # one\n\n# more\nb='x'":                `{"a":1,"b":"x"}`,
	"[resource]\nnoverify=true\n":                 `{"resource":{"noverify":true}}`,
	"a.b.c = 1\na.b.d = 2\n[x.y]\nz = []":         `{"a":{"b":{"c":1,"d":2}},"x":{"y":{"z":[]}}}`,
	"[x.y]\na=1\n[x]\nb=2":                        `{"x":{"y":{"a":1},"b":2}}`,
	"[[q]]\nn=1\n[[q]]\nn=2\n[q.sub]\nm=3":        `{"q":[{"n":1},{"n":2,"sub":{"m":3}}]}`,
	`a = "é\u00e9\t\"\\"`:                         `{"a":"éé\t\"\\"}`,
	"a = '''\nx\n'y'''''":                         `{"a":"x\n'y''"}`,
	"a = \"\"\"\nx \\\n   y\"\"\"":                `{"a":"x y"}`,
	"a = [1, 2,\n # c\n 3,\n]":                    `{"a":[1,2,3]}`,
	"a = {b=1, c.d=2}":                            `{"a":{"b":1,"c":{"d":2}}}`,
	"a=1_000\nb=0xff\nc=0o17\nd=0b11\ne=-7\nf=+0": `{"a":1000,"b":255,"c":15,"d":3,"e":-7,"f":0}`,
	"a=1.5\nb=1e3\nc=-0.25\nd=6.0":                `{"a":1.5,"b":1000.0,"c":-0.25,"d":6.0}`,
	"\"a b\" = 1\n'c.d'.e = 2\r\n1 = 3":           `{"a b":1,"c.d":{"e":2},"1":3}`,
	"a = [[1],[{b=2}]]":                           `{"a":[[1],[{"b":2}]]}`,
}

var broken = []string{
	"a", "a=", "a=1 b=2", "=1", "[a", "[a]]", "[a]\n[a]", "a=1\na=2", "a=1\n[a]", "a={b=1}\n[a.c]", "a={b=1}\na.c=2",
	"[[a]]\n[a]", "a=[1]\n[[a]]", "a.b=1\n[a]", "[a.b]\n[a]\nb.c=1", "a=01", "a=1__0", "a=_1", "a=.5", "a=5.",
	"a=1979-05-27",
	"a=inf", "a=nan", "a=\"x", "a=\"\n\"", "a='x", "a=\"\\q\"", "a=\"\\ud800\"", "a=[1", "a=[1 2]", "a={b=1", "a={b=1,}",
	"a=\"\"\"x",
	"a=True", "a=\"\x01\"", "a=\xff", "a=9223372036854775808", "a = [" + strings.Repeat("[", 1000), "a={b.c=1,b={}}",
}

func TestParse(t *testing.T) {
	for text, want := range documents {
		o, err := Parse([]byte(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := jsontree.Text(o); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	for _, text := range broken {
		if o, err := Parse([]byte(text)); err == nil {
			t.Errorf("%q: %s, want an error", text, jsontree.Text(o))
		}
	}
}

// TestPython compares with the parser of Python, which Flux uses.
func TestPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed: the comparison of TOML with Python's parser did not run")
	}
	const program = `
import json, sys
try:
    import tomllib
except ImportError:
    sys.exit(3)
for line in sys.stdin:
    try:
        print(json.dumps(tomllib.loads(json.loads(line)), separators=(",", ":"), ensure_ascii=False, allow_nan=False))
    except Exception:
        print("error")
`
	var texts []string
	for text := range documents {
		texts = append(texts, text)
	}
	for _, text := range broken {
		// Numbers of any size and deep nesting are limits of this package.
		if !strings.Contains(text, "\xff") && !strings.Contains(text, "9223372036854775808") && len(text) < 500 {
			texts = append(texts, text)
		}
	}
	var in strings.Builder
	for _, text := range texts {
		line, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&in, "%s\n", line)
	}
	cmd := exec.CommandContext(t.Context(), python, "-c", program)
	cmd.Stdin = strings.NewReader(in.String())
	out, err := cmd.Output()
	if cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == 3 {
		t.Skip("this python3 has no tomllib: the comparison of TOML with Python's parser did not run")
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != len(texts) {
		t.Fatalf("%d answers, want %d", len(lines), len(texts))
	}
	for i, text := range texts {
		got := "error"
		if o, err := Parse([]byte(text)); err == nil {
			got = jsontree.Text(o)
		}
		if got != lines[i] {
			t.Errorf("%q: %s, Python has %s", text, got, lines[i])
		}
	}
	t.Logf("%d documents compared", len(texts))
}

func FuzzParse(f *testing.F) {
	for text := range documents {
		f.Add([]byte(text))
	}
	for _, text := range broken {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := Parse(text)
		if err != nil {
			return
		}
		if _, err := jsontree.ParseObject([]byte(jsontree.Text(o))); err != nil {
			t.Fatalf("%q: %s: %v", text, jsontree.Text(o), err)
		}
	})
}
