package kvs

import (
	"context"
	"errors"
	"iter"

	"github.com/flux-sdk/flux"
)

// Value is one item of a watch.
type Value struct {
	Data    []byte  // the value, or with Append the next piece of it
	Entries []Entry // with Directory, sorted by name
	Deleted bool    // the key was removed; there is nothing else in the item
	Marker  bool    // with InitialMarker: what was there at the beginning has been delivered; nothing else is in the item
}

// WatchOption changes what a watch reports.
type WatchOption func(*watchOptions)

type watchOptions struct {
	flags  int
	resume bool
	stream []flux.StreamOption
}

// WaitCreate waits for a key, or a namespace, that does not exist yet. Without it that is an error.
func WaitCreate() WatchOption { return func(o *watchOptions) { o.flags |= flagWaitCreate } }

// Full looks at the key after every commit to the namespace and reports what differs from the item before. It notices
// changes that do not name the key: a directory above is removed or replaced, the target of a link changes. It costs a
// lookup for each commit.
func Full() WatchOption { return func(o *watchOptions) { o.flags |= flagWatchFull } }

// Unique does not report a value that is the same as the one before.
func Unique() WatchOption { return func(o *watchOptions) { o.flags |= flagWatchUnique } }

// Append reports what is appended: first the pieces that the value has, one item each, then each new piece. A value
// that is replaced ends the watch with [ErrOverwritten].
func Append() WatchOption { return func(o *watchOptions) { o.flags |= flagWatchAppend } }

// InitialMarker is Append, with an item between the pieces that the value had at the beginning and the new ones, see
// [Value].
func InitialMarker() WatchOption {
	return func(o *watchOptions) { o.flags |= flagWatchAppend | flagWatchSentinel }
}

// Directory watches a directory: its list of entries. It changes with the commits that name the directory itself;
// with Full also with those that name what is in it.
func Directory() WatchOption { return func(o *watchOptions) { o.flags |= flagReadDir } }

// Resume goes on after the connection was lost, if the client makes it again (flux.WithReconnect). See [Store.Watch].
func Resume() WatchOption { return func(o *watchOptions) { o.resume = true } }

// Stream passes options to the stream of the watch, such as flux.QueueLimit.
func Stream(opts ...flux.StreamOption) WatchOption {
	return func(o *watchOptions) { o.stream = append(o.stream, opts...) }
}

// Watch returns an iterator over the values that a key takes (kvs-watch): the one it has, and then one for every
// commit that names the key, even if the value is the same. Leaving the loop ends the watch at the service.
//
// A removal is an item with Deleted set, and the watch then waits for the key to come back. The removal of a directory
// above is noticed with [Full] only. If the key does not exist at the beginning, that is an error that matches
// flux.ENOENT, unless [WaitCreate] is given. When the namespace is removed, the watch ends with [ErrNoNamespace].
//
// Values between two items are not lost, but a key that is removed and made again may take values unseen until the
// watch has found it again. Links in the key are followed once, at the beginning, also into another namespace: what is
// watched is the key they lead to. With WaitCreate a link that is made later is followed then. A reader that is slower
// than the commits ends with flux.ErrSlowConsumer, see [Stream].
//
// An error is yielded once and is the last item, with one exception. With [Resume] a lost connection is no end: when
// the client has made it again, the watch goes on with what the key has now. If the namespace has another version than
// the last one known, values may have been missed; the first item is then an error that matches *flux.GapError, and the
// loop may go on behind it. With Append nothing is missed or repeated and there is no such item; if the value is not
// the one that was read before, the watch ends with [ErrOverwritten].
func (s *Store) Watch(ctx context.Context, key string, opts ...WatchOption) iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) {
		w := watch{s: s, key: key, yield: yield}
		for _, opt := range opts {
			opt(&w.watchOptions)
		}
		w.flags |= flagWatch
		clean, err := cleanKey(key)
		switch {
		case err != nil:
		case s.err != nil:
			err = s.err
		case s.root != "":
			err = ErrSnapshot
		case w.appending() && w.flags&(flagWatchFull|flagWatchUnique|flagReadDir) != 0:
			err = errors.New("Append does not go together with Full, Unique or Directory")
		}
		if err == nil {
			w.key = clean
			err = w.run(ctx)
		}
		if err != nil && !errors.Is(err, errLoopLeft) {
			yield(Value{}, s.fail("watch", key, err))
		}
	}
}
