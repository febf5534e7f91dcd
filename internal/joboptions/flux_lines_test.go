package joboptions

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/internal/formattest"
	"github.com/flux-sdk/flux/jobspec"
	"github.com/google/go-cmp/cmp"
)

// TestFluxDirectives compares the directives of random scripts.
func TestFluxDirectives(t *testing.T) {
	o, r := startOracle(t), formattest.Random(t)
	n := 5000
	if testing.Short() {
		n = 400
	}
	parts := []string{
		"-N2", "--x=y", "-a", " ", " ", "'", `"`, `\`, "#", "a b", `"c d"`, "'e f'", `"""`, "'''", "$x", ";", "|", "é",
		"\t", "--q=\"\"\"r\"\"\"",
		`\"`, "x", "=",
	}
	same, refused, open := 0, 0, 0
	for range n {
		var script strings.Builder
		script.WriteString("#!/bin/sh\n")
		for range r.IntN(5) {
			switch r.IntN(12) {
			case 0:
				script.WriteString(pick(r, []string{"\n", "# comment\n", "run\n", "#\n", "  \n"}))
				continue
			case 1:
				script.WriteString("# flux:")
			default:
				script.WriteString("#flux:")
			}
			if r.IntN(3) > 0 {
				script.WriteString(pick(r, []string{" -N2", " --a=", "-b ", " "}))
			}
			for range r.IntN(4) {
				script.WriteString(pick(r, parts))
			}
			script.WriteByte('\n')
		}
		want := o.ask(t, map[string]any{"script": script.String()})
		got, err := jobspec.Directives(script.String())
		switch {
		case want.Error == nil && err != nil && strings.Contains(err.Error(), "unterminated multi-line quote"):
			// Flux drops the directive.
			open++
		case (err != nil) != (want.Error != nil):
			t.Fatalf("%q: %v, error %v, Flux has %s", script.String(), got, err, want.Out)
		case err != nil:
			refused++
		default:
			same++
			lines := [][2]any{}
			for _, d := range got {
				lines = append(lines, [2]any{d.Line, d.Args})
			}
			text, err := json.Marshal(lines)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(decode(t, string(want.Out)), decode(t, string(text))); diff != "" {
				t.Fatalf("%q: (-Flux +here)\n%s", script.String(), diff)
			}
		}
	}
	t.Logf("%d scripts: %d are the same, %d are refused by both, %d have an open quote at the end", n, same, refused,
		open)
}

// TestFluxBulk compares the lines that random uses of bulksubmit submit.
func TestFluxBulk(t *testing.T) {
	o, r := startOracle(t), formattest.Random(t)
	n := 2500
	if testing.Short() {
		n = 250
	}
	words := []string{
		"{}", "{0}", "{1}", "{0.%}", "{./}", "{0.//}", "{/%}", "{0./%}", "a", "{seq}", "{seq1:03d}", "{cc}", "{{id}}",
		"x{}y{}", "{2}", "{foo}",
		"-n4", "{", "}", "{0.bad}",
	}
	inputs := []string{"a", "b.txt", "/x/y.tar.gz", "c d", ".hidden", "dir/", "..", "1"}
	same, refused := 0, 0
	for range n {
		argv := []string{"bulksubmit"}
		for range r.IntN(3) {
			argv = append(argv, pick(r, []string{"-n{}", "--job-name={0}", "--cc=1-{}", "--env=A={}", "--output={./%}.out",
				"-t5", "-o", "--queue={}"}))
			if argv[len(argv)-1] == "-o" {
				argv = append(argv, "v={}")
			}
		}
		argv = append(argv, "echo")
		for range r.IntN(3) {
			argv = append(argv, pick(r, words))
		}
		for i := range 1 + r.IntN(3) {
			mark := ":::"
			if i > 0 && r.IntN(3) == 0 {
				mark = ":::+"
			}
			argv = append(argv, mark)
			for range 1 + r.IntN(3) {
				argv = append(argv, pick(r, inputs))
			}
		}
		want := o.ask(t, map[string]any{"argv": argv})
		s, err := Parse(argv, o.host)
		if (err != nil) != (want.Error != nil) {
			t.Fatalf("%q: error %v, Flux has %s", argv, err, want.Out)
		}
		if err != nil {
			refused++
			continue
		}
		same++
		var lines []string
		for _, l := range s.lines {
			lines = append(lines, l.text["line"])
		}
		var wantLines []string
		if err := json.Unmarshal(want.Out, &wantLines); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wantLines, lines); diff != "" {
			t.Fatalf("%q: (-Flux +here)\n%s", argv, diff)
		}
	}
	t.Logf("%d uses: %d are the same, %d are refused by both", n, same, refused)
}
