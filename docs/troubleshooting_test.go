package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/flux-sdk/flux"
)

// What differs between runs and machines.
var (
	traceTime    = regexp.MustCompile(`(?m)^([>e<c]) \d+\.\d{5}$`)
	startedWhere = regexp.MustCompile(`started by \S+:\d+`)
)

// TestTroubleshootingOutput runs the page's program with the two variables and
// compares what it prints with what the page shows.
func TestTroubleshootingOutput(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	d, err := readDocument(filepath.Join(root, "docs", "troubleshooting.md"))
	if err != nil {
		t.Fatal(err)
	}
	shown := make(map[string]string)
	for _, b := range d.blocks {
		shown[b.file] = b.text
	}
	m := newModule(t)
	m.write("lost/main.go", shown["lost/main.go"])
	program := filepath.Join(m.dir, "lost.exe")
	m.run("build", "-o", program, "./lost")
	for name, variable := range map[string]string{"trace": "FLUX_HANDLE_TRACE", "matchdebug": "FLUX_HANDLE_MATCHDEBUG"} {
		cmd := exec.CommandContext(t.Context(), program)
		cmd.Env = append(os.Environ(), variable+"=1")
		var stdout, stderr strings.Builder
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil {
			t.Fatal(err, stderr.String())
		}
		if got, want := normal(stderr.String()), normal(shown[name]); got != want {
			t.Errorf("with %s it prints\n%s\nwant\n%s", variable, got, want)
		}
		if want := "flux: call slow.method: context deadline exceeded"; !strings.Contains(stdout.String(), want) {
			t.Errorf("it prints %q, want %q", stdout.String(), want)
		}
	}
}

func normal(text string) string {
	return startedWhere.ReplaceAllString(traceTime.ReplaceAllString(text, "$1 TIME"), "started by WHERE")
}

var numbered = regexp.MustCompile(`\b(E[A-Z0-9]+) (\d+)`)

// TestErrnoTable wants the numbers of the page to be those of the names.
func TestErrnoTable(t *testing.T) {
	d, err := readDocument(filepath.Join(root, "docs", "troubleshooting.md"))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, l := range d.lines {
		row := cells(l.text)
		if row == nil {
			continue
		}
		for _, m := range numbered.FindAllStringSubmatch(row[0], -1) {
			seen++
			n, err := strconv.Atoi(m[2])
			if err != nil || flux.Errno(n).Name() != m[1] {
				t.Errorf("%s:%d: %s is %s", d.path, l.n, m[0], flux.Errno(n).Name())
			}
		}
	}
	if seen < 15 {
		t.Errorf("only %d numbers found", seen)
	}
}
