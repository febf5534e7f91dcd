package flux

import (
	"context"
	"sync"

	"github.com/flux-sdk/flux/codec"
)

// ties are what makes the end of a ctx the end of its calls: one watch for all
// calls of a ctx, because a watch for each would be larger than the call.
type ties struct {
	mu      sync.Mutex
	closed  bool
	of      map[<-chan struct{}]*tie
	recent  *tie                      // may have no calls: the next is likely to have the same ctx
	cancels map[*goCall]codec.Message // what is to be sent for those that asked for it
}

// tie is a watched ctx and its calls.
type tie struct {
	ctx  context.Context
	done <-chan struct{}
	stop func() bool
	head *goCall
}

// untied is the tie of a call that is over.
var untied tie

// add ties a call that has been sent to its ctx. Both may be over already.
func (t *ties) add(ctx context.Context, g *goCall, cancel codec.Message) {
	t.mu.Lock()
	if g.tie == &untied {
		t.mu.Unlock()
		return
	}
	w := t.find(ctx)
	g.tie, g.next = w, w.head
	if w.head != nil {
		w.head.prev = g
	}
	w.head = g
	if cancel.Type != 0 {
		if t.cancels == nil {
			t.cancels = make(map[*goCall]codec.Message)
		}
		t.cancels[g] = cancel
	}
	t.mu.Unlock()
}

// find returns the tie of a ctx. Called with mu held.
func (t *ties) find(ctx context.Context) *tie {
	done := ctx.Done()
	if t.recent != nil && t.recent.done == done {
		return t.recent
	}
	w := t.of[done]
	if w == nil {
		w = &tie{ctx: ctx, done: done}
		if t.of == nil {
			t.of = make(map[<-chan struct{}]*tie)
		}
		t.of[done] = w
		w.stop = context.AfterFunc(ctx, func() { t.expire(w) })
	}
	if old := t.recent; !t.closed {
		t.recent = w
		if old != nil {
			t.dropIfUnused(old)
		}
	}
	return w
}

// dropIfUnused ends the watch of a ctx without calls. Called with mu held.
func (t *ties) dropIfUnused(w *tie) {
	if w.head == nil && w != t.recent && t.of[w.done] == w {
		delete(t.of, w.done)
		w.stop()
	}
}

// remove unties a call that is over.
func (t *ties) remove(g *goCall) {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := g.tie
	g.tie = &untied
	delete(t.cancels, g)
	if w == nil || w == &untied {
		return
	}
	if g.prev != nil {
		g.prev.next = g.next
	} else {
		w.head = g.next
	}
	if g.next != nil {
		g.next.prev = g.prev
	}
	g.prev, g.next = nil, nil
	t.dropIfUnused(w)
}

// expire ends the calls of a ctx that has ended.
func (t *ties) expire(w *tie) {
	t.mu.Lock()
	if t.of[w.done] == w {
		delete(t.of, w.done)
	}
	if t.recent == w {
		t.recent = nil
	}
	for w.head != nil {
		g, cancel := w.head, t.cancels[w.head]
		t.mu.Unlock()
		g.expire(w.ctx, cancel)
		t.remove(g) // one whose end is on its way is the other's to end
		t.mu.Lock()
	}
	t.mu.Unlock()
}

// close ends the watch that is kept for calls to come: there are none.
func (t *ties) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if w := t.recent; w != nil {
		t.recent = nil
		t.dropIfUnused(w)
	}
}
