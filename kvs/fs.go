package kvs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/flux-sdk/flux"
)

// FS returns the namespace as a file system that can be read. Directories are directories, values are files, links are
// symbolic links, and the words of a key are the elements of a path: "app.state" is "app/state". In a name, "/" is
// written as "%2F" and "%" as "%25"; a name with a period, which only a hand-made directory can have, is left out.
//
// It has the methods of fs.ReadDirFS, fs.ReadFileFS, fs.StatFS and fs.ReadLinkFS. Files are at once io.Readers and
// io.WriterTos, read as by [Store.Reader]. The store has no times and no permissions: times are zero, modes 0444 and
// 0555. It does not know the size of a value of more than 54 bytes, so what asks for the size of such a file reads it.
//
// ctx bounds all that is done with the file system. Use it with a [Store.Snapshot] if all of it must be of one version.
func (s *Store) FS(ctx context.Context) fs.FS { return &fileSystem{ctx, s} }

type fileSystem struct {
	ctx context.Context
	s   *Store
}

// keyOf returns the key of a path, or an error if no key can have it.
func keyOf(op, name string) (string, error) {
	if !fs.ValidPath(name) {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	if name == "." {
		return rootKey, nil
	}
	words := strings.Split(name, "/")
	for i, word := range words {
		plain, ok := unescapeName(word)
		if !ok {
			return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
		}
		words[i] = plain
	}
	return strings.Join(words, "."), nil
}

var escapeName = strings.NewReplacer("%", "%25", "/", "%2F").Replace

// unescapeName returns the word of a key that a path element stands for, if there can be one.
func unescapeName(name string) (string, bool) {
	plain := strings.NewReplacer("%2F", "/", "%25", "%").Replace(name)
	return plain, plain != "" && !strings.ContainsAny(plain, ".\x00") && escapeName(plain) == name
}

// pathError makes an error of the store one of a file system.
func pathError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, flux.ENOTDIR) && op == "open" {
		err = fs.ErrNotExist
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// Open opens a file or a directory. Links are followed.
func (f *fileSystem) Open(name string) (fs.File, error) {
	info, err := f.stat("open", name, true)
	if err != nil {
		return nil, err
	}
	if info.entry.IsDir() {
		return &dirFile{info: info}, nil
	}
	return &valueFile{info: info, r: f.s.Reader(f.ctx, info.entry.Key)}, nil
}

// ReadFile returns a value.
func (f *fileSystem) ReadFile(name string) ([]byte, error) {
	key, err := keyOf("readfile", name)
	if err != nil {
		return nil, err
	}
	data, err := f.s.Get(f.ctx, key)
	return data, pathError("readfile", name, err)
}

// ReadDir returns the entries of a directory, sorted by name.
func (f *fileSystem) ReadDir(name string) ([]fs.DirEntry, error) {
	key, err := keyOf("readdir", name)
	if err != nil {
		return nil, err
	}
	entries, err := f.s.ReadDir(f.ctx, key)
	if err != nil {
		return nil, pathError("readdir", name, err)
	}
	list := make([]fs.DirEntry, 0, len(entries))
	for _, e := range entries {
		escaped := escapeName(e.Name)
		if _, ok := unescapeName(escaped); ok {
			list = append(list, &fileInfo{f: f, name: escaped, entry: e})
		}
	}
	return sortByName(list), nil
}

// Stat describes a file. Links are followed.
func (f *fileSystem) Stat(name string) (fs.FileInfo, error) { return f.sized("stat", name, true) }

// Lstat describes a file without following a link in the last element.
func (f *fileSystem) Lstat(name string) (fs.FileInfo, error) { return f.sized("lstat", name, false) }

func (f *fileSystem) sized(op, name string, follow bool) (fs.FileInfo, error) {
	info, err := f.stat(op, name, follow)
	if err == nil {
		err = info.findSize()
	}
	if err != nil {
		return nil, err
	}
	return info, nil
}

func (f *fileSystem) stat(op, name string, follow bool) (*fileInfo, error) {
	key, err := keyOf(op, name)
	if err != nil {
		return nil, err
	}
	find := f.s.Lstat
	if follow {
		find = f.s.Stat
	}
	e, err := find(f.ctx, key)
	if err != nil {
		return nil, pathError(op, name, err)
	}
	return &fileInfo{f: f, name: path.Base(name), entry: e}, nil
}

// ReadLink returns where a link leads to, as a path from the link's directory. A link into another namespace leads out
// of the file system; its target is then "namespace:NAME/" and the path there.
func (f *fileSystem) ReadLink(name string) (string, error) {
	key, err := keyOf("readlink", name)
	if err != nil {
		return "", err
	}
	namespace, target, err := f.s.Readlink(f.ctx, key)
	if err != nil {
		return "", pathError("readlink", name, err)
	}
	to := "."
	if target != rootKey {
		words := strings.Split(target, ".")
		for i, word := range words {
			words[i] = escapeName(word)
		}
		to = strings.Join(words, "/")
	}
	if namespace != "" && namespace != f.s.namespace {
		return "namespace:" + namespace + "/" + to, nil
	}
	return path.Clean(strings.Repeat("../", strings.Count(name, "/")) + to), nil
}

// fileInfo is the fs.FileInfo and the fs.DirEntry of a key.
type fileInfo struct {
	f     *fileSystem
	name  string
	entry Entry
	size  int64
}

func (i *fileInfo) Name() string       { return i.name }
func (i *fileInfo) Size() int64        { return i.size }
func (i *fileInfo) ModTime() time.Time { return time.Time{} }
func (i *fileInfo) IsDir() bool        { return i.entry.IsDir() }
func (i *fileInfo) Type() fs.FileMode  { return i.Mode().Type() }

// Sys returns the Entry.
func (i *fileInfo) Sys() any       { return i.entry }
func (i *fileInfo) String() string { return fs.FormatFileInfo(i) }

func (i *fileInfo) Mode() fs.FileMode {
	switch i.entry.Type {
	case TypeDir:
		return fs.ModeDir | 0o555
	case TypeLink:
		return fs.ModeSymlink | 0o777
	}
	return 0o444
}

// Info returns the fs.FileInfo of a directory entry.
func (i *fileInfo) Info() (fs.FileInfo, error) {
	sized := *i
	if err := sized.findSize(); err != nil {
		return nil, err
	}
	return &sized, nil
}

// findSize reads a value whose size the store does not tell.
func (i *fileInfo) findSize() error {
	if i.entry.Type != TypeValue {
		return nil
	}
	if i.entry.Size >= 0 {
		i.size = i.entry.Size
		return nil
	}
	r := i.f.s.Reader(i.f.ctx, i.entry.Key)
	defer r.Close()
	n, err := io.Copy(io.Discard, r)
	i.size, i.entry.Size = n, n
	return pathError("stat", i.name, err)
}
