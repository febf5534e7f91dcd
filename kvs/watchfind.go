package kvs

import (
	"context"
	"errors"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/flux-sdk/flux"
)

// watched is where a watch has to look for its key.
type watched struct {
	store   *Store
	key     string
	version Version  // of the namespace; 0 if that does not exist yet
	missing []string // keys above this one that do not exist, and may become links
}

// findWatched follows the links in a key. The service reports a commit that names the key that is watched, and the
// commits to what a link leads to name another one.
func (s *Store) findWatched(ctx context.Context, key string, flags int, waiting bool) (watched, error) {
	at := watched{store: s, key: key}
	for links := 0; ; links++ {
		if links > maxLinks {
			return watched{}, errTooManyLinks
		}
		store, next, err := at.follow(ctx, waiting)
		if err != nil {
			return watched{}, err
		}
		if store == nil {
			break
		}
		at = watched{store: store, key: next}
	}
	if flags&flagWatchFull != 0 && at.store.namespace == s.namespace {
		// The service follows the links anew after every commit, and so sees when they change.
		at.store, at.key = s, key
	}
	return at, nil
}

// follow looks for a link in the key: the first of its words that is one. It returns where that leads, or nil if there
// is none.
func (at *watched) follow(ctx context.Context, waiting bool) (*Store, string, error) {
	above := keysAbove(at.key)
	objects := make([]object, len(above))
	errs := make([]error, len(above))
	var root Root
	var rootErr error
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	g.Go(func() error {
		root, rootErr = at.store.Root(ctx)
		return nil
	})
	for i, key := range above {
		g.Go(func() error {
			objects[i], errs[i] = at.store.lookup(ctx, key, flagTreeObject)
			return nil
		})
	}
	_ = g.Wait() // the errors are looked at in the order of the words
	if rootErr != nil {
		if errors.Is(rootErr, ErrNoNamespace) && waiting {
			return nil, "", nil // the service waits for the namespace as well
		}
		return nil, "", rootErr
	}
	at.version = root.Version
	at.missing = nil
	for i, o := range objects {
		switch {
		case remoteErrno(errs[i]) == flux.ENOENT:
			if waiting && i < len(above)-1 {
				at.missing = append(at.missing, above[i])
			}
		case errs[i] != nil:
			return nil, "", errs[i]
		case o.kind == typeSymlink:
			store := at.store
			if o.namespace != "" && o.namespace != store.namespace {
				store = store.in(o.namespace)
			}
			rest := strings.TrimPrefix(at.key[len(above[i]):], ".")
			next, err := cleanKey(o.target + "." + rest)
			return store, next, err
		}
	}
	return nil, "", nil
}

// keysAbove returns the keys on the way to a key, from the root's entry to the key itself. The root has none.
func keysAbove(key string) []string {
	if key == rootKey {
		return nil
	}
	var list []string
	for i := range len(key) {
		if key[i] == '.' {
			list = append(list, key[:i])
		}
	}
	return append(list, key)
}

// errLinkMade says that a key above the watched one became a link.
var errLinkMade = errors.New("a link was made")

// watchForLinks watches the missing keys and closes the channel when one of them becomes a link. The goroutines are
// counted by wg and end with ctx.
func (at *watched) watchForLinks(ctx context.Context, wg *sync.WaitGroup) <-chan struct{} {
	made := make(chan struct{})
	var once sync.Once
	for _, key := range at.missing {
		stream, err := at.store.watchStream(ctx, key, flagWatch|flagWaitCreate|flagTreeObject, nil)
		if err != nil {
			continue // the stream of the watched key tells the same
		}
		wg.Go(func() {
			for r := range stream {
				var answer lookupAnswer
				if decode(r, &answer) == nil && answer.Val != nil && answer.Val.kind == typeSymlink {
					once.Do(func() { close(made) })
				}
			}
		})
	}
	return made
}

// watchStream opens the stream of a watch or of a streaming lookup.
func (s *Store) watchStream(
	ctx context.Context, key string, flags int, opts []flux.StreamOption,
) (<-chan flux.Response, error) {
	req, err := encode(lookupRequest{Key: key, Namespace: s.namespace, Flags: flags})
	if err != nil {
		return nil, err
	}
	all := make([]flux.StreamOption, 0, len(s.rank)+len(opts))
	for _, o := range s.rank {
		all = append(all, o)
	}
	return s.conn.Stream(ctx, "kvs-watch.lookup", req, append(all, opts...)...)
}
