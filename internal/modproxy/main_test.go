package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func needGo(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command on PATH: that the modules can be installed is not tested")
	}
}

// sample is a tree with a program of its own module that uses the root.
func sample() map[string]string {
	return map[string]string{
		"go.work":          "go 1.26.0\n\nuse (\n\t.\n\t./cmd/hello\n)\n\nreplace example.com/m v0.1.0 => .\n",
		"go.mod":           "module example.com/m\n\ngo 1.26.0\n",
		"LICENSE":          "free\n",
		"greet.go":         "package m\n\nconst Greeting = \"hello\"\n",
		"inner/inner.go":   "package inner\n",
		"testdata/x.txt":   "x\n",
		".hidden/y.txt":    "y\n",
		".git/config":      "not of the module\n",
		"vendor/v/v.go":    "package v\n",
		"bin/program":      "not committed\n",
		"cmd/hello/go.mod": "module example.com/m/cmd/hello\n\ngo 1.26.0\n\nrequire example.com/m v0.1.0\n",
		"cmd/hello/main.go": "package main\n\nimport \"example.com/m\"\n\n" +
			"func main() { println(m.Greeting) }\n",
	}
}

func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// The go command itself is the judge of what run writes: it installs a program
// of one module that requires another, with nothing but the proxy.
func TestInstallFromProxy(t *testing.T) {
	needGo(t)
	out, bin := filepath.Join(t.TempDir(), "proxy"), t.TempDir()
	if err := run(writeTree(t, sample()), out, nil); err != nil {
		t.Fatal(err)
	}
	install := exec.Command("go", "install", "example.com/m/cmd/hello@v0.1.0")
	install.Dir = t.TempDir()
	install.Env = append(os.Environ(), "GOPROXY="+fileURL(out), "GONOSUMDB=example.com/m", "GOWORK=off", "GOBIN="+bin,
		"GOFLAGS=-modcacherw", "GOMODCACHE="+t.TempDir(), "GOOS=", "GOARCH=")
	if text, err := install.CombinedOutput(); err != nil {
		t.Fatalf("go install: %v\n%s", err, text)
	}
	if text, err := exec.Command(filepath.Join(bin, "hello")).CombinedOutput(); err != nil || string(text) != "hello\n" {
		t.Errorf("the program printed %q, %v", text, err)
	}
}

func fileURL(dir string) string {
	return "file:///" + strings.TrimPrefix(filepath.ToSlash(dir), "/")
}

func TestRunRefuses(t *testing.T) {
	needGo(t)
	tree := writeTree(t, sample())
	full := writeTree(t, map[string]string{"kept": "kept\n"})
	broken := sample()
	broken["cmd/hello/go.mod"] += "\nreplace example.com/m => ../..\n"
	for _, c := range []struct {
		name     string
		dir, out string
		rest     []string
		want     string
	}{
		{"no -out", ".", "", nil, "usage: modproxy"},
		{"an argument", ".", t.TempDir(), []string{"v0.1.0"}, "usage: modproxy"},
		{"no tree", t.TempDir(), t.TempDir(), nil, "has no go.mod"},
		{"a directory of the tree", tree, filepath.Join(tree, "proxy"), nil, "is in the tree"},
		{"the tree", tree, tree, nil, "is in the tree"},
		{"a full directory", tree, full, nil, "is not empty"},
		{"a tree with a fault", writeTree(t, broken), filepath.Join(t.TempDir(), "p"), nil, "replaces example.com/m"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := run(c.dir, c.out, c.rest); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("run: %v, want %q", err, c.want)
			}
		})
	}
	if _, err := os.Stat(filepath.Join(full, "example.com")); err == nil {
		t.Error("written into a directory that was not empty")
	}
}
