package kvs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/internal/capture/golden"
	"github.com/flux-sdk/flux/kvs"
)

// The calls of this package send what the recorded clients of a real instance sent, and make of its answers what these
// say.
func TestReplay(t *testing.T) {
	replays := map[string]func(t *testing.T, r *recorded){
		"kvs-basic": replayBasic, "kvs-cli": replayCLI, "kvs-misc": replayMisc, "kvs-namespace": replayNamespace,
		"kvs-watch": replayWatch, "content": replayContent, "kvs-blob": replayBlob, "kvs-eventlog": replayEventlog,
		"kvs-large": replayLarge, "kvs-namespace2": replayNamespace2, "kvs-version": replayVersion,
		"kvs-watch-append": replayAppend, "kvs-watch-full": replayFull, "kvs-watch-uniq": replayUnique,
		"kvs-watch-waitcreate": replayWaitCreate,
	}
	for _, name := range golden.Names() {
		if strings.HasPrefix(name, "kvs-") && replays[name] == nil {
			t.Errorf("%s is not replayed", name)
		}
	}
	for name, replay := range replays {
		t.Run(name, func(t *testing.T) { replay(t, load(t, name)) })
	}
}

func replayBasic(t *testing.T, r *recorded) {
	ctx, s := t.Context(), kvs.Open(r, kvs.Namespace("primary"))
	v, err := s.Txn().PutBytes("scn.key", []byte(`{"a":1}`)).PutBytes("scn.raw", []byte{0, 1, 254}).
		Symlink("scn.link", "scn.key").Mkdir("scn.dir").Append("scn.app", "x").Commit(ctx)
	if v != 4 || err != nil {
		t.Errorf("%d, %v", v, err)
	}
	if got := must[map[string]int](t)(kvs.GetAs[map[string]int](ctx, s, "scn.key")); got["a"] != 1 {
		t.Errorf("%v", got)
	}
	var names []string
	for _, e := range must[[]kvs.Entry](t)(s.ReadDir(ctx, "scn")) {
		names = append(names, e.Name+" "+e.Type.String())
	}
	if got := strings.Join(names, ","); got != "app value,dir directory,key value,link link,raw value" {
		t.Errorf("%s", got)
	}
	if e := must[kvs.Entry](t)(s.Lstat(ctx, "scn")); !e.IsDir() {
		t.Errorf("%+v", e)
	}
	if _, target, err := s.Readlink(ctx, "scn.link"); target != "scn.key" || err != nil {
		t.Errorf("%s, %v", target, err)
	}
	for key, want := range map[string]error{"scn.nokey": flux.ENOENT, "scn.dir": flux.EISDIR} {
		if _, err := s.Get(ctx, key); !errors.Is(err, want) {
			t.Errorf("%s: %v", key, err)
		}
	}
	if _, err := s.ReadDir(ctx, "scn.key"); !errors.Is(err, flux.ENOTDIR) {
		t.Errorf("%v", err)
	}
	if v := must[kvs.Version](t)(s.Delete(ctx, "scn.raw")); v != 5 {
		t.Errorf("%d", v)
	}
	root := must[kvs.Root](t)(s.Root(ctx))
	if root.Version != 5 || root.Ref != "sha1-c1b269e0074e8edc325ba5e6010d6f54489c8936" {
		t.Errorf("%+v", root)
	}
	r.done()
}

func replayCLI(t *testing.T, r *recorded) {
	ctx, s := t.Context(), kvs.Open(r, kvs.Namespace("primary"))
	for i, txn := range []*kvs.Txn{s.Txn().Append("app", "x"), s.Txn().Put("raw", ""), s.Txn().Put("nm", "1"),
		s.Txn().Put("s", "1"),
		s.Txn().Mkdir("d"), s.Txn().Symlink("ln", "raw"), s.Txn().Delete("d")} {
		opts := map[int][]kvs.CommitOption{2: {kvs.NoMerge()}, 3: {kvs.Sync()}}[i]
		if v, err := txn.Commit(ctx, opts...); v != kvs.Version(28+i) || err != nil {
			t.Errorf("%d: version %d, %v", i, v, err)
		}
	}
	must[kvs.Entry](t)(s.Lstat(ctx, "."))
	must[kvs.Entry](t)(s.Lstat(ctx, "d"))
	for range 2 {
		must[[]kvs.Entry](t)(s.ReadDir(ctx, "."))
	}
	must[kvs.Entry](t)(func() (kvs.Entry, error) { _, _, err := s.Readlink(ctx, "ln"); return kvs.Entry{}, err }())
	for key, want := range map[string]string{"app": "x", "nm": "1", "raw": "", "s": "1"} {
		if got := must[string](t)(kvs.GetAs[string](ctx, s, key)); got != want {
			t.Errorf("%s: %q", key, got)
		}
	}
	must[string](t)(kvs.GetAs[string](ctx, s, "s"))
	if _, err := s.Get(ctx, "--at"); !errors.Is(err, flux.ENOENT) {
		t.Errorf("%v", err)
	}
	for range 3 {
		must[kvs.Root](t)(s.Root(ctx))
	}
	if err := s.WaitVersion(ctx, 1); err != nil {
		t.Error(err)
	}
	follow(t, kvs.Open(noRoots{r}, kvs.Namespace("primary")).Watch(ctx, "s")).want("=1", "end")
	r.done()
}

func replayMisc(t *testing.T, r *recorded) {
	ctx, s := t.Context(), kvs.Open(r, kvs.Namespace("primary"))
	if v := must[kvs.Version](t)(s.Version(ctx)); v != 27 {
		t.Errorf("%d", v)
	}
	if _, err := kvs.Open(r, kvs.Namespace("nope")).Version(ctx); !errors.Is(err, kvs.ErrNoNamespace) {
		t.Errorf("%v", err)
	}
	list := must[[]kvs.NamespaceInfo](t)(kvs.Namespaces(ctx, r))
	if len(list) != 1 || list[0] != (kvs.NamespaceInfo{Name: "primary"}) {
		t.Errorf("%v", list)
	}
	if err := kvs.RemoveNamespace(ctx, r, "scnns"); err != nil {
		t.Error(err)
	}
	if got := must[map[string]any](t)(kvs.GetAs[map[string]any](ctx, s, "resource.R")); got["version"] != 1.0 {
		t.Errorf("%v", got)
	}
	r.done("kvs.namespace-create") // without a rootref, which this package always sends
}

func replayNamespace(t *testing.T, r *recorded) {
	ctx := t.Context()
	if err := kvs.CreateNamespace(ctx, r, "scnns"); err != nil {
		t.Error(err)
	}
	if err := kvs.CreateNamespace(ctx, r, "scnns"); !errors.Is(err, flux.EEXIST) {
		t.Errorf("%v", err)
	}
	s := kvs.Open(r, kvs.Namespace("scnns"))
	put(t, ctx, s, "a", "1")
	must[[]byte](t)(s.Get(ctx, "a"))
	must[kvs.Root](t)(s.Root(ctx))
	if list := must[[]kvs.NamespaceInfo](t)(kvs.Namespaces(ctx, r)); len(list) != 2 {
		t.Errorf("%v", list)
	}
	if err := kvs.RemoveNamespace(ctx, r, "scnns"); err != nil {
		t.Error(err)
	}
	none := kvs.Open(r, kvs.Namespace("nonexist"))
	if _, err := none.Get(ctx, "a"); !errors.Is(err, kvs.ErrNoNamespace) {
		t.Errorf("%v", err)
	}
	if _, err := none.Put(ctx, "a", "1"); !errors.Is(err, kvs.ErrNoNamespace) {
		t.Errorf("%v", err)
	}
	r.done()
}

func replayWatch(t *testing.T, r *recorded) {
	ctx, s := t.Context(), kvs.Open(noRoots{r}, kvs.Namespace("primary"))
	for _, v := range []string{"1", "2"} {
		put(t, ctx, s, "scnw.key", v)
	}
	follow(t, s.Watch(ctx, "scnw.key")).want("=1", "=2", "end")
	follow(t, s.Watch(ctx, "scnw.missing")).want("missing", "end")
	put(t, ctx, s, "scnw.later", "L")
	follow(t, s.Watch(ctx, "scnw.later", kvs.WaitCreate())).want("=L", "deleted")
	must[kvs.Version](t)(s.Delete(ctx, "scnw.later"))
	for _, v := range []string{"a", "b"} {
		must[kvs.Version](t)(s.Txn().Append("scnw.app", v).Commit(ctx))
	}
	follow(t, s.Watch(ctx, "scnw.app", kvs.Append())).want("=a", "=b", "end")
	r.done()
}

func replayContent(t *testing.T, r *recorded) {
	ctx := t.Context()
	const ref = "sha1-aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"
	if got := must[kvs.BlobRef](t)(kvs.StoreBlob(ctx, r, []byte("hello"))); got != ref {
		t.Errorf("%s", got)
	}
	if got := must[[]byte](t)(kvs.LoadBlob(ctx, r, ref)); string(got) != "hello" {
		t.Errorf("%q", got)
	}
	if _, err := kvs.LoadBlob(ctx, r, kvs.BlobRef("sha1-"+strings.Repeat("0", 40))); !errors.Is(err, flux.ENOENT) {
		t.Errorf("%v", err)
	}
	r.done("content.hash")
}

func replayBlob(t *testing.T, r *recorded) {
	ctx, s := t.Context(), kvs.Open(r, kvs.Namespace("primary"))
	root := must[kvs.Root](t)(s.Root(ctx))
	snapshot := must[*kvs.Store](t)(s.Snapshot(ctx))
	if got := must[string](t)(kvs.GetAs[string](ctx, snapshot, "cap.b")); got != "2" {
		t.Errorf("%q", got)
	}
	for range 2 {
		if got := must[[]byte](t)(kvs.LoadBlob(ctx, r, root.Ref)); !bytes.HasPrefix(got, []byte(`{"data":{"admin":`)) {
			t.Errorf("%q", got)
		}
	}
	must[kvs.BlobRef](t)(kvs.StoreBlob(ctx, r, []byte("hello")))
	if _, err := kvs.LoadBlob(ctx, r, kvs.BlobRef("sha1-"+strings.Repeat("0", 40))); !errors.Is(err, flux.ENOENT) {
		t.Errorf("%v", err)
	}
	r.done("content.hash")
}

func replayEventlog(t *testing.T, r *recorded) {
	ctx, s := t.Context(), kvs.Open(noRoots{r}, kvs.Namespace("primary"))
	for _, line := range []string{`{"timestamp":1795883819.7698317,"name":"foo","context":{"a":1}}`,
		`{"timestamp":1795883819.7890763,"name":"bar"}`} {
		var e kvs.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		must[kvs.Version](t)(s.AppendEvent(ctx, "e.log", e))
	}
	for range 2 {
		if list := must[[]kvs.Event](t)(s.Eventlog(ctx, "e.log")); len(list) != 5 || list[4].Name != "bar" {
			t.Errorf("%v", list)
		}
	}
	for range 3 {
		var names []string
		for e, err := range s.FollowEventlog(ctx, "e.log") {
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, e.Name)
		}
		if got := strings.Join(names, " "); got != "foo bar baz foo bar" {
			t.Errorf("%s", got)
		}
	}
	r.done()
}

func replayLarge(t *testing.T, r *recorded) {
	ctx, s := t.Context(), kvs.Open(r, kvs.Namespace("primary"))
	must[kvs.Version](t)(s.Txn().Put("cap.a", "1").Put("cap.b", "2").Commit(ctx))
	must[kvs.Version](t)(s.Txn().Append("cap.a", "3").Commit(ctx))
	if e := must[kvs.Entry](t)(s.Lstat(ctx, "cap.a")); len(e.Blobs()) != 2 || e.Size != -1 {
		t.Errorf("%+v", e)
	}
	if e := must[kvs.Entry](t)(s.Lstat(ctx, "cap.big")); len(e.Blobs()) != 1 ||
		e.Blobs()[0] != must[kvs.BlobRef](t)(kvs.RefOf("sha1", bytes.Repeat([]byte("y"), 100000))) {
		t.Errorf("%+v", e)
	}
	must[kvs.Entry](t)(s.Lstat(ctx, "cap"))
	must[kvs.Root](t)(s.Root(ctx))
	if list := must[[]kvs.Entry](t)(s.ReadDir(ctx, "cap")); len(list) != 3 {
		t.Errorf("%v", list)
	}
	for key, want := range map[string]string{"cap.a": "13", "cap.b": "2"} {
		if got := must[string](t)(kvs.GetAs[string](ctx, s, key)); got != want {
			t.Errorf("%s: %q", key, got)
		}
	}
	r.done("kvs.commit ", `"key":"cap.big","namespace":"primary","flags":0`) // known by their digest alone
}

func replayNamespace2(t *testing.T, r *recorded) {
	ctx, conn := t.Context(), noRoots{r}
	s, n1 := kvs.Open(conn, kvs.Namespace("primary")), kvs.Open(conn, kvs.Namespace("n1"))
	for _, name := range []string{"n1", "n2"} {
		if err := kvs.CreateNamespace(ctx, r, name); err != nil {
			t.Error(err)
		}
	}
	if err := kvs.CreateNamespace(ctx, r, "n1"); !errors.Is(err, flux.EEXIST) {
		t.Errorf("%v", err)
	}
	put(t, ctx, n1, "a", "1")
	must[[]byte](t)(n1.Get(ctx, "a"))
	must[kvs.Version](t)(s.Txn().SymlinkTo("l", "n1", "a").Commit(ctx))
	must[[]byte](t)(s.Get(ctx, "l"))
	if ns, target, err := s.Readlink(ctx, "l"); ns != "n1" || target != "a" || err != nil {
		t.Errorf("%q %q %v", ns, target, err)
	}
	if list := must[[]kvs.NamespaceInfo](t)(kvs.Namespaces(ctx, r)); len(list) != 3 {
		t.Errorf("%v", list)
	}
	put(t, ctx, s, "wc.m", "9")
	follow(t, n1.Watch(ctx, "a")).want("=1", "no namespace", "end")
	if err := kvs.CreateNamespace(ctx, r, "n3", kvs.Owner(1234)); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"n1", "n2", "n3", "n3"} {
		if err := kvs.RemoveNamespace(ctx, r, name); err != nil {
			t.Error(err)
		}
	}
	if _, err := kvs.Open(r, kvs.Namespace("n1")).Get(ctx, "a"); !errors.Is(err, kvs.ErrNoNamespace) {
		t.Errorf("%v", err)
	}
	r.done()
}

func replayVersion(t *testing.T, r *recorded) {
	ctx, s := t.Context(), kvs.Open(r, kvs.Namespace("primary"))
	must[kvs.Version](t)(s.Version(ctx))
	if err := s.WaitVersion(ctx, 1); err != nil {
		t.Error(err)
	}
	last := kvs.Version(1517)
	for i, value := range []string{"1", "2", "3", "4"} {
		opts := map[int][]kvs.CommitOption{0: {kvs.Sync()}, 1: {kvs.NoMerge()}}[i]
		if v := must[kvs.Version](t)(s.Txn().Put("s", value).Commit(ctx, opts...)); v != last+1 {
			t.Errorf("%d after %d", v, last)
		}
		last++
	}
	must[kvs.Version](t)(s.Txn().Mkdir("d.e.f").Commit(ctx))
	must[kvs.Entry](t)(s.Lstat(ctx, "d"))
	must[kvs.Entry](t)(s.Lstat(ctx, "d"))
	if list := must[[]kvs.Entry](t)(s.ReadDir(ctx, "d")); len(list) != 1 || list[0].Key != "d.e" {
		t.Errorf("%v", list)
	}
	must[kvs.Version](t)(s.Delete(ctx, "d"))
	if _, err := s.Stat(ctx, "nosuch"); !errors.Is(err, flux.ENOENT) {
		t.Errorf("%v", err)
	}
	must[kvs.Version](t)(s.Copy(ctx, "t", "u"))
	var e kvs.Event
	if err := json.Unmarshal([]byte(`{"timestamp":1795883820.3662052,"name":"baz"}`), &e); err != nil {
		t.Fatal(err)
	}
	must[kvs.Version](t)(s.AppendEvent(ctx, "e.log", e))
	// flux kvs move makes two commits of what is one here.
	must[kvs.Entry](t)(s.Lstat(ctx, "s"))
	must[kvs.Version](t)(s.Txn().PutBytes("t", []byte("4")).Commit(ctx))
	must[kvs.Version](t)(s.Delete(ctx, "s"))
	r.done()
}

func replayAppend(t *testing.T, r *recorded) {
	ctx, s := t.Context(), kvs.Open(noRoots{r}, kvs.Namespace("primary"))
	put(t, ctx, s, "w.z", "a")
	for _, piece := range []string{"b", "c"} {
		must[kvs.Version](t)(s.Txn().Append("w.z", piece).Commit(ctx))
	}
	put(t, ctx, s, "w.z", "d")
	follow(t, s.Watch(ctx, "w.z", kvs.Append())).want("=a", "=b", "=c", "overwritten", "end")
	r.done()
}

func replayFull(t *testing.T, r *recorded) {
	ctx, s := t.Context(), kvs.Open(noRoots{r}, kvs.Namespace("primary"))
	for _, v := range []string{"1", "2", "2"} {
		put(t, ctx, s, "w.x", v)
	}
	put(t, ctx, s, "w.y", "1")
	must[kvs.Entry](t)(s.Lstat(ctx, "w"))
	must[kvs.Version](t)(s.Delete(ctx, "w"))
	follow(t, s.Watch(ctx, "w.x", kvs.Full())).want("=1", "=2", "deleted")
	r.done()
}

func replayUnique(t *testing.T, r *recorded) {
	ctx, s := t.Context(), kvs.Open(noRoots{r}, kvs.Namespace("primary"))
	for _, v := range []string{"1", "1", "1", "2"} {
		put(t, ctx, s, "w.x", v)
	}
	follow(t, s.Watch(ctx, "w.x", kvs.Unique())).want("=1", "=2", "end")
	r.done()
}

func replayWaitCreate(t *testing.T, r *recorded) {
	ctx, s := t.Context(), kvs.Open(noRoots{r}, kvs.Namespace("primary"))
	for _, v := range []string{"1", "2"} {
		put(t, ctx, s, "wc.n", v)
	}
	follow(t, s.Watch(ctx, "wc.n", kvs.WaitCreate())).want("=2", "=1", "end")
	follow(t, s.Watch(ctx, "wc.nosuch")).want("missing", "end")
	r.done(`"key":"wc.m","namespace":"primary","flags":8`) // waiting alone, for which this package has a watch
}
