package kvs_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/kvs"
)

// A guest is kept out of the primary namespace, with an error that says what to do, and uses a namespace of its own.
func TestGuest(t *testing.T) {
	onBoth(t, func(t *testing.T, b instance) {
		ctx := bounded(t)
		_, c := open(t, b)
		g := dial(t, b, 0, flux.WithUserID(1234), flux.WithRoles(flux.RoleUser))
		primary := kvs.Open(g, kvs.Namespace("primary"))
		for what, err := range map[string]error{
			"get":     func() error { _, err := primary.Get(ctx, "a"); return err }(),
			"put":     func() error { _, err := primary.Put(ctx, "a", 1); return err }(),
			"version": func() error { _, err := primary.Version(ctx); return err }(),
			"walk": func() error {
				for _, err := range primary.Walk(ctx, ".") {
					return err
				}
				return nil
			}(),
			"watch": func() error {
				for _, err := range primary.Watch(ctx, "a") {
					return err
				}
				return nil
			}(),
		} {
			if !errors.Is(err, flux.EPERM) || !strings.Contains(err.Error(), "job services") {
				t.Errorf("%s: %v", what, err)
			}
		}
		if err := kvs.CreateNamespace(ctx, g, "x"); !errors.Is(err, flux.EPERM) || !strings.Contains(err.Error(),
			"only the instance owner") {
			t.Errorf("%v", err)
		}
		if _, err := kvs.Namespaces(ctx, g); !errors.Is(err, flux.EPERM) {
			t.Errorf("%v", err)
		}
		name := "guest" + newNamespace(t, c)
		if err := kvs.CreateNamespace(ctx, c, name, kvs.Owner(1234)); err != nil {
			t.Fatal(err)
		}
		s := kvs.Open(g, kvs.Namespace(name))
		large := pattern(3e6)
		must[kvs.Version](t)(s.Txn().Put("a.b", "1").Put("large", large).Append("log", "x").Commit(ctx))
		must[kvs.Version](t)(s.Txn().Append("log", "y").Commit(ctx))
		// What it reads in pieces comes by the streaming lookup.
		for key, want := range map[string][]byte{"large": large, "log": []byte("xy"), "a.b": []byte("1")} {
			r := s.Reader(ctx, key)
			if got, err := io.ReadAll(r); !bytes.Equal(got, want) || err != nil {
				t.Errorf("%s: %d bytes, %v", key, len(got), err)
			}
			r.Close()
		}
		snapshot := must[*kvs.Store](t)(s.Snapshot(ctx))
		must[kvs.Version](t)(s.Delete(ctx, "large"))
		if got := must[[]byte](t)(io.ReadAll(snapshot.Reader(ctx, "large"))); !bytes.Equal(got, large) {
			t.Error("a snapshot's reader differs")
		}
		follow(t, s.Watch(ctx, "log", kvs.Append())).want("=x", "=y")
		if list := must[[]kvs.Entry](t)(s.ReadDir(ctx, ".")); len(list) != 2 {
			t.Errorf("%v", list)
		}
		w := s.Writer(ctx, "large")
		must[int](t)(w.Write(large[:100]))
		if err := w.Close(); err != nil {
			t.Errorf("a small value: %v", err)
		}
		w = s.Writer(ctx, "large")
		if _, err := w.Write(large); !errors.Is(err, flux.EPERM) {
			t.Errorf("a large value: %v", err)
		}
		if _, err := s.Txn().Symlink("l", "a").Commit(ctx); !errors.Is(err, flux.EPERM) || !strings.Contains(err.Error(),
			"guests may not commit symlink") {
			t.Errorf("a link: %v", err)
		}
	})
}
