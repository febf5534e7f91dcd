package main

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// notCommitted are what .gitignore files of the tree name and a build leaves, by
// their path in the tree. No release has them.
var notCommitted = []string{"bin", ".ci/tools", "cmd/flux-rpc/flux-rpc", "examples/prometheus/prometheus"}

// writeProxy writes each module of the tree below out. The layout is that of the
// GOPROXY protocol in the Go Modules Reference.
func (t *tree) writeProxy(out string) error {
	for _, m := range t.modules {
		if m.mod.Module.Path != strings.ToLower(m.mod.Module.Path) {
			return fmt.Errorf("module %s: upper case letters, which a proxy escapes, are not supported", m.mod.Module.Path)
		}
		dir := filepath.Join(out, filepath.FromSlash(m.mod.Module.Path), "@v")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		mod, err := os.ReadFile(filepath.Join(t.dir, filepath.FromSlash(m.dir), "go.mod"))
		if err != nil {
			return err
		}
		info, err := json.Marshal(map[string]string{"Version": t.version})
		if err != nil {
			return err
		}
		for name, data := range map[string][]byte{
			"list": []byte(t.version + "\n"), t.version + ".info": info, t.version + ".mod": mod,
		} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
				return err
			}
		}
		if err := t.writeZip(filepath.Join(dir, t.version+".zip"), m); err != nil {
			return fmt.Errorf("module %s: %w", m.mod.Module.Path, err)
		}
	}
	return nil
}

// writeZip writes the files of m as the go command packs them: without modules
// nested in it, version control, vendored packages and what is no regular file,
// and with the root's LICENSE if m has none.
// The form is that of module zip files in the Go Modules Reference.
func (t *tree) writeZip(name string, m module) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	z := zip.NewWriter(f)
	prefix := m.mod.Module.Path + "@" + t.version
	dir := filepath.Join(t.dir, filepath.FromSlash(m.dir))
	err = filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		leftOut := slices.Contains(notCommitted, path.Join(m.dir, filepath.ToSlash(rel)))
		if d.IsDir() {
			if leftOut || notInModule(file, d.Name()) && rel != "." {
				return filepath.SkipDir
			}
			return nil
		}
		// In a worktree .git is a file.
		if leftOut || !d.Type().IsRegular() || d.Name() == ".git" {
			return nil
		}
		return addFile(z, path.Join(prefix, filepath.ToSlash(rel)), file)
	})
	if err != nil {
		return err
	}
	license := filepath.Join(t.dir, "LICENSE")
	if !exists(filepath.Join(dir, "LICENSE")) && exists(license) {
		if err := addFile(z, path.Join(prefix, "LICENSE"), license); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	return f.Close()
}

// notInModule reports whether the files of a directory below a module are not the
// module's.
func notInModule(dir, name string) bool {
	switch name {
	case ".git", ".hg", ".svn", ".bzr", "vendor":
		return true
	}
	return exists(filepath.Join(dir, "go.mod"))
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func addFile(z *zip.Writer, name, file string) error {
	w, err := z.Create(name)
	if err != nil {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}
