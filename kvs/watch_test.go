package kvs_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/kvs"
)

// follower reads a watch and shows each item as text.
type follower struct {
	t    testing.TB
	next func() (kvs.Value, error, bool)
	stop func()
}

func follow(t testing.TB, seq iter.Seq2[kvs.Value, error]) *follower {
	next, stop := iter.Pull2(seq)
	t.Cleanup(stop)
	return &follower{t, next, stop}
}

// want reads items and compares them.
func (f *follower) want(items ...string) {
	f.t.Helper()
	for _, want := range items {
		v, err, ok := f.next()
		got := show(v, err, ok)
		if got != want {
			f.t.Fatalf("the watch says %q, want %q (%v)", got, want, err)
		}
	}
}

func show(v kvs.Value, err error, ok bool) string {
	var gap *flux.GapError
	switch {
	case !ok:
		return "end"
	case errors.As(err, &gap):
		return "gap"
	case errors.Is(err, kvs.ErrNoNamespace):
		return "no namespace"
	case errors.Is(err, kvs.ErrOverwritten):
		return "overwritten"
	case errors.Is(err, flux.ENOENT):
		return "missing"
	case err != nil:
		return err.Error()
	case v.Deleted:
		return "deleted"
	case v.Marker:
		return "marker"
	case v.Entries != nil:
		var names []string
		for _, e := range v.Entries {
			names = append(names, e.Key)
		}
		return strings.Join(names, " ")
	}
	return "=" + string(v.Data)
}

// put puts a text.
func put(t testing.TB, ctx context.Context, s *kvs.Store, key, text string) kvs.Version {
	t.Helper()
	return must[kvs.Version](t)(s.Put(ctx, key, text))
}

func TestWatch(t *testing.T) {
	onBoth(t, func(t *testing.T, b instance) {
		ctx := bounded(t)
		s, c := open(t, b)
		put(t, ctx, s, "a.k", "1")
		plain, unique, full := follow(t, s.Watch(ctx, "a.k")), follow(t, s.Watch(ctx, "a.k", kvs.Unique())),
			follow(t, s.Watch(ctx, "a.k", kvs.Full()))
		for _, w := range []*follower{plain, unique, full} {
			w.want("=1")
		}
		put(t, ctx, s, "a.k", "1")
		put(t, ctx, s, "a.other", "x")
		put(t, ctx, s, "a.k", "2")
		plain.want("=1", "=2")
		unique.want("=2")
		full.want("=2")
		must[kvs.Version](t)(s.Delete(ctx, "a.k"))
		for _, w := range []*follower{plain, unique, full} {
			w.want("deleted")
		}
		// The loop goes on with the next value.
		back := make(chan string)
		for _, w := range []*follower{plain, unique, full} {
			go func() {
				v, err, ok := w.next()
				back <- show(v, err, ok)
			}()
		}
		put(t, ctx, s, "a.unrelated", "x")
		put(t, ctx, s, "a.k", "3")
		for range 3 {
			if got := <-back; got != "=3" {
				t.Errorf("after it was made again: %s", got)
			}
		}
		// Only Full notices that a directory above goes.
		must[kvs.Version](t)(s.Delete(ctx, "a"))
		full.want("deleted")
		put(t, ctx, s, "a.k", "4")
		plain.want("=4")
		unique.want("=4")
		full.want("=4")
		// The namespace goes.
		if err := kvs.RemoveNamespace(ctx, c, s.Name()); err != nil {
			t.Fatal(err)
		}
		for _, w := range []*follower{plain, unique, full} {
			w.want("no namespace", "end")
		}
	})
}

func TestWatchBeginnings(t *testing.T) {
	onBoth(t, func(t *testing.T, b instance) {
		ctx := bounded(t)
		s, c := open(t, b)
		follow(t, s.Watch(ctx, "nosuch")).want("missing", "end")
		follow(t, kvs.Open(c, kvs.Namespace("nosuch")).Watch(ctx, "a")).want("no namespace", "end")
		if v, err, ok := follow(t, s.Watch(ctx, "")).next(); !ok || !errors.Is(err, kvs.ErrKey) {
			t.Errorf("%v %v %v", v, err, ok)
		}
		if _, err, _ := follow(t, s.Watch(ctx, "a", kvs.Append(), kvs.Full())).next(); err == nil {
			t.Error("Append and Full were accepted")
		}
		snapshot := must[*kvs.Store](t)(s.Snapshot(ctx))
		if _, err, _ := follow(t, snapshot.Watch(ctx, "a")).next(); !errors.Is(err, kvs.ErrSnapshot) {
			t.Errorf("%v", err)
		}
		for _, opts := range [][]kvs.WatchOption{
			{kvs.WaitCreate()}, {kvs.WaitCreate(), kvs.Full()}, {kvs.WaitCreate(), kvs.Unique()}, {kvs.WaitCreate(),
				kvs.Append()},
		} {
			got := make(chan string)
			w := follow(t, s.Watch(ctx, "w.k", opts...))
			go func() {
				v, err, ok := w.next()
				got <- show(v, err, ok)
			}()
			// What the service gives up waiting at.
			must[kvs.Version](t)(s.Delete(ctx, "w.k"))
			put(t, ctx, s, "unrelated", "x")
			must[kvs.Version](t)(s.Delete(ctx, "w.k"))
			put(t, ctx, s, "w.k", "there")
			if got := <-got; got != "=there" {
				t.Errorf("%d options: %s", len(opts), got)
			}
			w.stop()
			must[kvs.Version](t)(s.Delete(ctx, "w"))
		}
		// A namespace that does not exist yet.
		got := make(chan string)
		later := kvs.Open(c, kvs.Namespace(s.Name()+"later"))
		w := follow(t, later.Watch(ctx, "k", kvs.WaitCreate()))
		go func() {
			v, err, ok := w.next()
			got <- show(v, err, ok)
		}()
		if err := kvs.CreateNamespace(ctx, c, later.Name()); err != nil {
			t.Fatal(err)
		}
		put(t, ctx, later, "k", "1")
		if got := <-got; got != "=1" {
			t.Errorf("%s", got)
		}
		// The end of ctx.
		short, cancel := context.WithCancel(ctx)
		put(t, ctx, s, "e", "1")
		w = follow(t, s.Watch(short, "e"))
		w.want("=1")
		cancel()
		if _, err, _ := w.next(); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		w.want("end")
	})
}

func TestWatchAppend(t *testing.T) {
	onBoth(t, func(t *testing.T, b instance) {
		ctx := bounded(t)
		s, _ := open(t, b)
		add := func(key, text string) {
			t.Helper()
			must[kvs.Version](t)(s.Txn().Append(key, text).Commit(ctx))
		}
		add("log", "a")
		add("log", "b")
		w, m := follow(t, s.Watch(ctx, "log", kvs.Append())), follow(t, s.Watch(ctx, "log", kvs.InitialMarker()))
		w.want("=a", "=b")
		m.want("=a", "=b", "marker")
		add("log", "c")
		w.want("=c")
		m.want("=c")
		must[kvs.Version](t)(s.Delete(ctx, "log"))
		w.want("deleted")
		m.want("deleted")
		add("log", "d")
		w.want("=d")
		m.want("=d") // the beginning has been told already
		add("log", "e")
		w.want("=e")
		put(t, ctx, s, "log", "other")
		w.want("overwritten", "end")
		// A missing log: the marker says that there is nothing yet.
		m = follow(t, s.Watch(ctx, "log2", kvs.InitialMarker(), kvs.WaitCreate()))
		m.want("marker")
		add("log2", "x")
		m.want("=x")
		must[kvs.Version](t)(s.Txn().Mkdir("dir").Commit(ctx))
		if _, err, _ := follow(t, s.Watch(ctx, "dir", kvs.Append())).next(); !errors.Is(err, flux.EISDIR) {
			t.Errorf("%v", err)
		}
	})
}

func TestWatchDirectory(t *testing.T) {
	onBoth(t, func(t *testing.T, b instance) {
		ctx := bounded(t)
		s, _ := open(t, b)
		put(t, ctx, s, "d.a", "1")
		w := follow(t, s.Watch(ctx, "d", kvs.Directory(), kvs.Full()))
		w.want("d.a")
		put(t, ctx, s, "d.b", "1")
		w.want("d.a d.b")
		put(t, ctx, s, "other", "1")
		must[kvs.Version](t)(s.Delete(ctx, "d.a"))
		w.want("d.b")
		must[kvs.Version](t)(s.Delete(ctx, "d"))
		w.want("deleted")
		if _, err, _ := follow(t, s.Watch(ctx, "other", kvs.Directory())).next(); !errors.Is(err, flux.ENOTDIR) {
			t.Errorf("%v", err)
		}
	})
}

// A key that leads through a link into a namespace, as job.ID.guest.x does, is watched there, also when the link is
// still to come.
func TestWatchLinks(t *testing.T) {
	onBoth(t, func(t *testing.T, b instance) {
		ctx := bounded(t)
		s, c := open(t, b)
		guest := kvs.Open(c, kvs.Namespace(newNamespace(t, c)))
		early := follow(t, s.Watch(ctx, "job.1.guest.exec.log", kvs.WaitCreate()))
		got := make(chan string)
		go func() {
			v, err, ok := early.next()
			got <- show(v, err, ok)
		}()
		put(t, ctx, s, "job.1.spec", "x")
		must[kvs.Version](t)(s.Txn().SymlinkTo("job.1.guest", guest.Name(), ".").Commit(ctx))
		put(t, ctx, guest, "exec.log", "1")
		if got := <-got; got != "=1" {
			t.Fatalf("waiting for a link: %s", got)
		}
		must[kvs.Version](t)(s.Txn().Symlink("short", "job.1.guest.exec").Symlink("direct",
			"job.1.guest.exec.log").Commit(ctx))
		ws := []*follower{early}
		for _, key := range []string{"job.1.guest.exec.log", "short.log", "direct"} {
			for _, opts := range [][]kvs.WatchOption{nil, {kvs.Full()}, {kvs.WaitCreate(), kvs.Unique()}} {
				w := follow(t, s.Watch(ctx, key, opts...))
				w.want("=1")
				ws = append(ws, w)
			}
		}
		put(t, ctx, guest, "exec.log", "2")
		for _, w := range ws {
			w.want("=2")
		}
		must[kvs.Version](t)(guest.Delete(ctx, "exec.log"))
		for _, w := range ws {
			w.want("deleted")
		}
		// A link within the namespace, which Full sees change.
		must[kvs.Version](t)(s.Txn().Put("x", "1").Put("y", "2").Symlink("to", "x").Commit(ctx))
		w := follow(t, s.Watch(ctx, "to", kvs.Full()))
		w.want("=1")
		must[kvs.Version](t)(s.Txn().Symlink("to", "y").Commit(ctx))
		w.want("=2")
	})
}

// 10,000 keys are watched through one connection, each sees its own change, and the end of each frees it at the
// service.
func TestManyWatchers(t *testing.T) {
	onBoth(t, func(t *testing.T, b instance) {
		ctx := bounded(t)
		s, c := open(t, b)
		const n, batch = 10000, 500
		txn := s.Txn()
		for i := range n {
			txn.Put(fmt.Sprintf("many.d%d.k%d", i/100, i), i)
		}
		must[kvs.Version](t)(txn.Commit(ctx))
		all := make([]*follower, n)
		for i := range all {
			all[i] = follow(t, s.Watch(ctx, fmt.Sprintf("many.d%d.k%d", i/100, i)))
		}
		var ready = make(chan error, 64)
		for start := 0; start < n; start += batch {
			for i := start; i < start+batch; i++ {
				go func() { ready <- expect(all[i], fmt.Sprintf("=%d", i)) }()
			}
			for range batch {
				if err := <-ready; err != nil {
					t.Fatal(err)
				}
			}
		}
		if got := watchers(t, ctx, c, s.Name()); got != n {
			t.Fatalf("%d watchers at the service, want %d", got, n)
		}
		txn = s.Txn()
		for i := 0; i < n; i += 100 {
			txn.Put(fmt.Sprintf("many.d%d.k%d", i/100, i), i+1)
		}
		must[kvs.Version](t)(txn.Commit(ctx))
		for i := 0; i < n; i += 100 {
			all[i].want(fmt.Sprintf("=%d", i+1))
		}
		for i, w := range all {
			if i%10 != 0 {
				w.stop()
			}
		}
		// The service handles what it gets in order, but a cancel is only sent, so it may come a little later.
		for watchers(t, ctx, c, s.Name()) != n/10 {
			if ctx.Err() != nil {
				t.Fatalf("%d watchers left, want %d", watchers(t, context.Background(), c, s.Name()), n/10)
			}
		}
		for _, w := range all {
			w.stop()
		}
		for watchers(t, ctx, c, s.Name()) != 0 {
			if ctx.Err() != nil {
				t.Fatal("watchers are left")
			}
		}
	})
}

func expect(f *follower, want string) error {
	if v, err, ok := f.next(); show(v, err, ok) != want {
		return fmt.Errorf("%s, want %s", show(v, err, ok), want)
	}
	return nil
}

// watchers asks the service how many watchers it has in a namespace.
func watchers(t testing.TB, ctx context.Context, c *flux.Client, namespace string) int {
	t.Helper()
	type stats struct {
		Namespaces map[string]struct{ Watchers int } `json:"namespaces"`
	}
	got := must[stats](t)(flux.CallAs[stats](ctx, c, "kvs-watch.stats-get", nil))
	return got.Namespaces[namespace].Watchers
}
