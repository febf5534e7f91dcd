package kvs_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/kvs"
)

// patience is how long a test waits for what must come.
const patience = 60 * time.Second

// must fails the test on an error and returns the value.
func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestPutGet(t *testing.T) {
	onBoth(t, func(t *testing.T, b instance) {
		ctx := bounded(t)
		s, _ := open(t, b)
		large := strings.Repeat("x", 1<<20)
		for _, c := range []struct {
			key  string
			v    any
			want string
		}{
			{"bytes", []byte{0, 1, 255}, "\x00\x01\xff"},
			{"text", "a text", "a text"},
			{"empty", "", ""},
			{"nil bytes", []byte(nil), ""},
			{"json", map[string]any{"a": 1, "<": "&"}, `{"<":"&","a":1}`},
			{"null", nil, "null"},
			{"number", 42, "42"},
			{"large", large, large},
			{"54", large[:54], large[:54]},
			{"55", large[:55], large[:55]},
			{"a.b.c", "deep", "deep"},
			{"ü.日本", "unicode", "unicode"},
			{"sp ace./slash/\"quote\"", "odd", "odd"},
		} {
			v := must[kvs.Version](t)(s.Put(ctx, c.key, c.v))
			got, err := s.Get(ctx, c.key)
			if string(got) != c.want || err != nil {
				t.Errorf("Get %q = %.80q, %v, want %.80q", c.key, got, err, c.want)
			}
			if now := must[kvs.Version](t)(s.Version(ctx)); now != v {
				t.Errorf("version %d after a commit that made %d", now, v)
			}
		}
		if got := must[map[string]any](t)(kvs.GetAs[map[string]any](ctx, s, "json")); got["<"] != "&" {
			t.Errorf("%v", got)
		}
		if got := must[string](t)(kvs.GetAs[string](ctx, s, "text")); got != "a text" {
			t.Errorf("%q", got)
		}
		if got := must[[]byte](t)(kvs.GetAs[[]byte](ctx, s, "bytes")); string(got) != "\x00\x01\xff" {
			t.Errorf("%q", got)
		}
		if _, err := kvs.GetAs[int](ctx, s, "text"); err == nil || !strings.Contains(err.Error(), `"a text"`) {
			t.Errorf("GetAs of a text as int: %v", err)
		}
		// The keys that the service reads alike.
		for _, key := range []string{"a.b.c", ".a.b.c", "a..b.c", "a.b.c."} {
			if got := must[[]byte](t)(s.Get(ctx, key)); string(got) != "deep" {
				t.Errorf("%q: %q", key, got)
			}
		}
		must[kvs.Version](t)(s.Delete(ctx, "a"))
		if _, err := s.Get(ctx, "a.b.c"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after Delete of a directory: %v", err)
		}
		must[kvs.Version](t)(s.Delete(ctx, "nosuch"))
	})
}

func TestErrors(t *testing.T) {
	onBoth(t, func(t *testing.T, b instance) {
		ctx := bounded(t)
		s, c := open(t, b)
		must[kvs.Version](t)(s.Txn().Put("v", 1).Mkdir("d").Symlink("l", "v").Symlink("loop", "loop").Commit(ctx))
		none := kvs.Open(c, kvs.Namespace("nosuch"))
		_, err := s.Get(ctx, "nosuch")
		var e *kvs.Error
		if !errors.As(err, &e) || e.Key != "nosuch" || e.Namespace != s.Name() || e.Op != "get" {
			t.Errorf("%#v", err)
		}
		if want := `kvs: get "nosuch" in namespace "` + s.Name() + `": kvs.lookup: `; !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s...", err, want)
		}
		snapshot := must[*kvs.Store](t)(s.Snapshot(ctx))
		for _, c := range []struct {
			name string
			do   func() error
			want error
		}{
			{"get nosuch", func() error { _, err := s.Get(ctx, "nosuch"); return err }, flux.ENOENT},
			{"get dir", func() error { _, err := s.Get(ctx, "d"); return err }, flux.EISDIR},
			{"get root", func() error { _, err := s.Get(ctx, "."); return err }, flux.EISDIR},
			{"get empty key", func() error { _, err := s.Get(ctx, ""); return err }, kvs.ErrKey},
			{"get NUL", func() error { _, err := s.Get(ctx, "a\x00"); return err }, kvs.ErrKey},
			{"get not UTF-8", func() error { _, err := s.Get(ctx, "a\xff"); return err }, kvs.ErrKey},
			{"get loop", func() error { _, err := s.Get(ctx, "loop"); return err }, flux.ELOOP},
			{"put empty key", func() error { _, err := s.Put(ctx, "", 1); return err }, kvs.ErrKey},
			{"put root", func() error { _, err := s.Put(ctx, "..", 1); return err }, kvs.ErrKey},
			{"put link to nothing", func() error { _, err := s.Txn().Symlink("a", "").Commit(ctx); return err }, kvs.ErrKey},
			{"delete root", func() error { _, err := s.Delete(ctx, "."); return err }, kvs.ErrKey},
			{"readdir value", func() error { _, err := s.ReadDir(ctx, "v"); return err }, flux.ENOTDIR},
			{"readlink value", func() error { _, _, err := s.Readlink(ctx, "v"); return err }, flux.EINVAL},
			{"append to dir", func() error { _, err := s.Txn().Append("d", "x").Commit(ctx); return err }, flux.EISDIR},
			{"append to link", func() error { _, err := s.Txn().Append("l", "x").Commit(ctx); return err }, flux.EOPNOTSUPP},
			{"sync in a namespace", func() error { _, err := s.Txn().Commit(ctx, kvs.Sync()); return err }, flux.EINVAL},
			{"no namespace: get", func() error { _, err := none.Get(ctx, "a"); return err }, kvs.ErrNoNamespace},
			{"no namespace: put", func() error { _, err := none.Put(ctx, "a", 1); return err }, kvs.ErrNoNamespace},
			{"no namespace: append", func() error { _, err := none.Txn().Append("a", "1").Commit(ctx); return err },
				kvs.ErrNoNamespace},
			{"no namespace: version", func() error { _, err := none.Version(ctx); return err }, kvs.ErrNoNamespace},
			{"no namespace: wait", func() error { return none.WaitVersion(ctx, 1) }, kvs.ErrNoNamespace},
			{"no namespace: errno", func() error { _, err := none.Get(ctx, "a"); return err }, flux.EOPNOTSUPP},
			{"empty namespace", func() error { _, err := kvs.Open(c, kvs.Namespace("")).Get(ctx, "a"); return err }, kvs.ErrKey},
			{"snapshot: put", func() error { _, err := snapshot.Put(ctx, "a", 1); return err }, kvs.ErrSnapshot},
			{"snapshot: write", func() error { _, err := snapshot.Writer(ctx, "a").Write([]byte("x")); return err },
				kvs.ErrSnapshot},
			{"create primary", func() error { return kvs.CreateNamespace(ctx, c, "primary") }, flux.EEXIST},
			{"create empty", func() error { return kvs.CreateNamespace(ctx, c, "") }, kvs.ErrKey},
			{"create long", func() error { return kvs.CreateNamespace(ctx, c, strings.Repeat("n", 234)) }, kvs.ErrKey},
			{"remove primary", func() error { return kvs.RemoveNamespace(ctx, c, "Primary") }, flux.EOPNOTSUPP},
			{"blob", func() error { _, err := kvs.LoadBlob(ctx, c, kvs.BlobRef("sha1-"+strings.Repeat("0", 40))); return err },
				flux.ENOENT},
		} {
			if err := c.do(); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", c.name, err, c.want)
			}
		}
		_, err = s.Txn().Append("l", "x").Commit(ctx)
		if errors.Is(err, kvs.ErrNoNamespace) {
			t.Errorf("appending to a link: %v", err)
		}
		if _, err := s.Txn().Put("f", func() {}).Put("", 1).Commit(ctx); err == nil || !strings.Contains(err.Error(),
			"func()") {
			t.Errorf("a function: %v", err)
		}
		if _, err := s.Put(ctx, "f", "a\xff"); err == nil || !strings.Contains(err.Error(), "UTF-8") {
			t.Errorf("a text that is not UTF-8: %v", err)
		}
		if list := must[[]kvs.Entry](t)(s.ReadDir(ctx, ".")); len(list) != 4 {
			t.Errorf("%v", list)
		}
	})
}

func TestTxn(t *testing.T) {
	onBoth(t, func(t *testing.T, b instance) {
		ctx := bounded(t)
		s, c := open(t, b)
		other := kvs.Open(c, kvs.Namespace(newNamespace(t, c)))
		must[kvs.Version](t)(other.Put(ctx, "x.y", "there"))
		must[kvs.Version](t)(s.Txn().
			PutText("a", "1").PutBytes("b", []byte("2")).Append("log", "x").Append("log", "y").Mkdir("d.e").
			Symlink("l", "a").SymlinkTo("far", other.Name(), "x").Put("gone", 1).Delete("gone").
			Commit(ctx, kvs.NoMerge(), kvs.Compact()))
		for key, want := range map[string]string{"a": "1", "b": "2", "log": "xy", "l": "1", "far.y": "there"} {
			if got, err := s.Get(ctx, key); string(got) != want || err != nil {
				t.Errorf("%s: %q, %v", key, got, err)
			}
		}
		ns, target, err := s.Readlink(ctx, "far")
		if ns != other.Name() || target != "x" || err != nil {
			t.Errorf("Readlink: %q %q %v", ns, target, err)
		}
		// Writing through a link is to the key that it leads to, but not in another namespace.
		must[kvs.Version](t)(s.Txn().Symlink("dl", "d").Put("dl.new", 1).Commit(ctx))
		must[[]byte](t)(s.Get(ctx, "d.new"))
		if _, err := s.Put(ctx, "far.z", 1); !errors.Is(err, flux.EINVAL) {
			t.Errorf("writing into another namespace: %v", err)
		}
		// All or nothing.
		if _, err := s.Txn().Put("never", 1).Append("d", "x").Commit(ctx); !errors.Is(err, flux.EISDIR) {
			t.Errorf("%v", err)
		}
		if ok := must[bool](t)(s.Exists(ctx, "never")); ok {
			t.Error("half a transaction was made")
		}
		// A value on the way becomes a directory, and an empty transaction a version.
		v1 := must[kvs.Version](t)(s.Put(ctx, "a.sub", "deeper"))
		v2 := must[kvs.Version](t)(s.Txn().Commit(ctx))
		if v2 <= v1 {
			t.Errorf("version %d after %d", v2, v1)
		}
		must[kvs.Version](t)(kvs.Open(c, kvs.Namespace("primary")).Txn().Put("synced", 1).Commit(ctx, kvs.Sync()))
	})
}

func TestVersions(t *testing.T) {
	onBoth(t, func(t *testing.T, b instance) {
		ctx := bounded(t)
		s, c := open(t, b)
		far := kvs.Open(dial(t, b, 3), kvs.Namespace(s.Name()))
		alsoFar := kvs.Open(c, kvs.Namespace(s.Name()), kvs.AtRank(2))
		for i := range 50 {
			v := must[kvs.Version](t)(s.Put(ctx, "n", i))
			for _, other := range []*kvs.Store{far, alsoFar} {
				if err := other.WaitVersion(ctx, v); err != nil {
					t.Fatal(err)
				}
				if got := must[int](t)(kvs.GetAs[int](ctx, other, "n")); got != i {
					t.Fatalf("%d at another rank after WaitVersion(%d), want %d", got, v, i)
				}
			}
		}
		// A commit through another rank has its own version, and is seen there at once.
		for i, other := range []*kvs.Store{far, alsoFar, far} {
			before := must[kvs.Version](t)(s.Version(ctx))
			v := must[kvs.Version](t)(other.Put(ctx, "far", i))
			if v <= before {
				t.Errorf("version %d after %d", v, before)
			}
			if got := must[int](t)(kvs.GetAs[int](ctx, other, "far")); got != i {
				t.Errorf("%d where it was put, want %d", got, i)
			}
			if err := s.WaitVersion(ctx, v); err != nil {
				t.Fatal(err)
			}
			if got := must[int](t)(kvs.GetAs[int](ctx, s, "far")); got != i {
				t.Errorf("%d at rank 0, want %d", got, i)
			}
		}
		must[kvs.Version](t)(s.Delete(ctx, "far"))
		snapshot := must[*kvs.Store](t)(s.Snapshot(ctx))
		root := must[kvs.Root](t)(s.Root(ctx))
		must[kvs.Version](t)(s.Put(ctx, "n", "later"))
		must[kvs.Version](t)(s.Delete(ctx, "n"))
		for _, old := range []*kvs.Store{snapshot, s.At(root.Ref), far.At(root.Ref)} {
			if got := must[int](t)(kvs.GetAs[int](ctx, old, "n")); got != 49 {
				t.Errorf("%d in a snapshot, want 49", got)
			}
			if list := must[[]kvs.Entry](t)(old.ReadDir(ctx, ".")); len(list) != 1 {
				t.Errorf("%v", list)
			}
		}
		if root.Namespace != s.Name() || root.Version <= 0 {
			t.Errorf("%+v", root)
		}
		if _, err := s.At("sha1-77").Get(ctx, "n"); err == nil || !strings.Contains(err.Error(), "40 hexadecimal digits") {
			t.Errorf("%v", err)
		}
		if err := s.WaitVersion(ctx, -1); err == nil {
			t.Error("a negative version was accepted")
		}
	})
}

func TestNamespaces(t *testing.T) {
	onBoth(t, func(t *testing.T, b instance) {
		ctx := bounded(t)
		s, c := open(t, b)
		must[kvs.Version](t)(s.Put(ctx, "a", 1))
		root := must[kvs.Root](t)(s.Root(ctx))
		if err := kvs.CreateNamespace(ctx, c, "copy", kvs.StartAt(root.Ref), kvs.Owner(4242)); err != nil {
			t.Fatal(err)
		}
		if err := kvs.CreateNamespace(ctx, c, "copy"); !errors.Is(err, flux.EEXIST) {
			t.Errorf("%v", err)
		}
		clone := kvs.Open(c, kvs.Namespace("copy"))
		if got := must[int](t)(kvs.GetAs[int](ctx, clone, "a")); got != 1 {
			t.Errorf("%d", got)
		}
		names := make(map[string]uint32)
		for _, n := range must[[]kvs.NamespaceInfo](t)(kvs.Namespaces(ctx, dial(t, b, 1))) {
			names[n.Name] = n.Owner
		}
		owner := must[kvs.Root](t)(s.Root(ctx)).Owner
		for name, want := range map[string]uint32{"primary": owner, s.Name(): owner, "copy": 4242} {
			if got, ok := names[name]; !ok || got != want {
				t.Errorf("owner of %s: %d, %v, want %d", name, got, ok, want)
			}
		}
		// The environment says which namespace is meant if nothing else does.
		t.Setenv("FLUX_KVS_NAMESPACE", "copy")
		if got := kvs.Open(c).Name(); got != "copy" {
			t.Errorf("%q", got)
		}
		waits := make(chan error, 1)
		go func() { waits <- clone.WaitVersion(ctx, 1000) }()
		for range 2 {
			if err := kvs.RemoveNamespace(ctx, c, "copy"); err != nil {
				t.Error(err)
			}
		}
		if err := <-waits; !errors.Is(err, kvs.ErrNoNamespace) {
			t.Errorf("waiting in a namespace that is removed: %v", err)
		}
	})
}
