package kvs

import (
	"bytes"
	"context"
	"fmt"
	"iter"

	"github.com/flux-sdk/flux"
)

// AppendEvent appends an entry to an eventlog, which is made if there is none.
func (s *Store) AppendEvent(ctx context.Context, key string, e Event) (Version, error) {
	return s.named("append event", key, s.Txn().AppendEvent(key, e)).Commit(ctx)
}

// AppendEvent appends an entry to an eventlog, which is made if there is none.
func (t *Txn) AppendEvent(key string, e Event) *Txn {
	line, err := e.MarshalJSON()
	if err != nil {
		return t.refuse(key, err)
	}
	return t.Append(key, append(line, '\n'))
}

// Eventlog returns the entries that an eventlog has now.
func (s *Store) Eventlog(ctx context.Context, key string) ([]Event, error) {
	data, err := s.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	list, err := ParseEvents(data)
	return list, s.fail("eventlog", key, err)
}

// FollowEventlog returns an iterator over the entries of an eventlog: those it has and then each new one, until ctx
// ends, the loop is left, or the eventlog is removed, which ends it with flux.ENOENT. The options are those of
// [Store.Watch]: WaitCreate for an eventlog that need not exist yet, Resume to go on after a reconnect, with no entry
// lost or repeated.
//
// An error is yielded once. The error of a line that is no entry is not the last.
func (s *Store) FollowEventlog(ctx context.Context, key string, opts ...WatchOption) iter.Seq2[Event, error] {
	opts = append(opts[:len(opts):len(opts)], Append())
	return func(yield func(Event, error) bool) {
		var rest []byte // the store may split a line anywhere
		for v, err := range s.Watch(ctx, key, opts...) {
			switch {
			case err != nil:
				if !yield(Event{}, err) {
					return
				}
				continue
			case v.Deleted:
				yield(Event{}, s.fail("eventlog", key, fmt.Errorf("it was removed: %w", flux.ENOENT)))
				return
			}
			rest = append(rest, v.Data...)
			for {
				line, after, whole := bytes.Cut(rest, []byte("\n"))
				if !whole {
					break
				}
				var e Event
				err := e.UnmarshalJSON(line)
				rest = after
				if !yield(e, s.fail("eventlog", key, err)) {
					return
				}
			}
			rest = bytes.Clone(rest) // lets go of what was read
		}
	}
}

// WaitEvent waits for the first entry of an eventlog with this name and returns it, whether it is there already or is
// still to come. The eventlog need not exist yet. Give ctx a deadline.
func (s *Store) WaitEvent(ctx context.Context, key, name string, opts ...WatchOption) (Event, error) {
	opts = append(opts[:len(opts):len(opts)], WaitCreate())
	for e, err := range s.FollowEventlog(ctx, key, opts...) {
		if err != nil {
			return Event{}, err
		}
		if e.Name == name {
			return e, nil
		}
	}
	return Event{}, s.fail("wait event", key, fmt.Errorf("the watch ended before event %q: %w", name, flux.ENODATA))
}
