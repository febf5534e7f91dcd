package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// tree is a directory with a go.work and the modules that it uses.
type tree struct {
	dir     string
	version string   // of every module, to be released together
	used    []string // directories in go.work, as "." or "cmd/flux-rpc"
	modules []module // found in the tree, the root first
}

// module is one module of the tree.
type module struct {
	dir string // relative to the tree, with slashes; "." is the root
	mod goMod
}

// goMod has what is needed of the output of "go mod edit -json".
type goMod struct {
	Module  struct{ Path string }
	Require []struct{ Path, Version string }
	Exclude []struct{ Path, Version string }
	Replace []replacement
}

// goWork has what is needed of the output of "go work edit -json".
type goWork struct {
	Use     []struct{ DiskPath string }
	Replace []replacement
}

type replacement struct {
	Old, New struct{ Path, Version string }
}

// readTree reads go.work and every go.mod below dir.
func readTree(dir string) (*tree, error) {
	t := &tree{dir: dir}
	if err := t.findModules(); err != nil {
		return nil, err
	}
	if err := t.readWork(); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *tree) findModules() error {
	err := filepath.WalkDir(t.dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != t.dir && outsidePackages(d.Name()):
			return filepath.SkipDir
		case d.IsDir() || d.Name() != "go.mod":
			return nil
		}
		dir, err := filepath.Rel(t.dir, filepath.Dir(name))
		if err != nil {
			return err
		}
		m := module{dir: filepath.ToSlash(dir)}
		if err := goJSON(&m.mod, "mod", "edit", "-json", name); err != nil {
			return err
		}
		t.modules = append(t.modules, m)
		return nil
	})
	if err != nil {
		return err
	}
	root := slices.IndexFunc(t.modules, func(m module) bool { return m.dir == "." })
	if root < 0 {
		return fmt.Errorf("%s has no go.mod", t.dir)
	}
	t.modules[0], t.modules[root] = t.modules[root], t.modules[0]
	return nil
}

// readWork reads which modules go.work uses, and the version to be released. The
// latter is in the line that lets the go command find the root, of that version,
// in the tree.
func (t *tree) readWork() error {
	var work goWork
	if err := goJSON(&work, "work", "edit", "-json", filepath.Join(t.dir, "go.work")); err != nil {
		return err
	}
	for _, u := range work.Use {
		t.used = append(t.used, path.Clean(u.DiskPath))
	}
	root := t.root()
	var versions []string
	for _, r := range work.Replace {
		if r.Old.Path == root && path.Clean(r.New.Path) == "." {
			versions = append(versions, r.Old.Version)
		}
	}
	if len(versions) != 1 || versions[0] == "" {
		return fmt.Errorf("go.work: want one line such as \"replace %s v1.2.3 => .\", "+
			"which has the version to be released; there are %d with %q", root, len(versions), versions)
	}
	t.version = versions[0]
	return nil
}

// root returns the path of the root module.
func (t *tree) root() string { return t.modules[0].mod.Module.Path }

// has reports whether a module path is of this tree.
func (t *tree) has(modulePath string) bool {
	return modulePath == t.root() || strings.HasPrefix(modulePath, t.root()+"/")
}

// outsidePackages reports whether the go command ignores a directory of this
// name when it looks for packages.
func outsidePackages(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "vendor"
}

// goJSON runs the go command and decodes what it prints.
func goJSON(v any, args ...string) error {
	out, err := exec.Command("go", args...).Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(exit.Stderr)))
	}
	if err != nil {
		return fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return json.Unmarshal(out, v)
}
