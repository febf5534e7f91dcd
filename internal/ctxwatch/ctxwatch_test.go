package ctxwatch

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

type thing struct {
	Entry[thing]

	mu    sync.Mutex
	ended []any // the causes and notes of its ends
}

func (th *thing) ContextEnded(ctx context.Context, note any) {
	th.mu.Lock()
	defer th.mu.Unlock()
	th.ended = append(th.ended, context.Cause(ctx), note)
}

func (th *thing) ends() []any {
	th.mu.Lock()
	defer th.mu.Unlock()
	return th.ended
}

func wantSize(t *testing.T, s *Set[thing, *thing], watched, members int) {
	t.Helper()
	if w, m := s.Size(); w != watched || m != members {
		t.Errorf("%d ctxs are watched for %d members, want %d and %d", w, m, watched, members)
	}
}

// The end of a ctx ends its members, with their notes, and nobody else.
func TestContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Set[thing, *thing]
		why := errors.New("why")
		ctx, end := context.WithCancelCause(t.Context())
		other, endOther := context.WithCancelCause(t.Context())
		defer endOther(nil)
		var a, b, c, removed thing
		s.Add(ctx, &a, nil)
		s.Add(ctx, &b, "note")
		s.Add(ctx, &removed, "unused")
		s.Add(other, &c, nil)
		wantSize(t, &s, 2, 4)
		s.Remove(&removed)
		end(why)
		synctest.Wait()
		for _, want := range []struct {
			th   *thing
			ends []any
		}{{&a, []any{why, nil}}, {&b, []any{why, "note"}}, {&c, nil}, {&removed, nil}} {
			if got := want.th.ends(); !slices.Equal(got, want.ends) {
				t.Errorf("ends are %v, want %v", got, want.ends)
			}
		}
		wantSize(t, &s, 1, 1)
		if len(s.notes) != 0 {
			t.Errorf("%d notes are left", len(s.notes))
		}
		s.Remove(&c)
		wantSize(t, &s, 1, 0) // kept for the next
		s.Close()
		wantSize(t, &s, 0, 0)
	})
}

// Contexts that share a Done channel share a watch.
func TestSharedDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Set[thing, *thing]
		ctx, cancel := context.WithCancel(t.Context())
		list := make([]thing, 100)
		for i := range list {
			s.Add(context.WithValue(ctx, thing{}.Entry, i), &list[i], nil)
		}
		wantSize(t, &s, 1, len(list))
		cancel()
		synctest.Wait()
		for i := range list {
			if n := len(list[i].ends()); n != 2 {
				t.Fatalf("member %d: %d values, want one end", i, n)
			}
		}
		wantSize(t, &s, 0, 0)
	})
}

// A member that was over before it was added is not watched, and a ctx that has
// ended ends what it is given.
func TestOverBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Set[thing, *thing]
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var early, late thing
		s.Remove(&early)
		s.Add(ctx, &early, "note")
		wantSize(t, &s, 0, 0)
		time.Sleep(2 * time.Second)
		s.Add(ctx, &late, nil)
		synctest.Wait()
		if got := late.ends(); !slices.Equal(got, []any{context.DeadlineExceeded, nil}) {
			t.Errorf("ends are %v", got)
		}
		if got := early.ends(); got != nil {
			t.Errorf("ends of the removed one are %v", got)
		}
		wantSize(t, &s, 0, 0)
	})
}

// After Close members are watched, but no watch is kept.
func TestAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Set[thing, *thing]
		s.Close()
		ctx, cancel := context.WithCancel(t.Context())
		var a, b thing
		s.Add(ctx, &a, nil)
		s.Add(ctx, &b, nil)
		wantSize(t, &s, 1, 2)
		s.Remove(&a)
		cancel()
		synctest.Wait()
		if len(a.ends()) != 0 || len(b.ends()) != 2 {
			t.Errorf("ends are %v and %v", a.ends(), b.ends())
		}
		wantSize(t, &s, 0, 0)
	})
}

// Random operations leave the members that a simple model has.
func TestModel(t *testing.T) {
	for seed := range uint64(50) {
		synctest.Test(t, func(t *testing.T) { model(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func model(t *testing.T, rng *rand.Rand) {
	var s Set[thing, *thing]
	ctxs := make([]context.Context, 4)
	cancels := make([]context.CancelFunc, len(ctxs))
	renew := func(i int) { ctxs[i], cancels[i] = context.WithCancel(t.Context()) }
	for i := range ctxs {
		renew(i)
		defer func() { cancels[i]() }()
	}
	live := make(map[*thing]int)
	for range 300 {
		switch n := rng.IntN(10); {
		case n < 6:
			th, i := new(thing), rng.IntN(len(ctxs))
			live[th] = i
			s.Add(ctxs[i], th, nil)
		case n < 9:
			for th := range live {
				delete(live, th)
				s.Remove(th)
				if th.ends() != nil {
					t.Fatalf("a removed member has ended: %v", th.ends())
				}
				break
			}
		default:
			i := rng.IntN(len(ctxs))
			cancels[i]()
			synctest.Wait()
			for th, of := range live {
				ended := th.ends() != nil
				if ended != (of == i) {
					t.Fatalf("member of %d: ended is %t after the end of %d", of, ended, i)
				}
				if ended {
					delete(live, th)
				}
			}
			renew(i)
		}
		if watched, members := s.Size(); members != len(live) || watched > len(ctxs)+1 {
			t.Fatalf("%d ctxs are watched for %d members, want %d members", watched, members, len(live))
		}
	}
}
