package main

import (
	"archive/zip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWriteProxy(t *testing.T) {
	needGo(t)
	dir := writeTree(t, sample())
	if err := os.Symlink("greet.go", filepath.Join(dir, "link.go")); err != nil {
		t.Log("no symbolic link in the tree:", err)
	}
	tree, err := readTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	if err := tree.writeProxy(out); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(out, "example.com", "m", "@v")
	hello := filepath.Join(out, "example.com", "m", "cmd", "hello", "@v")
	for name, want := range map[string]string{
		filepath.Join(root, "list"):         "v0.1.0\n",
		filepath.Join(root, "v0.1.0.info"):  `{"Version":"v0.1.0"}`,
		filepath.Join(root, "v0.1.0.mod"):   sample()["go.mod"],
		filepath.Join(hello, "list"):        "v0.1.0\n",
		filepath.Join(hello, "v0.1.0.info"): `{"Version":"v0.1.0"}`,
		filepath.Join(hello, "v0.1.0.mod"):  sample()["cmd/hello/go.mod"],
	} {
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
	}
	wantFiles(t, filepath.Join(root, "v0.1.0.zip"), "example.com/m@v0.1.0/",
		".hidden/y.txt", "LICENSE", "go.mod", "go.work", "greet.go", "inner/inner.go", "testdata/x.txt")
	wantFiles(t, filepath.Join(hello, "v0.1.0.zip"), "example.com/m/cmd/hello@v0.1.0/", "LICENSE", "go.mod", "main.go")
}

func wantFiles(t *testing.T, name, prefix string, want ...string) {
	t.Helper()
	z, err := zip.OpenReader(name)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for i := range want {
		want[i] = prefix + want[i]
	}
	var got []string
	for _, f := range z.File {
		got = append(got, f.Name)
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: -want +got\n%s", name, diff)
	}
}

// A proxy writes an upper case letter as ! and the lower case one.
func TestWriteProxyUpperCase(t *testing.T) {
	tree := &tree{dir: t.TempDir(), version: "v0.1.0", modules: make([]module, 1)}
	tree.modules[0].mod.Module.Path = "example.com/M"
	if err := tree.writeProxy(t.TempDir()); err == nil {
		t.Error("written under a path that no go command asks for")
	}
}
