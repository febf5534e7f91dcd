package kvs

import (
	"io"
	"io/fs"
	"slices"
	"strings"
)

// valueFile is an open value.
type valueFile struct {
	info   *fileInfo
	r      *Reader
	closed bool
}

func (f *valueFile) Stat() (fs.FileInfo, error) {
	if f.closed {
		return nil, pathError("stat", f.info.name, fs.ErrClosed)
	}
	return f.info.Info()
}

func (f *valueFile) Read(p []byte) (int, error) {
	if f.closed {
		return 0, pathError("read", f.info.name, fs.ErrClosed)
	}
	n, err := f.r.Read(p)
	if err != nil && err != io.EOF {
		err = pathError("read", f.info.name, err)
	}
	return n, err
}

func (f *valueFile) WriteTo(w io.Writer) (int64, error) {
	if f.closed {
		return 0, pathError("read", f.info.name, fs.ErrClosed)
	}
	n, err := f.r.WriteTo(w)
	return n, pathError("read", f.info.name, err)
}

func (f *valueFile) Close() error {
	if f.closed {
		return pathError("close", f.info.name, fs.ErrClosed)
	}
	f.closed = true
	return f.r.Close()
}

// dirFile is an open directory.
type dirFile struct {
	info    *fileInfo
	entries []fs.DirEntry
	listed  bool
	closed  bool
}

func (d *dirFile) Stat() (fs.FileInfo, error) {
	if d.closed {
		return nil, pathError("stat", d.info.name, fs.ErrClosed)
	}
	return d.info, nil
}

func (d *dirFile) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.info.name, Err: fs.ErrInvalid}
}

func (d *dirFile) Close() error {
	if d.closed {
		return pathError("close", d.info.name, fs.ErrClosed)
	}
	d.closed = true
	return nil
}

// ReadDir returns the next n entries, or all that are left if n is not positive.
func (d *dirFile) ReadDir(n int) ([]fs.DirEntry, error) {
	if d.closed {
		return nil, pathError("readdir", d.info.name, fs.ErrClosed)
	}
	if !d.listed {
		entries, err := d.info.f.ReadDir(pathOf(d.info.entry.Key))
		if err != nil {
			return nil, err
		}
		d.entries, d.listed = entries, true
	}
	if n <= 0 {
		n = len(d.entries)
	} else if len(d.entries) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(d.entries))
	list := d.entries[:n:n]
	d.entries = d.entries[n:]
	return list, nil
}

// pathOf is keyOf in the other direction.
func pathOf(key string) string {
	if key == rootKey {
		return "."
	}
	return strings.ReplaceAll(escapeName(key), ".", "/")
}

// sortByName sorts by the escaped names, whose order may be another than that of the names.
func sortByName(list []fs.DirEntry) []fs.DirEntry {
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list
}
