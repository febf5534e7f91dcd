package kvs

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/flux-sdk/flux"
)

// Type is what a key is.
type Type int

const (
	TypeValue Type = iota
	TypeDir
	TypeLink
)

func (t Type) String() string {
	switch t {
	case TypeValue:
		return "value"
	case TypeDir:
		return "directory"
	case TypeLink:
		return "link"
	}
	return fmt.Sprintf("Type(%d)", int(t))
}

// Entry is what the store has for a key.
type Entry struct {
	Name string // the last word of the key
	Key  string // the key, from the root of the namespace
	Type Type
	// Size is the length of a value in bytes. It is -1 if the entry does not say it, because the value is in the
	// content store, and for directories and links.
	Size int64
	// Target is the key that a link points to, counted from the root of Namespace, or of the link's own namespace if
	// that is "".
	Target, Namespace string

	object object
}

// IsDir reports whether the entry is a directory.
func (e Entry) IsDir() bool { return e.Type == TypeDir }

// Blobs returns the references of the blobs that a value is made of, in order. There are none if the value is in the
// entry itself, see [Entry.Inline].
func (e Entry) Blobs() []BlobRef {
	if e.Type != TypeValue {
		return nil
	}
	return append([]BlobRef(nil), e.object.refs...)
}

// Inline returns the value if it is in the entry itself. The store does that with values of up to 54 bytes. The caller
// must not change it.
func (e Entry) Inline() (data []byte, ok bool) {
	return e.object.data, e.object.kind == typeVal
}

func newEntry(key string, o object) Entry {
	_, name := splitKey(key)
	e := Entry{Name: name, Key: key, Size: -1, object: o}
	switch o.kind {
	case typeDir, typeDirref:
		e.Type = TypeDir
	case typeSymlink:
		e.Type, e.Target, e.Namespace = TypeLink, o.target, o.namespace
	case typeVal:
		e.Size = int64(len(o.data))
	}
	return e
}

// Stat returns what a key is. If it is a link, that is what the link points to, under the name that was asked for.
func (s *Store) Stat(ctx context.Context, key string) (Entry, error) {
	_, _, o, err := s.resolve(ctx, key)
	if err != nil {
		return Entry{}, s.fail("stat", key, err)
	}
	clean, _ := cleanKey(key)
	return newEntry(clean, o), nil
}

// Lstat is Stat that does not follow a link in the last word of the key.
func (s *Store) Lstat(ctx context.Context, key string) (Entry, error) {
	o, err := s.lookup(ctx, key, flagTreeObject)
	if err != nil {
		return Entry{}, s.fail("stat", key, err)
	}
	clean, _ := cleanKey(key)
	return newEntry(clean, o), nil
}

// Readlink returns where a link points to, see [Entry]. The error matches flux.EINVAL if the key is no link.
func (s *Store) Readlink(ctx context.Context, key string) (namespace, target string, err error) {
	o, err := s.lookup(ctx, key, flagReadLink)
	if err != nil {
		return "", "", s.fail("readlink", key, err)
	}
	return o.namespace, o.target, nil
}

// maxLinks is how many links are followed for one key, as by the service.
const maxLinks = 10

// resolve follows links in the last word of a key; the service does it for the others. It returns the store and the key
// that the links lead to, and what is there, which is no link.
func (s *Store) resolve(ctx context.Context, key string) (*Store, string, object, error) {
	for range maxLinks + 1 {
		o, err := s.lookup(ctx, key, flagTreeObject)
		if err != nil || o.kind != typeSymlink {
			return s, key, o, err
		}
		key = o.target
		if o.namespace != "" {
			s = s.in(o.namespace)
		}
	}
	return s, key, object{}, errTooManyLinks
}

var errTooManyLinks = errors.New("too many levels of links")

// ReadDir returns the entries of a directory, sorted by name. The root directory is ".". Links are entries like any
// other. The error matches flux.ENOTDIR if key is a value.
func (s *Store) ReadDir(ctx context.Context, key string) ([]Entry, error) {
	o, err := s.lookup(ctx, key, flagReadDir)
	if err == nil && o.kind != typeDir {
		err = fmt.Errorf("the answer is a %s, expected a dir", o.kind)
	}
	if err != nil {
		return nil, s.fail("readdir", key, err)
	}
	clean, _ := cleanKey(key)
	return entriesOf(clean, &o), nil
}

func entriesOf(dir string, o *object) []Entry {
	list := make([]Entry, 0, len(o.entries))
	for _, name := range o.names() {
		e := newEntry(joinKey(dir, name), o.entries[name])
		e.Name = name
		list = append(list, e)
	}
	return list
}

// Walk returns an iterator over a key and all that is below it: a directory comes before what is in it, and that is
// sorted by name. The root directory is ".". Links are not followed. All of it is read from one root, so what is
// committed meanwhile is not seen.
//
// An error is yielded once. One of the key itself, or of ctx, is the last; one of a directory below comes with that
// directory's entry, and the walk goes on behind it.
func (s *Store) Walk(ctx context.Context, key string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		root, err := s.Snapshot(ctx)
		var top Entry
		if err == nil {
			top, err = root.Lstat(ctx, key)
		}
		if err != nil {
			yield(Entry{}, s.fail("walk", key, err))
			return
		}
		root.walk(ctx, top, yield)
	}
}

// walk yields e and what is below. It reports whether to go on.
func (s *Store) walk(ctx context.Context, e Entry, yield func(Entry, error) bool) bool {
	if !yield(e, nil) {
		return false
	}
	if !e.IsDir() {
		return true
	}
	entries, err := s.ReadDir(ctx, e.Key)
	if err != nil {
		return yield(e, s.fail("walk", e.Key, err)) && ctx.Err() == nil && remoteErrno(err) != 0
	}
	for _, entry := range entries {
		if strings.IndexByte(entry.Name, '.') >= 0 || entry.Name == "" {
			// Such a name can only be stored by hand. No key leads to what is below it.
			if !yield(entry, nil) {
				return false
			}
			continue
		}
		if !s.walk(ctx, entry, yield) {
			return false
		}
	}
	return true
}

// Exists reports whether there is such a key. A link whose target is missing does not exist.
func (s *Store) Exists(ctx context.Context, key string) (bool, error) {
	_, err := s.Stat(ctx, key)
	if errors.Is(err, flux.ENOENT) {
		return false, nil
	}
	return err == nil, err
}
