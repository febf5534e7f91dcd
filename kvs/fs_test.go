package kvs_test

import (
	"errors"
	"io"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/flux-sdk/flux/kvs"
)

func TestFS(t *testing.T) {
	onBoth(t, func(t *testing.T, b instance) {
		ctx := bounded(t)
		s, c := open(t, b)
		other := newNamespace(t, c)
		must[kvs.Version](t)(s.Txn().Put("top", "x").Put("a.b.c", "deep").Put("a.big", pattern(3e6)).Mkdir("a.empty").
			Put("a.sl/ash", "odd").Put("a.per%cent", "odd").Put("a.per%2F", "odd").Put("a.sp ace", "").
			Symlink("a.b.up", "top").Symlink("a.dir", "a.b").Commit(ctx))
		fsys := s.FS(ctx)
		if err := fstest.TestFS(fsys, "top", "a/b/c", "a/big", "a/empty", "a/sl%2Fash", "a/per%25cent", "a/per%252F",
			"a/sp ace", "a/b/up", "a/dir"); err != nil {
			t.Fatal(err)
		}
		// TestFS wants to open everything, which is not for links to nothing.
		must[kvs.Version](t)(s.Txn().Symlink("gone", "nosuch").SymlinkTo("out", other, "k").Commit(ctx))
		var got []string
		if err := fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
			got = append(got, d.Type().String()[:1]+path)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		want := []string{"d.", "da", "da/b", "-a/b/c", "La/b/up", "-a/big", "La/dir", "da/empty", "-a/per%252F",
			"-a/per%25cent",
			"-a/sl%2Fash", "-a/sp ace", "Lgone", "Lout", "-top"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		for name, want := range map[string]string{"a/b/up": "../../top", "a/dir": "../a/b", "gone": "nosuch",
			"out": "namespace:" + other + "/k"} {
			if got := must[string](t)(fs.ReadLink(fsys, name)); got != want {
				t.Errorf("ReadLink %s: %s, want %s", name, got, want)
			}
		}
		if got := must[[]byte](t)(fs.ReadFile(fsys, "a/dir/c")); string(got) != "deep" {
			t.Errorf("%q", got)
		}
		if info := must[fs.FileInfo](t)(fs.Stat(fsys, "a/big")); info.Size() != 3e6 || info.Mode() != 0o444 {
			t.Errorf("%v", info)
		}
		for _, name := range []string{"nosuch", "gone", "top/x", "a.b", "a/%zz", "a/b/c/d"} {
			if _, err := fsys.Open(name); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("Open %s: %v", name, err)
			}
		}
		for _, name := range []string{"", "/top", "top/", "../top"} {
			if _, err := fsys.Open(name); !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("Open %s: %v", name, err)
			}
		}
		f := must[fs.File](t)(fsys.Open("a/big"))
		if n := must[int64](t)(io.Copy(io.Discard, f)); n != 3e6 {
			t.Errorf("%d", n)
		}
		f.Close()
		if _, err := f.Read(make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%v", err)
		}
	})
}
