package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const manFile = "flux-rpc.1"

// The manual page that is checked in is the one that the commands make.
func TestManPage(t *testing.T) {
	page := manPage(newApp(os.Stdout, io.Discard).rootCommand())
	if *update {
		if err := os.WriteFile(manFile, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(manFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != page {
		t.Errorf("%s is not what the commands make: run go test -run ManPage -update", manFile)
	}
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "'") || strings.HasSuffix(line, " \n") {
			t.Errorf("line %q: a request, or a space at its end", line)
		}
	}
}

// Every command and flag is in the page, as a reader sees it.
func TestManPageReads(t *testing.T) {
	if _, err := exec.LookPath("man"); err != nil {
		t.Skip("the manual page was not formatted: ", err)
	}
	cmd := exec.CommandContext(t.Context(), "man", "-E", "UTF-8", "-l", manFile)
	cmd.Env = append(os.Environ(), "MANWIDTH=200", "MANROFFSEQ=", "GROFF_NO_SGR=1", "MANPAGER=cat", "PAGER=cat")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text := plain(string(out))
	root := newApp(os.Stdout, io.Discard).rootCommand()
	for _, cmd := range manCommands(root) {
		for want := range strings.SplitSeq(cmd.Example, "\n") {
			if !strings.Contains(text, strings.TrimSpace(want)) {
				t.Errorf("no %q in the page", want)
			}
		}
		if !strings.Contains(text, "flux-rpc "+cmd.Use) {
			t.Errorf("no %q in the page", cmd.Use)
		}
	}
	for _, want := range []string{
		"EXIT STATUS", "--timeout DURATION", "--rank RANK", "130  ended by Ctrl-C", "FLUX_EXEC_PATH",
		"-o, --output FILE",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in the page", want)
		}
	}
}

// plain removes what makes letters bold on a printer: a letter, a backspace and the letter again.
func plain(s string) string {
	var b []rune
	for _, r := range s {
		if r == '\b' && len(b) > 0 {
			b = b[:len(b)-1]
			continue
		}
		b = append(b, r)
	}
	return string(b)
}

// "flux help rpc" finds the page where man finds it.
func TestRealHelp(t *testing.T) {
	for _, program := range []string{"flux", "man"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("flux help rpc was not tested: ", err)
		}
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "man1"), 0o755); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(manFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "man1", manFile), page, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "flux", "help", "rpc")
	// A flux that was built without its own manual refuses otherwise.
	cmd.Env = append(os.Environ(), "MANPATH="+dir+":", "FLUX_IGNORE_NO_DOCS=1", "MANPAGER=cat", "PAGER=cat")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(plain(string(out)), "flux-rpc - talk to a Flux broker") {
		t.Errorf("flux help rpc: %v\n%s", err, out)
	}
}
