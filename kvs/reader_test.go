package kvs_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/kvs"
)

// pattern is bytes that differ from one MiB to the next.
func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i*31 + i>>20)
	}
	return p
}

func TestReaderWriter(t *testing.T) {
	onBoth(t, func(t *testing.T, b instance) {
		ctx := bounded(t)
		s, _ := open(t, b)
		for _, n := range []int{0, 1, 54, 55, 1<<20 - 1, 1 << 20, 1<<20 + 1, 12e6} {
			want := pattern(n)
			w := s.Writer(ctx, "big")
			if n, err := io.Copy(w, bytes.NewReader(want)); err != nil || n != int64(len(want)) {
				t.Fatalf("%d, %v", n, err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if v := must[kvs.Version](t)(s.Version(ctx)); w.Version() != v {
				t.Errorf("version %d, want %d", w.Version(), v)
			}
			if got := must[[]byte](t)(s.Get(ctx, "big")); !bytes.Equal(got, want) {
				t.Errorf("%d bytes: Get differs", n)
			}
			r := s.Reader(ctx, "big")
			if err := iotest.TestReader(r, want); err != nil && n < 2<<20 {
				t.Errorf("%d bytes: %v", n, err)
			}
			r.Close()
			if _, err := r.Read(make([]byte, 1)); err == nil || err == io.EOF {
				t.Errorf("Read after Close: %v", err)
			}
			r = s.Reader(ctx, "big")
			var got bytes.Buffer
			if n, err := io.Copy(&got, r); err != nil || n != int64(len(want)) || !bytes.Equal(got.Bytes(), want) {
				t.Errorf("WriteTo: %d, %v", n, err)
			}
			r.Close()
		}
		// A value in one blob, and one that was appended to.
		want := pattern(12e6)
		must[kvs.Version](t)(s.Put(ctx, "one", want))
		must[kvs.Version](t)(s.Txn().Append("pieces", "a").Commit(ctx))
		must[kvs.Version](t)(s.Txn().Append("pieces", "b").Append("pieces", "c").Symlink("l", "pieces").Commit(ctx))
		for key, want := range map[string]string{"one": string(want), "pieces": "abc", "l": "abc"} {
			if got := must[[]byte](t)(io.ReadAll(s.Reader(ctx, key))); string(got) != want {
				t.Errorf("%s differs", key)
			}
		}
		// What was found first is read to the end.
		r := s.Reader(ctx, "pieces")
		one := make([]byte, 1)
		must[int](t)(r.Read(one))
		must[kvs.Version](t)(s.Put(ctx, "pieces", "other"))
		if rest := must[[]byte](t)(io.ReadAll(r)); string(one)+string(rest) != "abc" {
			t.Errorf("%q%q", one, rest)
		}
		snapshot := must[*kvs.Store](t)(s.Snapshot(ctx))
		must[kvs.Version](t)(s.Delete(ctx, "one"))
		if got := must[[]byte](t)(io.ReadAll(snapshot.Reader(ctx, "one"))); !bytes.Equal(got, want) {
			t.Error("a snapshot's reader differs")
		}
		must[kvs.Version](t)(s.Txn().Mkdir("d").Commit(ctx))
		for key, want := range map[string]error{"nosuch": flux.ENOENT, "d": flux.EISDIR, "": kvs.ErrKey} {
			if _, err := s.Reader(ctx, key).Read(one); !errors.Is(err, want) {
				t.Errorf("%q: %v, want %v", key, err, want)
			}
		}
		// A writer that is not closed, or whose ctx has ended, changes nothing.
		ended, cancel := context.WithCancel(ctx)
		w := s.Writer(ended, "pieces")
		must[int](t)(w.Write(want[:3<<20]))
		cancel()
		if err := w.Close(); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		if _, err := w.Write(one); err == nil {
			t.Error("Write after Close")
		}
		if got := must[string](t)(kvs.GetAs[string](ctx, s, "pieces")); got != "other" {
			t.Errorf("%q", got)
		}
		if _, err := s.Writer(ctx, ".").Write(one); !errors.Is(err, kvs.ErrKey) {
			t.Errorf("%v", err)
		}
	})
}

func TestBlobs(t *testing.T) {
	onBoth(t, func(t *testing.T, b instance) {
		ctx := bounded(t)
		_, c := open(t, b)
		for _, data := range [][]byte{nil, []byte("hello"), pattern(3e6)} {
			ref := must[kvs.BlobRef](t)(kvs.StoreBlob(ctx, c, data))
			if want := must[kvs.BlobRef](t)(kvs.RefOf("sha1", data)); ref != want {
				t.Errorf("%s, want %s", ref, want)
			}
			if got := must[[]byte](t)(kvs.LoadBlob(ctx, dial(t, b, 3), ref)); !bytes.Equal(got, data) {
				t.Errorf("%d bytes: LoadBlob differs", len(data))
			}
		}
	})
}

func TestBlobRef(t *testing.T) {
	if ref, err := kvs.RefOf("sha1", []byte("hello")); ref != "sha1-aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d" ||
		err != nil {
		t.Errorf("%s, %v", ref, err)
	}
	want := kvs.BlobRef("sha256-2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
	if ref, err := kvs.RefOf("sha256", []byte("hello")); ref != want || err != nil {
		t.Errorf("%s, %v", ref, err)
	}
	if _, err := kvs.RefOf("md5", nil); err == nil {
		t.Error("md5 was accepted")
	}
	for _, good := range []string{"sha1-aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d", string(want)} {
		if ref, err := kvs.ParseBlobRef(good); string(ref) != good || err != nil {
			t.Errorf("%s: %s, %v", good, ref, err)
		}
	}
	for _, bad := range []string{"", "-", "sha1", "sha1-", "sha1-aaf4", "md5-aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d",
		"sha1-AAF4c61ddcc5e8a2dabede0f3b482cd9aea9434d", "sha1-xaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d",
		"sha256-aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"} {
		if ref, err := kvs.ParseBlobRef(bad); err == nil {
			t.Errorf("%q: %s", bad, ref)
		}
	}
}
