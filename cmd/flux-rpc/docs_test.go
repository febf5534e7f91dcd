package main

import (
	"flag"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/fluxtest"
)

var update = flag.Bool("update", false, "write what the examples of docs/cli.md print into it")

const docsFile = "../../docs/cli.md"

// The examples of the documentation print what it says, but for numbers and
// names that differ from run to run.
func TestDocs(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip(err)
	}
	text, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	const fence = "```"
	var out strings.Builder
	var block []string
	inside, tested := false, 0
	for line := range strings.Lines(string(text)) {
		switch {
		case !inside && line == fence+"console\n":
			inside, block = true, nil
			out.WriteString(line)
		case inside && line == fence+"\n":
			inside = false
			tested++
			out.WriteString(runBlock(t, block) + line)
		case inside:
			block = append(block, strings.TrimSuffix(line, "\n"))
		default:
			out.WriteString(line)
		}
	}
	if tested < 10 || inside {
		t.Errorf("found only %d examples", tested)
	}
	switch {
	case *update:
		if err := os.WriteFile(docsFile, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	case alike(out.String()) != alike(string(text)):
		got, want := strings.Split(alike(out.String()), "\n"), strings.Split(alike(string(text)), "\n")
		for i := range min(len(got), len(want)) {
			if got[i] != want[i] {
				t.Fatalf("the examples print\n\t%s\nwhere %s says\n\t%s\n"+
					"Run go test -run Docs -update and look at the difference.", got[i], docsFile, want[i])
			}
		}
		t.Fatalf("the examples print more or less than %s says", docsFile)
	}
}

// runBlock runs the commands of an example in one shell, with a broker of its
// own, and returns them with what they print. A command in the background has a
// moment to begin; what it prints comes at the end.
func runBlock(t *testing.T, block []string) string {
	t.Helper()
	b, err := fluxtest.Start(fluxtest.Size(4))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var script strings.Builder
	background := false
	for _, line := range block {
		command, ok := strings.CutPrefix(line, "$ ")
		if !ok {
			continue
		}
		script.WriteString("cat <<'EOF'\n" + line + "\nEOF\n" + command + "\n")
		if strings.HasSuffix(command, "&") {
			background = true
			script.WriteString("sleep 0.4\n")
		}
	}
	if background {
		script.WriteString("sleep 0.4; kill $(jobs -p) 2>/dev/null; wait 2>/dev/null\n")
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script.String())
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "FLUX_URI="+b.URI())
	text, _ := cmd.CombinedOutput() // examples may fail, and show it
	return string(text)
}

var differing = []struct {
	re *regexp.Regexp
	by string
}{
	{regexp.MustCompile(`local://\S+`), "URI"},
	{regexp.MustCompile(`\b[0-9a-f]{8}\b`), "UUID"},
	{regexp.MustCompile(`flux-rpc \S+ \(go.*\)`), "VERSION"},
	{regexp.MustCompile(`[0-9]+(\.[0-9]+)*(us|ms|s)?`), "N"},
	{regexp.MustCompile(`(?m) +$`), ""},
	{regexp.MustCompile(` +`), " "},
	{regexp.MustCompile(`"raw":"[0-9a-fN]*`), "RAW"},
}

// alike hides what differs from run to run.
func alike(s string) string {
	for _, d := range differing {
		s = d.re.ReplaceAllString(s, d.by)
	}
	return s
}
