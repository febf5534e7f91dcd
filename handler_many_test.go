package flux

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
)

func TestHandlerManyDisconnected(t *testing.T) {
	n := many()
	synctest.Test(t, func(t *testing.T) {
		f := newFront(t)
		var running, ended atomic.Int64
		s := f.serve("calc", HandlerFunc(func(ctx context.Context, _ Responder, _ *Request) error {
			running.Add(1)
			<-ctx.Done()
			if err := context.Cause(ctx); err != ErrPeerDisconnected {
				t.Errorf("cause is %v", err)
			}
			ended.Add(1)
			return ctx.Err()
		}))
		for range n {
			f.send("calc.watch", streaming)
		}
		f.books("calc", n, 0, n)
		f.disconnect("calc.disconnect", from("client-2"))
		f.books("calc", n, 0, n)
		f.disconnect("calc.disconnect")
		f.books("calc", 0, 0, 0)
		if running.Load() != int64(n) || ended.Load() != int64(n) {
			t.Errorf("%d handlers ran and %d ended, want %d", running.Load(), ended.Load(), n)
		}
		if got := f.replies(); len(got) > 0 {
			t.Errorf("%d replies, the first %s, want none", len(got), show(got[0]))
		}
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
}

// Each of many requests is canceled by itself, in any order, while none of the
// work is the reader's to wait for.
func TestHandlerManyCanceled(t *testing.T) {
	n := many()
	synctest.Test(t, func(t *testing.T) {
		f := newFront(t)
		f.serve("calc", HandlerFunc(block))
		reqs := make([]*codec.Message, n)
		for i := range reqs {
			reqs[i] = f.send("calc.watch", streaming, from(fmt.Sprint("client-", i%7)))
		}
		f.books("calc", n, 0, n)
		rng := rand.New(rand.NewPCG(1, uint64(n)))
		for _, i := range rng.Perm(n) {
			f.cancelOf(reqs[i], "calc.watch-cancel")
		}
		f.books("calc", 0, 0, 0)
		answered := make(map[string]int)
		for _, m := range f.replies() {
			if show(m) != canceledStream {
				t.Errorf("reply is %s, want %s", show(m), canceledStream)
			}
			answered[endKey(m)]++
		}
		for _, m := range reqs {
			if answered[endKey(m)] != 1 {
				t.Errorf("%s was answered %d times", endKey(m), answered[endKey(m)])
			}
		}
	})
}

// However a stream ends while several goroutines send on it, nothing follows
// its end and nobody is told that a lost item was sent.
func TestHandlerConcurrentSend(t *testing.T) {
	ways := map[string]func(f *front, s *served, req *codec.Message){
		"by itself":   func(*front, *served, *codec.Message) {},
		"cancel":      func(f *front, _ *served, req *codec.Message) { f.cancelOf(req, "calc.cancel") },
		"end serving": func(_ *front, s *served, _ *codec.Message) { s.cancel() },
		"close":       func(f *front, _ *served, _ *codec.Message) { f.c.Close() },
	}
	for name, end := range ways {
		t.Run(name, func(t *testing.T) {
			for round := range 30 {
				synctest.Test(t, func(t *testing.T) { concurrentSend(t, round, end) })
			}
		})
	}
}

func concurrentSend(t *testing.T, round int, end func(*front, *served, *codec.Message)) {
	f := newFront(t)
	reached := make(chan struct{})
	var sent atomic.Int64
	s := f.serve("calc", HandlerFunc(func(ctx context.Context, w Responder, _ *Request) error {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 200 {
					if w.Send(object1{"x": 1}) != nil {
						return
					}
					if sent.Add(1) == int64(1+round*10) {
						close(reached)
					}
				}
			})
		}
		if round%2 == 0 {
			wg.Wait()
		} else {
			<-ctx.Done() // and leave them behind
		}
		return ctx.Err()
	}))
	req := f.send("calc.watch", streaming)
	<-reached
	end(f, s, req)
	if round%2 == 1 {
		f.cancelOf(req, "calc.cancel")
	}
	got := f.replies()
	last := len(got) - 1
	for i, m := range got {
		if (m.Errnum != 0) != (i == last) {
			t.Fatalf("reply %d of %d is %s", i+1, len(got), show(m))
		}
	}
	if int64(last) != sent.Load() {
		t.Errorf("%d items, %d sent", last, sent.Load())
	}
}
