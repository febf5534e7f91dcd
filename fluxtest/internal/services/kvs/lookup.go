package kvs

import (
	"strings"

	"github.com/flux-sdk/flux"
)

// Lookup flags.
const (
	flagReadDir       = 1
	flagReadLink      = 2
	flagWatch         = 4
	flagWaitCreate    = 8
	flagTreeObject    = 16
	flagAppend        = 32
	flagWatchFull     = 64
	flagWatchUnique   = 128
	flagWatchAppend   = 256
	flagStream        = 512
	flagWatchSentinel = 1024
)

// maxLinks is how many links a path may lead through.
const maxLinks = 10

// reader is a lookup for one user at one rank.
type reader struct {
	s    *Store
	rank int
	user user
}

// find returns what a key is below a root, as the flags want it. An object of nil without an errno is no entry.
func (r *reader) find(root, key string, flags int) (*object, flux.Errno) {
	key = normalize(key)
	if key == "." {
		return r.findRoot(root, flags)
	}
	o, errno := r.walk(root, key, flags, 0)
	if o == nil || errno != 0 || flags&flagTreeObject != 0 {
		return o, errno
	}
	switch o.kind {
	case typeDir, typeDirref:
		switch {
		case flags&flagReadLink != 0:
			return nil, flux.EINVAL
		case flags&flagReadDir == 0:
			return nil, flux.EISDIR
		case o.kind == typeDir:
			return o, 0
		}
		return r.loadDir(o.refs[0], flux.ENOTRECOVERABLE)
	case typeVal, typeValref:
		switch {
		case flags&flagReadLink != 0:
			return nil, flux.EINVAL
		case flags&flagReadDir != 0:
			return nil, flux.ENOTDIR
		case o.kind == typeVal:
			return o, 0
		}
		return r.loadValue(o.refs)
	}
	if flags&flagReadDir != 0 {
		return nil, flux.ENOTDIR
	}
	return o, 0
}

func (r *reader) findRoot(root string, flags int) (*object, flux.Errno) {
	switch {
	case flags&flagTreeObject != 0:
		return newRef(typeDirref, root), 0
	case flags&flagReadDir == 0:
		return nil, flux.EISDIR
	}
	return r.loadDir(root, flux.EINVAL)
}

// loadDir returns a directory; bad is the errno if the blob is none.
func (r *reader) loadDir(ref string, bad flux.Errno) (*object, flux.Errno) {
	if _, ok := digestOf(ref); !ok {
		return nil, flux.EINVAL
	}
	dir, found := r.s.content.loadDir(ref)
	switch {
	case !found:
		return nil, flux.ENOENT
	case dir == nil || dir.kind != typeDir:
		return nil, bad
	}
	return dir, 0
}

func (r *reader) loadValue(refs []string) (*object, flux.Errno) {
	var data []byte
	for _, ref := range refs {
		blob, ok := r.s.content.blobs[ref]
		if !ok {
			return nil, flux.ENOENT
		}
		data = append(data, blob...)
	}
	return newVal(data), 0
}

// walk follows a path. Links are followed, but for one at the end if the flags want it itself.
func (r *reader) walk(root, path string, flags, depth int) (*object, flux.Errno) {
	at := newRef(typeDirref, root)
	for more := true; more; {
		var name, rest string
		name, rest, more = strings.Cut(path, ".")
		dir, errno := r.enter(at, at.kind == typeDirref && at.refs[0] == root && depth == 0)
		if dir == nil {
			return nil, errno
		}
		o := dir.dir[name]
		if o == nil {
			return nil, 0
		}
		if o.kind == typeSymlink && (more || flags&(flagReadLink|flagTreeObject) == 0) {
			if depth == maxLinks {
				return nil, flux.ELOOP
			}
			namespace, has, target := o.target()
			in := root
			if has {
				ns, errno := r.s.rootAt(r.rank, namespace, r.user)
				if errno != 0 {
					return nil, errno
				}
				in = ns.ref
			}
			if target = normalize(target); target == "." {
				o = newRef(typeDirref, in)
			} else if o, errno = r.walk(in, target, 0, depth+1); o == nil {
				return nil, errno
			}
		}
		at, path = o, rest
	}
	return at, 0
}

// enter returns the directory that an object is; nil without an errno if it is a value.
func (r *reader) enter(o *object, isRoot bool) (*object, flux.Errno) {
	switch o.kind {
	case typeVal, typeValref:
		return nil, 0
	case typeDirref:
		if len(o.refs) != 1 {
			return nil, flux.ENOTRECOVERABLE
		}
		bad := flux.ENOTRECOVERABLE
		if isRoot {
			bad = flux.EINVAL
		}
		return r.loadDir(o.refs[0], bad)
	}
	return nil, flux.ENOTRECOVERABLE
}
