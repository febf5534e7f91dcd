package kvs

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"

	"github.com/flux-sdk/flux"
)

// maxInline is the longest base64 text of a value that stays in its directory.
const maxInline = 72

// commitSync is the commit flag that only the primary namespace takes.
const commitSync = 4

// transaction is a commit at work. Directories on the way to what it changes are copied and become entries of type dir,
// until the end.
type transaction struct {
	s         *Store
	namespace string
	root      *object
}

// apply makes the changes and returns the new root.
func (s *Store) apply(namespace, root string, ops []json.RawMessage) (string, flux.Errno) {
	if len(ops) == 0 {
		return root, 0
	}
	dir, found := s.content.loadDir(root)
	switch {
	case !found:
		return "", flux.ENOENT
	case dir == nil || dir.kind != typeDir:
		return "", flux.ENOTRECOVERABLE
	}
	t := &transaction{s, namespace, newDir(maps.Clone(dir.dir))}
	for _, raw := range ops {
		key, flags, entry, ok := parseOp(raw)
		if !ok {
			return "", flux.EPROTO
		}
		if errno := t.change(key, flags, entry, 0); errno != 0 {
			return "", errno
		}
	}
	if !t.unroll(t.root) {
		return "", flux.EPROTO
	}
	return s.content.storeDir(t.root), 0
}

// parseOp decodes an operation, which has exactly three members.
func parseOp(raw json.RawMessage) (key string, flags int, entry json.RawMessage, ok bool) {
	f := parseFields(raw)
	key, isText := f.text("key")
	n, isInt := f.integer("flags")
	entry, has := f["dirent"]
	return key, int(n), entry, len(f) == 3 && isText && isInt && has
}

// change makes one change.
func (t *transaction) change(key string, flags int, entry json.RawMessage, depth int) flux.Errno {
	key = normalize(key)
	if key == "." {
		return flux.EINVAL
	}
	remove := string(entry) == "null"
	dir := t.root
	for {
		name, rest, more := strings.Cut(key, ".")
		if !more {
			break
		}
		key = rest
		switch o := dir.dir[name]; {
		case o != nil && o.kind == typeDir:
			dir = o
		case o != nil && o.kind == typeDirref:
			sub, errno := t.copyDir(o)
			if errno != 0 {
				return errno
			}
			dir.dir[name] = sub
			dir = sub
		case o != nil && o.kind == typeSymlink:
			namespace, has, target := o.target()
			if has && namespace != t.namespace || depth == maxLinks {
				return flux.EINVAL
			}
			return t.change(target+"."+rest, flags, entry, depth+1)
		case remove:
			return 0 // there is nothing to remove below a value, or nothing
		default:
			sub := newDir(make(map[string]*object))
			dir.dir[name] = sub
			dir = sub
		}
	}
	if remove {
		delete(dir.dir, key)
		return 0
	}
	o := parseObject(entry, 0)
	if flags&flagAppend != 0 {
		return t.append(dir, key, o)
	}
	if o == nil {
		return flux.EINVAL
	}
	dir.dir[key] = copyTree(o)
	return 0
}

// copyTree copies nested directories, which are changed in place later.
func copyTree(o *object) *object {
	if o.kind != typeDir {
		return o
	}
	c := newDir(make(map[string]*object, len(o.dir)))
	for name, entry := range o.dir {
		c.dir[name] = copyTree(entry)
	}
	return c
}

func (t *transaction) copyDir(o *object) (*object, flux.Errno) {
	if len(o.refs) != 1 {
		return nil, flux.ENOTRECOVERABLE
	}
	dir, found := t.s.content.loadDir(o.refs[0])
	switch {
	case !found:
		return nil, flux.ENOENT
	case dir == nil || dir.kind != typeDir:
		return nil, flux.ENOTRECOVERABLE
	}
	return newDir(maps.Clone(dir.dir)), 0
}

// append adds to the value that a directory has under a name.
func (t *transaction) append(dir *object, name string, o *object) flux.Errno {
	if o == nil || o.kind != typeVal {
		return flux.EPROTO
	}
	old := dir.dir[name]
	if old == nil {
		dir.dir[name] = o
		return 0
	}
	switch old.kind {
	case typeSymlink:
		return flux.EOPNOTSUPP
	case typeDir, typeDirref:
		return flux.EISDIR
	}
	refs := old.refs
	if old.kind == typeVal {
		ref, ok := t.storeVal(old)
		if !ok {
			return flux.EPROTO
		}
		refs = []string{ref}
	}
	ref, ok := t.storeVal(o)
	if !ok {
		return flux.EPROTO
	}
	dir.dir[name] = &object{kind: typeValref, refs: append(refs[:len(refs):len(refs)], ref)}
	return 0
}

// storeVal makes a blob of a value; false if that is not base64.
func (t *transaction) storeVal(o *object) (string, bool) {
	data, err := base64.StdEncoding.DecodeString(o.text)
	if err != nil {
		return "", false
	}
	return t.s.content.store(data), true
}

// unroll stores the directories and the large values below dir and puts references in their places.
func (t *transaction) unroll(dir *object) bool {
	for name, o := range dir.dir {
		switch {
		case o.kind == typeDir:
			if !t.unroll(o) {
				return false
			}
			dir.dir[name] = newRef(typeDirref, t.s.content.storeDir(o))
		case o.kind == typeVal && len(o.text) > maxInline:
			ref, ok := t.storeVal(o)
			if !ok {
				return false
			}
			dir.dir[name] = newRef(typeValref, ref)
		}
	}
	return true
}
