package jobspec

import (
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/flux-sdk/flux/internal/jsontree"
)

// The type of a file in a mode of stat(2).
const (
	modeType    = 0o170000
	modeRegular = 0o100000
	modeDir     = 0o040000
	modeSymlink = 0o120000
)

// File sends a file with the job (RFC 37). The job shell writes it to {{tmpdir}}/NAME on each host before the tasks
// start, with permission 0600. The data is []byte or string for the content, which is encoded as it needs to be, and
// any other value for its JSON.
func (s *Spec) File(name string, data any) *Spec { return s.FileMode(name, data, 0o600) }

// FileMode is [Spec.File] with permissions.
func (s *Spec) FileMode(name string, data any, perm fs.FileMode) *Spec {
	if perm&^fs.ModePerm != 0 {
		return s.fail("FileMode", "permissions must be within 0777", perm)
	}
	file := jsontree.NewObject(member("mode", jsontree.Int(int(modeRegular|perm))))
	switch data := data.(type) {
	case string:
		setContent(file, []byte(data))
	case []byte:
		setContent(file, data)
	default:
		tree, err := jsontree.From(data)
		if err != nil {
			return s.fail("File", fmt.Sprintf("data of %q: %v", name, err), nil)
		}
		if _, text := tree.(string); text {
			return s.fail("File", fmt.Sprintf("data of %q must be text, bytes, or a value that is no JSON string", name), nil)
		}
		file.Set("data", tree)
	}
	return s.addFile("File", name, file)
}

// setContent sets the members for the bytes of a file.
func setContent(file *jsontree.Object, content []byte) {
	text, encoding := string(content), "utf-8"
	if jsontree.CheckString(text) != nil {
		text, encoding = base64.StdEncoding.EncodeToString(content), "base64"
	}
	file.Set("data", text)
	file.Set("encoding", encoding)
}

func (s *Spec) addFile(method, name string, file *jsontree.Object) *Spec {
	if rule := fileName(name); rule != "" {
		return s.fail(method, rule, name)
	}
	return s.put(method, file, system("files", name))
}

// fileName tells what is wrong with the name of a file, which is unpacked below a directory.
func fileName(name string) string {
	switch err := jsontree.CheckString(name); {
	case name == "":
		return "name must not be empty"
	case err != nil:
		return "name " + err.Error()
	case strings.HasPrefix(name, "/"):
		return "name must be relative"
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return `name must not contain ".."`
		}
	}
	return ""
}

// AddFile reads a local file, now, and sends it with the job under its base name and with its permissions, as
// `flux submit --add-file` does.
func (s *Spec) AddFile(path string) *Spec { return s.AddFileAs(filepath.Base(path), path) }

// AddFileAs is [Spec.AddFile] with another name.
func (s *Spec) AddFileAs(name, path string) *Spec {
	content, err := os.ReadFile(path)
	if err != nil {
		return s.fail("AddFile", "cannot read: "+err.Error(), nil)
	}
	info, err := os.Stat(path)
	if err != nil {
		return s.fail("AddFile", "cannot read: "+err.Error(), nil)
	}
	mode := modeRegular | info.Mode().Perm()
	for bit, unix := range map[fs.FileMode]fs.FileMode{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000,
		fs.ModeSticky: 0o1000} {
		if info.Mode()&bit != 0 {
			mode |= unix
		}
	}
	file := jsontree.NewObject(member("mode", jsontree.Int(int(mode))), member("size", jsontree.Int(len(content))))
	setContent(file, content)
	return s.addFile("AddFile", name, file)
}
