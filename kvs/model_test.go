package kvs_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/kvs"
)

// model is what a namespace must hold: the values by their keys, and the empty directories.
type model struct {
	values map[string]string
	dirs   map[string]bool // all directories
}

func newModel() *model { return &model{make(map[string]string), make(map[string]bool)} }

// above makes the directories above a key. Values on the way go.
func (m *model) above(key string) {
	for i := range len(key) {
		if key[i] == '.' {
			delete(m.values, key[:i])
			m.dirs[key[:i]] = true
		}
	}
}

// remove removes a key with what is below it.
func (m *model) remove(key string) {
	delete(m.values, key)
	delete(m.dirs, key)
	for k := range m.values {
		if strings.HasPrefix(k, key+".") {
			delete(m.values, k)
		}
	}
	for k := range m.dirs {
		if strings.HasPrefix(k, key+".") {
			delete(m.dirs, k)
		}
	}
}

func (m *model) put(key, value string) {
	m.above(key)
	m.remove(key)
	m.values[key] = value
}

// change makes one random change in the model and in a transaction.
func (m *model) change(rng *rand.Rand, txn *kvs.Txn) {
	key := randomKey(rng)
	value := fmt.Sprint(rng.IntN(5))
	if rng.IntN(4) == 0 {
		value = strings.Repeat(value, 100)
	}
	switch rng.IntN(6) {
	case 0:
		txn.Delete(key)
		m.remove(key)
	case 1:
		if m.dirs[key] {
			return // EISDIR, for which there is another test
		}
		txn.Append(key, value)
		m.put(key, m.values[key]+value)
	case 2:
		txn.Mkdir(key)
		m.above(key)
		m.remove(key)
		m.dirs[key] = true
	default:
		txn.Put(key, value)
		m.put(key, value)
	}
}

func randomKey(rng *rand.Rand) string {
	words := make([]string, 1+rng.IntN(3))
	for i := range words {
		words[i] = string(rune('a' + rng.IntN(3)))
	}
	return strings.Join(words, ".")
}

// read reads a namespace as a model.
func read(ctx context.Context, s *kvs.Store) (*model, error) {
	m := newModel()
	snapshot, err := s.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	for e, err := range snapshot.Walk(ctx, ".") {
		switch {
		case err != nil:
			return nil, err
		case e.Key == ".":
		case e.IsDir():
			m.dirs[e.Key] = true
		default:
			data, err := snapshot.Get(ctx, e.Key)
			if err != nil {
				return nil, err
			}
			m.values[e.Key] = string(data)
		}
	}
	return m, nil
}

// Random transactions from several clients at several ranks, each in namespaces of its own and all in one that they
// share, leave what a map says; each watch ends at the last value; what a commit wrote is read at another rank by its
// version.
func TestModel(t *testing.T) {
	onBoth(t, func(t *testing.T, b instance) {
		ctx := bounded(t)
		const clients, rounds = 4, 60
		_, c := open(t, b)
		shared := newNamespace(t, c)
		names := make([]string, clients)
		for i := range names {
			names[i] = newNamespace(t, c)
		}
		var wg sync.WaitGroup
		all := make([]*flux.Client, clients)
		for i := range all {
			all[i] = dial(t, b, uint32(i))
		}
		for i := range clients {
			wg.Go(func() {
				other := kvs.Open(all[(i+1)%clients], kvs.Namespace(names[i]))
				if err := work(ctx, all[i], other, names[i], shared, uint64(i), rounds); err != nil {
					t.Errorf("client %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		// The shared one: each client has changed keys of its own.
		got, err := read(ctx, kvs.Open(c, kvs.Namespace(shared)))
		if err != nil {
			t.Fatal(err)
		}
		want := make(map[string]string)
		for i := range clients {
			want[fmt.Sprintf("client%d.last", i)] = fmt.Sprint(rounds - 1)
			want[fmt.Sprintf("log%d", i)] = strings.Repeat("x", rounds)
		}
		if diff := cmp.Diff(want, got.values); diff != "" {
			t.Error(diff)
		}
	})
}

// work is what one client does.
func work(ctx context.Context, c *flux.Client, other *kvs.Store, name, shared string, seed uint64, rounds int) error {
	rng := rand.New(rand.NewPCG(seed, 7))
	s, all := kvs.Open(c, kvs.Namespace(name)), kvs.Open(c, kvs.Namespace(shared))
	m := newModel()
	// A rank that first hears of a namespace while a commit is made may miss that, see WaitVersion.
	for _, first := range []*kvs.Store{s, other, all} {
		if _, err := first.Version(ctx); err != nil {
			return err
		}
	}
	watchCtx, stop := context.WithCancel(ctx)
	defer stop()
	watches := startWatches(watchCtx, other)
	for round := range rounds {
		txn := s.Txn()
		for range 1 + rng.IntN(4) {
			m.change(rng, txn)
		}
		v, err := txn.Commit(ctx)
		if err != nil {
			return err
		}
		if _, err := all.Txn().Put(fmt.Sprintf("client%d.last", seed), round).Append(fmt.Sprintf("log%d", seed),
			"x").Commit(ctx); err != nil {
			return err
		}
		reader := s
		if round%3 == 0 {
			if err := other.WaitVersion(ctx, v); err != nil {
				return err
			}
			reader = other
		}
		got, err := read(ctx, reader)
		if err != nil {
			return err
		}
		if diff := cmp.Diff(m.values, got.values); diff != "" {
			return fmt.Errorf("round %d, values: %s", round, diff)
		}
		if diff := cmp.Diff(slices.Sorted(maps.Keys(m.dirs)), slices.Sorted(maps.Keys(got.dirs))); diff != "" {
			return fmt.Errorf("round %d, directories: %s", round, diff)
		}
	}
	for key, w := range watches {
		if err := w.reaches(ctx, m, key); err != nil {
			return err
		}
	}
	return nil
}

// lastValue is the newest item of a watch.
type lastValue struct {
	mu      sync.Mutex
	changed chan struct{}
	value   string
	there   bool
	err     error
}

// startWatches watches some keys, whole and as they are appended to.
func startWatches(ctx context.Context, s *kvs.Store) map[string]*lastValue {
	watches := make(map[string]*lastValue)
	for _, key := range []string{"a", "b.a", "c.c.c"} {
		w := &lastValue{changed: make(chan struct{})}
		watches[key] = w
		go func() {
			for v, err := range s.Watch(ctx, key, kvs.WaitCreate(), kvs.Full()) {
				w.mu.Lock()
				w.value, w.there = string(v.Data), err == nil && !v.Deleted
				if errors.Is(err, flux.EISDIR) || ctx.Err() != nil {
					err = nil // the key became a directory, which ends a watch
				}
				w.err = err
				close(w.changed)
				w.changed = make(chan struct{})
				w.mu.Unlock()
			}
			w.mu.Lock()
			w.changed = nil
			w.mu.Unlock()
		}()
	}
	return watches
}

// reaches waits for the watch to say what the model has for a key. A watch that ended because its key became a
// directory says nothing more.
func (w *lastValue) reaches(ctx context.Context, m *model, key string) error {
	for {
		w.mu.Lock()
		value, there, err, changed := w.value, w.there, w.err, w.changed
		w.mu.Unlock()
		want, has := m.values[key]
		if err != nil {
			return fmt.Errorf("watch of %s: %w", key, err)
		}
		if changed == nil || there == has && value == want {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("watch of %s says %q, %v, want %q, %v", key, value, there, want, has)
		}
	}
}
