package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// check returns what keeps the modules from being installed, one error for each
// fault.
func (t *tree) check() error {
	var faults []error
	for _, m := range t.modules {
		faults = append(faults, t.checkModule(m), t.checkRequired(m), t.checkSums(m))
	}
	for _, dir := range t.used {
		if !slices.ContainsFunc(t.modules, func(m module) bool { return m.dir == dir }) {
			faults = append(faults, fmt.Errorf("go.work: uses %s, which has no go.mod", dir))
		}
	}
	return errors.Join(faults...)
}

func (t *tree) checkModule(m module) error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s: "+format, append([]any{path.Join(m.dir, "go.mod")}, args...)...))
	}
	if want := path.Join(t.root(), m.dir); m.mod.Module.Path != want {
		fault("module %s, want %s: the path must follow the directory", m.mod.Module.Path, want)
	}
	if !slices.Contains(t.used, m.dir) {
		fault("go.work does not use this module")
	}
	// The go command installs no program whose go.mod has either.
	for _, r := range m.mod.Replace {
		fault("replaces %s", r.Old.Path)
	}
	for _, x := range m.mod.Exclude {
		fault("excludes %s %s", x.Path, x.Version)
	}
	return errors.Join(faults...)
}

// checkRequired refuses a requirement of a module of this tree in another version
// than the one to be released.
func (t *tree) checkRequired(m module) error {
	name := path.Join(m.dir, "go.mod")
	required := false
	for _, r := range m.mod.Require {
		switch {
		case !t.has(r.Path):
		case m.dir == ".":
			return fmt.Errorf("%s: requires %s, a module of this tree", name, r.Path)
		case r.Version != t.version:
			return fmt.Errorf("%s: requires %s %s, want %s, the version to be released", name, r.Path, r.Version, t.version)
		case r.Path == t.root():
			required = true
		}
	}
	if m.dir != "." && !required {
		return fmt.Errorf("%s: does not require %s %s", name, t.root(), t.version)
	}
	return nil
}

// checkSums refuses checksums of the version to be released. They can only be
// those of a tree that has changed since.
func (t *tree) checkSums(m module) error {
	name := path.Join(m.dir, "go.sum")
	sums, err := os.ReadFile(filepath.Join(t.dir, filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(sums)) {
		fields := strings.Fields(line)
		if len(fields) == 3 && t.has(fields[0]) && strings.TrimSuffix(fields[1], "/go.mod") == t.version {
			return fmt.Errorf("%s: has a checksum of %s %s, which is not released", name, fields[0], t.version)
		}
	}
	return nil
}
