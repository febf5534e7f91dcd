// Package examples_test runs the examples as their documentation says.
package examples_test

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flux-sdk/flux/fluxtest"
)

// example is a program of this directory.
type example struct {
	says  []string // what it prints without an instance
	hangs string   // a request that is never answered, so that the program waits
	ready string   // or what it prints when it is at work
	ends  int      // its exit status after a signal
}

var examples = map[string]example{
	"quickstart": {
		says: []string{"# instance", "hops of the request", "# a typed error", "hello from Go", "process id", "19 + 23 = 42",
			"docs/client.md"},
		hangs: "broker.ping", ends: 1,
	},
	"typedclient": {
		says:  []string{"# answers", "flux-core version:", "ENOENT", "EHOSTUNREACH", "given up:", "no connection:"},
		hangs: "attr.get", ends: 1,
	},
	"fanout": {
		says:  []string{"one broker.ping to each of 100 ranks, 64 at a time", "85 ranks answered", "EHOSTUNREACH"},
		hangs: "broker.ping", ends: 1,
	},
	"eventmonitor": {
		says:  []string{"restarted three times", `{"round":2}`, "--- GAP: an unknown number of events"},
		ready: "until Ctrl-C",
	},
	"service": {
		says:  []string{"watched the total reach 10", "the audit was answered all the same: 10", "everything is answered"},
		ready: "until interrupted",
	},
}

// build makes the program of an example.
func build(t *testing.T, name string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), name+".exe")
	if out, err := exec.Command("go", "build", "-o", program, "./"+name).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// TestExamples runs each example without an instance and wants it to say what it
// shows; and with one, to end at SIGINT and at SIGTERM alike.
func TestExamples(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}
	for name, e := range examples {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := build(t, name)
			cmd := exec.CommandContext(t.Context(), program)
			cmd.Env = append(os.Environ(), "FLUX_URI=")
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			for _, want := range e.says {
				if !strings.Contains(string(out), want) {
					t.Errorf("it does not say %q:\n%s", want, out)
				}
			}
			if runtime.GOOS == "windows" {
				return // there are no such signals
			}
			for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
				e.endsAt(t, program, signal)
			}
		})
	}
}

// endsAt runs the program in an instance, sends it a signal while it is at work,
// and looks at how it ends.
func (e example) endsAt(t *testing.T, program string, signal syscall.Signal) {
	t.Helper()
	broker := fluxtest.New(t, fluxtest.AllowLeaks())
	if e.hangs != "" {
		broker.Handle(e.hangs, func(r *fluxtest.Request) { <-r.Context().Done() })
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append(os.Environ(), "FLUX_URI="+broker.URI())
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if e.hangs != "" {
		_, err = broker.AwaitRequest(ctx, e.hangs)
	} else if line, readErr := bufio.NewReader(stdout).ReadString('\n'); !strings.Contains(line, e.ready) {
		t.Errorf("it says %q, error %v, want %q", line, readErr, e.ready)
	}
	if err != nil {
		t.Error(err)
	}
	if err := cmd.Process.Signal(signal); err != nil {
		t.Error(err)
	}
	io.Copy(io.Discard, stdout)
	err = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != e.ends || ctx.Err() != nil {
		t.Errorf("%v: exit status %d, %v, want %d\n%s", signal, got, err, e.ends, &stderr)
	}
}

// TestDocumentedCommands wants each program's documentation and the list in
// README.md to have the command that runs it.
func TestDocumentedCommands(t *testing.T) {
	list, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	programs, err := filepath.Glob("*/main.go")
	if err != nil || len(programs) < len(examples) {
		t.Fatalf("%d programs, error %v", len(programs), err)
	}
	for _, file := range programs {
		name := filepath.Dir(file)
		command := "go run ./examples/" + name
		if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
			command = "go run -C examples/" + name + " ."
		} else if _, tested := examples[name]; !tested {
			t.Errorf("%s is not in the table of this test", name)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		doc, _, _ := strings.Cut(string(text), "\npackage main")
		if !strings.Contains(doc+"\n", "//\t"+command+"\n") {
			t.Errorf("%s: the documentation does not have the command %q", file, command)
		}
		if !strings.Contains(string(list), "`"+command+"`") {
			t.Errorf("examples/README.md does not have the command %q", command)
		}
	}
}
