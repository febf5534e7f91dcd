// Package ctxwatch ends many things with one ctx.
//
// A context.AfterFunc for each thing would take more memory than the thing. A Set
// makes one for all members that have the same ctx.
package ctxwatch

import (
	"context"
	"sync"
)

// Entry is embedded in what can be a member of a Set. Its zero value is ready.
type Entry[T any] struct {
	// Guarded by Set.mu.
	watch      *watch[T] // Set.removed once the member was removed
	prev, next *T        // of the same watch
}

// ContextEntry returns the entry.
func (e *Entry[T]) ContextEntry() *Entry[T] { return e }

// Member is a pointer to a T that embeds an Entry[T].
type Member[T any] interface {
	*T
	ContextEntry() *Entry[T]
	// ContextEnded says that the member's ctx has ended. note is what Add was
	// given. It is called with no lock held, and once at most.
	ContextEnded(ctx context.Context, note any)
}

// Set is the members that are to end with their ctx. Its zero value is ready. All
// methods may be called concurrently. Its lock is a leaf: nothing is called and
// nothing waits under it.
type Set[T any, M Member[T]] struct {
	removed watch[T] // stands for the watch of members that were removed

	// Guarded by mu.
	mu      sync.Mutex
	closed  bool
	watches map[<-chan struct{}]*watch[T]
	recent  *watch[T]  // may have no members, because the next is likely to have the same ctx
	notes   map[*T]any // of the members that have one
}

// watch is a ctx and its members.
type watch[T any] struct {
	ctx  context.Context
	done <-chan struct{}
	stop func() bool
	head *T
}

// Add makes m end with ctx, which must have a Done channel and may have ended. If
// m was removed already, Add does nothing.
func (s *Set[T, M]) Add(ctx context.Context, m M, note any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := m.ContextEntry()
	if e.watch == &s.removed {
		return
	}
	w := s.watchLocked(ctx)
	e.watch, e.next = w, w.head
	if w.head != nil {
		M(w.head).ContextEntry().prev = m
	}
	w.head = m
	if note != nil {
		if s.notes == nil {
			s.notes = make(map[*T]any)
		}
		s.notes[m] = note
	}
}

// watchLocked returns the watch of a ctx.
func (s *Set[T, M]) watchLocked(ctx context.Context) *watch[T] {
	done := ctx.Done()
	if s.recent != nil && s.recent.done == done {
		return s.recent
	}
	w := s.watches[done]
	if w == nil {
		w = &watch[T]{ctx: ctx, done: done}
		if s.watches == nil {
			s.watches = make(map[<-chan struct{}]*watch[T])
		}
		s.watches[done] = w
		w.stop = context.AfterFunc(ctx, func() { s.contextEnded(w) })
	}
	if old := s.recent; !s.closed {
		s.recent = w
		if old != nil {
			s.stopIfUnusedLocked(old)
		}
	}
	return w
}

// stopIfUnusedLocked ends the watch of a ctx without members.
func (s *Set[T, M]) stopIfUnusedLocked(w *watch[T]) {
	if w.head == nil && w != s.recent && s.watches[w.done] == w {
		delete(s.watches, w.done)
		w.stop()
	}
}

// Remove says that m is over. It may come before Add.
func (s *Set[T, M]) Remove(m M) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := m.ContextEntry()
	w := e.watch
	e.watch = &s.removed
	delete(s.notes, m)
	if w == nil || w == &s.removed {
		return
	}
	if e.prev != nil {
		M(e.prev).ContextEntry().next = e.next
	} else {
		w.head = e.next
	}
	if e.next != nil {
		M(e.next).ContextEntry().prev = e.prev
	}
	e.prev, e.next = nil, nil
	s.stopIfUnusedLocked(w)
}

// contextEnded ends the members of a ctx that has ended.
func (s *Set[T, M]) contextEnded(w *watch[T]) {
	for {
		m, note := s.nextEnded(w)
		if m == nil {
			return
		}
		m.ContextEnded(w.ctx, note)
		s.Remove(m) // one that is being ended by others has not removed itself yet
	}
}

// nextEnded returns a member of a ctx that has ended, or nil.
func (s *Set[T, M]) nextEnded(w *watch[T]) (M, any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watches[w.done] == w {
		delete(s.watches, w.done)
	}
	if s.recent == w {
		s.recent = nil
	}
	return w.head, s.notes[w.head]
}

// Close ends the watch that is kept for members to come: there will be none.
// Members that there are stay watched.
func (s *Set[T, M]) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if w := s.recent; w != nil {
		s.recent = nil
		s.stopIfUnusedLocked(w)
	}
}

// Size returns how many ctxs are watched and how many members they have.
func (s *Set[T, M]) Size() (watched, members int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.watches {
		for m := w.head; m != nil; m = M(m).ContextEntry().next {
			members++
		}
	}
	return len(s.watches), members
}
