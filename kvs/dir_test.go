package kvs_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/kvs"
)

func TestDirectories(t *testing.T) {
	onBoth(t, func(t *testing.T, b instance) {
		ctx := bounded(t)
		s, _ := open(t, b)
		big := make([]byte, 100)
		must[kvs.Version](t)(s.Txn().Put("d.b", "bb").Put("d.a", big).Mkdir("d.c").Symlink("d.l", "d.b").
			Symlink("d.gone", "nosuch").Put("d.c.x.y", 1).Put("top", 2).Symlink("dl", "d").Symlink("ll", "dl").Commit(ctx))
		describe := func(e kvs.Entry) string {
			return fmt.Sprintf("%s|%s|%s|%d|%s", e.Name, e.Key, e.Type, e.Size, e.Target)
		}
		var got []string
		for _, e := range must[[]kvs.Entry](t)(s.ReadDir(ctx, "d")) {
			got = append(got, describe(e))
		}
		want := []string{"a|d.a|value|-1|", "b|d.b|value|2|", "c|d.c|directory|-1|", "gone|d.gone|link|-1|nosuch",
			"l|d.l|link|-1|d.b"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		for _, key := range []string{"dl", "ll", "d."} {
			if list := must[[]kvs.Entry](t)(s.ReadDir(ctx, key)); len(list) != 5 {
				t.Errorf("%s: %v", key, list)
			}
		}
		for key, want := range map[string]string{
			".": ".|.|directory|-1|", "d.b": "b|d.b|value|2|", "d.l": "l|d.l|value|2|", "ll": "ll|ll|directory|-1|",
		} {
			if got := describe(must[kvs.Entry](t)(s.Stat(ctx, key))); got != want {
				t.Errorf("Stat %s: %s, want %s", key, got, want)
			}
		}
		if got := describe(must[kvs.Entry](t)(s.Lstat(ctx, "d.l"))); got != "l|d.l|link|-1|d.b" {
			t.Errorf("Lstat: %s", got)
		}
		if _, err := s.Stat(ctx, "d.gone"); !errors.Is(err, flux.ENOENT) {
			t.Errorf("Stat of a link to nothing: %v", err)
		}
		e := must[kvs.Entry](t)(s.Stat(ctx, "d.a"))
		if ref := must[kvs.BlobRef](t)(kvs.RefOf("sha1", big)); len(e.Blobs()) != 1 || e.Blobs()[0] != ref {
			t.Errorf("blobs %v, want %s", e.Blobs(), ref)
		}

		got = nil
		for e, err := range s.Walk(ctx, ".") {
			if err != nil {
				t.Fatal(err)
			}
			if e.Key == "d.a" { // not seen: all is read from one root
				must[kvs.Version](t)(s.Delete(ctx, "d"))
			}
			got = append(got, e.Key)
		}
		want = []string{".", "d", "d.a", "d.b", "d.c", "d.c.x", "d.c.x.y", "d.gone", "d.l", "dl", "ll", "top"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		for e, err := range s.Walk(ctx, "top") {
			if e.Key != "top" || err != nil {
				t.Errorf("%v, %v", e, err)
			}
		}
		for _, err := range s.Walk(ctx, "nosuch") {
			if !errors.Is(err, flux.ENOENT) {
				t.Errorf("%v", err)
			}
		}
	})
}

func TestMoveCopy(t *testing.T) {
	onBoth(t, func(t *testing.T, b instance) {
		ctx := bounded(t)
		s, c := open(t, b)
		other := kvs.Open(c, kvs.Namespace(newNamespace(t, c)))
		must[kvs.Version](t)(s.Txn().Put("d.x", 1).Put("d.y.z", 2).Put("v", 3).Symlink("l", "v").Commit(ctx))
		must[kvs.Version](t)(s.Copy(ctx, "d", "e"))
		must[kvs.Version](t)(s.CopyTo(ctx, "d", other, "f"))
		must[kvs.Version](t)(s.Move(ctx, "v", "d.w"))
		must[kvs.Version](t)(s.Move(ctx, "l", "m"))
		for key, want := range map[string]int{"e.x": 1, "e.y.z": 2, "d.w": 3} {
			if got := must[int](t)(kvs.GetAs[int](ctx, s, key)); got != want {
				t.Errorf("%s: %d", key, got)
			}
		}
		if got := must[int](t)(kvs.GetAs[int](ctx, other, "f.y.z")); got != 2 {
			t.Errorf("%d", got)
		}
		if e := must[kvs.Entry](t)(s.Lstat(ctx, "m")); e.Target != "v" {
			t.Errorf("%+v", e)
		}
		if ok := must[bool](t)(s.Exists(ctx, "v")); ok {
			t.Error("v is still there")
		}
		for _, bad := range [][2]string{{"d", "d"}, {"d", "d.y.d"}, {"d.y", "d"}, {"d", ".d."}, {".", "x"}, {"d", ""}} {
			if _, err := s.Move(ctx, bad[0], bad[1]); !errors.Is(err, kvs.ErrKey) {
				t.Errorf("Move %q %q: %v", bad[0], bad[1], err)
			}
		}
		if _, err := s.Move(ctx, "nosuch", "x"); !errors.Is(err, flux.ENOENT) {
			t.Errorf("%v", err)
		}
		must[int](t)(kvs.GetAs[int](ctx, s, "d.y.z"))
	})
}
