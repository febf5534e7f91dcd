package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The tree itself can be released: no module replaces anything, and each
// requires the version that go.work names.
func TestThisTree(t *testing.T) {
	needGo(t)
	tree, err := readTree("../..")
	if err == nil && len(tree.modules) == 1 {
		t.Skip("no other modules here, as in the module cache: that they can be released is not tested")
	}
	if err == nil {
		err = tree.check()
	}
	if err != nil {
		t.Fatal(err)
	}
	// What the go command has read, this test must read to be run again when it changes.
	for _, name := range append(tree.used, "go.work") {
		if name != "go.work" {
			name = filepath.Join(name, "go.mod")
		}
		if _, err := os.ReadFile(filepath.Join("../..", name)); err != nil {
			t.Error(err)
		}
	}
}

func TestCheck(t *testing.T) {
	needGo(t)
	const hello = "cmd/hello/go.mod"
	for _, c := range []struct {
		name      string
		file      string
		old, text string // old becomes text; without old, text is appended
		want      string // in the error; "" means none
	}{
		{"as it is", "greet.go", "", "", ""},
		{"another module of the tree", hello, "", "\nrequire example.com/other v1.0.0\n", ""},
		{"replace", hello, "", "\nreplace example.com/m => ../..\n", hello + ": replaces example.com/m"},
		{"replace of another", hello, "", "\nreplace example.com/x => ../x\n", hello + ": replaces example.com/x"},
		{"replace in the root", "go.mod", "", "\nreplace example.com/x => ../x\n", "go.mod: replaces example.com/x"},
		{"exclude", hello, "", "\nexclude example.com/x v1.0.0\n", hello + ": excludes example.com/x v1.0.0"},
		{"older version", hello, "v0.1.0", "v0.0.9", hello + ": requires example.com/m v0.0.9, want v0.1.0"},
		{"no version", hello, "v0.1.0", "v0.0.0", hello + ": requires example.com/m v0.0.0, want v0.1.0"},
		{"newer version", "go.work", "v0.1.0", "v0.2.0", hello + ": requires example.com/m v0.1.0, want v0.2.0"},
		{"sibling's version", hello, "", "\nrequire example.com/m/sub v0.0.1\n",
			"requires example.com/m/sub v0.0.1, want v0.1.0"},
		{"root not required", hello, "require example.com/m v0.1.0", "", hello + ": does not require example.com/m v0.1.0"},
		{"root requires nested", "go.mod", "", "\nrequire example.com/m/cmd/hello v0.1.0\n",
			"go.mod: requires example.com/m/cmd/hello"},
		{"path", hello, "example.com/m/cmd/hello", "example.com/m/hello", "want example.com/m/cmd/hello"},
		{"not used", "go.work", "\t./cmd/hello\n", "", hello + ": go.work does not use this module"},
		{"used, but absent", "go.work", "\t.\n", "\t.\n\t./absent\n", "go.work: uses absent, which has no go.mod"},
		{"own checksum", "cmd/hello/go.sum", "", "example.com/m v0.1.0 h1:x=\n",
			"cmd/hello/go.sum: has a checksum of example.com/m v0.1.0"},
		{"own go.mod's checksum", "cmd/hello/go.sum", "", "example.com/m v0.1.0/go.mod h1:x=\n",
			"cmd/hello/go.sum: has a checksum"},
		{"earlier checksum", "cmd/hello/go.sum", "", "example.com/m v0.0.9 h1:x=\n", ""},
		{"checksum of another", "cmd/hello/go.sum", "", "example.com/more v0.1.0 h1:x=\n", ""},
		{"no version in go.work", "go.work", "replace example.com/m v0.1.0 => .", "", "go.work: want one line such as"},
		{"replaced elsewhere", "go.work", "v0.1.0 => .", "v0.1.0 => ../m", "go.work: want one line such as"},
		{"two versions in go.work", "go.work", "", "\nreplace example.com/m v0.2.0 => .\n", "go.work: want one line such as"},
		{"go.mod that is none", hello, "module", "mod", hello + ":1: unknown directive: mod"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := sample()
			if text := files[c.file]; c.old == "" {
				files[c.file] = text + c.text
			} else if files[c.file] = strings.Replace(text, c.old, c.text, 1); files[c.file] == text {
				t.Fatalf("%s has no %q", c.file, c.old)
			}
			tree, err := readTree(writeTree(t, files))
			if err == nil {
				err = tree.check()
			}
			switch {
			case c.want == "" && err != nil:
				t.Errorf("check: %v", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("check: %v, want %q", err, c.want)
			}
		})
	}
}

// Every fault is named, not only the first.
func TestCheckNamesAllFaults(t *testing.T) {
	needGo(t)
	files := sample()
	files["cmd/hello/go.mod"] = "module example.com/m/cmd/hello\n\ngo 1.26.0\n\nrequire example.com/m v0.0.0\n\n" +
		"replace example.com/m => ../..\n"
	files["cmd/hello/go.sum"] = "example.com/m v0.1.0 h1:x=\n"
	tree, err := readTree(writeTree(t, files))
	if err != nil {
		t.Fatal(err)
	}
	err = tree.check()
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("check: %v, want three faults", err)
	}
}
