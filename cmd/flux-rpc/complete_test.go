package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/fluxtest"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// completions is what a shell is offered for the last of the words, and whether it may offer files.
func completions(t *testing.T, words ...string) (offered []string, files bool) {
	t.Helper()
	a := newApp(os.Stdout, io.Discard)
	a.words = words
	root := a.rootCommand()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(io.Discard)
	root.SetArgs(append([]string{cobra.ShellCompNoDescRequestCmd}, words...))
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("%q: %v", words, err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	last := lines[len(lines)-1]
	return lines[:len(lines)-1], last != ":4" && last != ":6"
}

// Files are offered where a file is wanted, and nowhere else: for every command, argument and flag.
func TestCompletionFiles(t *testing.T) {
	t.Setenv("FLUX_URI", "local:///nowhere")
	t.Setenv("FLUX_LOCAL_CONNECTOR_RETRY_COUNT", "0")
	if _, files := completions(t, ""); files {
		t.Error("files for a command")
	}
	for _, cmd := range newApp(os.Stdout, io.Discard).rootCommand().Commands() {
		for n := range 3 {
			words := append([]string{cmd.Name()}, slices.Repeat([]string{"x"}, n)...)
			want := cmd.Name() == "record" && n == 0 // the socket
			if _, files := completions(t, append(words, "")...); files != want && cmd.IsAvailableCommand() {
				t.Errorf("after %q: files %v, want %v", words, files, want)
			}
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.NoOptDefVal != "" {
				return // takes no value
			}
			if _, files := completions(t, cmd.Name(), "--"+f.Name, ""); files != fileFlags[f.Name] {
				t.Errorf("after %s --%s: files %v, want %v", cmd.Name(), f.Name, files, fileFlags[f.Name])
			}
		})
	}
	for _, words := range [][]string{{"broker", "--", ""}, {"broker", "--", "cat", ""}, {"record", "sock", "--", ""}} {
		if _, files := completions(t, words...); !files {
			t.Errorf("after %q: no files, want the words of a command", words)
		}
	}
}

// A payload's file is offered with the @ in front.
func TestCompletionPayload(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"one.json", "two.json", ".hidden", "dir/three.json"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		word string
		want []string
	}{
		{"", nil},
		{"o", nil},
		{"@", []string{"@dir/", "@one.json", "@two.json"}},
		{"@o", []string{"@one.json"}},
		{"@dir/", []string{"@dir/three.json"}},
		{"@./t", []string{"@./two.json"}},
		{"key=@t", []string{"key=@two.json"}},
		{"key:=@dir/th", []string{"key:=@dir/three.json"}},
		{"mail=a@o", nil},
		{"@nowhere/", nil},
	} {
		got, files := completions(t, "call", "x.y", c.word)
		if got = slices.DeleteFunc(got, func(s string) bool { return s == "" }); !slices.Equal(got, c.want) || files {
			t.Errorf("%q: %q, files %v; want %q", c.word, got, files, c.want)
		}
	}
}

// With a broker its services and ranks are offered.
func TestCompletionBroker(t *testing.T) {
	b := fluxtest.New(t, fluxtest.Size(3))
	t.Setenv("FLUX_URI", b.URI())
	for _, c := range []struct {
		words []string
		want  []string // among others
	}{
		{[]string{"call", ""}, []string{"kvs.lookup", "groups.", "attr."}},
		{[]string{"stream", "x", "--cancel-topic", "gro"}, []string{"groups."}},
		{[]string{"bench", "--topic", "gro"}, []string{"groups."}},
		{[]string{"call", "x", "--rank", ""}, []string{"0", "1", "2"}},
		{[]string{"ping", ""}, []string{"groups", "broker", "2"}},
		{[]string{"ping", "2!gr"}, []string{"2!groups"}},
		{[]string{"services", "gr"}, []string{"groups"}},
		{[]string{"attr", "ra"}, []string{"rank"}},
		{[]string{"sub", "hea"}, []string{"heartbeat.pulse"}},
		{[]string{"help", ""}, []string{"call", "completion"}},
		{[]string{"call", "x", "--expect-errno", "ENOE"}, []string{"ENOENT"}},
	} {
		got, files := completions(t, c.words...)
		for _, want := range c.want {
			if !slices.Contains(got, want) || files {
				t.Errorf("%q: %q, files %v; want %q", c.words, got, files, want)
			}
		}
	}
}
