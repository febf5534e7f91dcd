package docs_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	// What is built in a module of its own must be built again when one of these
	// changes, which the go command only sees if they are imported here.
	_ "github.com/flux-sdk/flux"
	_ "github.com/flux-sdk/flux/codec"
	_ "github.com/flux-sdk/flux/fluxtest"
	_ "github.com/flux-sdk/flux/hostlist"
	_ "github.com/flux-sdk/flux/idset"
	_ "github.com/flux-sdk/flux/job"
	_ "github.com/flux-sdk/flux/jobspec"
	_ "github.com/flux-sdk/flux/resource"
	_ "github.com/flux-sdk/flux/transport"
	_ "golang.org/x/sync/errgroup"
)

// module is a module of somebody else that depends on this one.
type module struct {
	t   *testing.T
	dir string
}

func newModule(t *testing.T) *module {
	t.Helper()
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	m := &module{t, t.TempDir()}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	m.write("go.sum", string(sums))
	m.write("go.mod", fmt.Sprintf("module example.com/docs\n\ngo 1.26.0\n\n"+
		"require github.com/flux-sdk/flux v0.0.0\n\nreplace github.com/flux-sdk/flux => %q\n", here))
	return m
}

func (m *module) write(path, text string) {
	m.t.Helper()
	path = filepath.Join(m.dir, filepath.FromSlash(path))
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o644)
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

// run runs the go command in the module and fails the test with its output,
// which names documents and lines because the files have line directives.
func (m *module) run(args ...string) (output string) {
	m.t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = m.dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "FLUX_URI=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		m.t.Errorf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
