package flux

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/internal/peertest"
)

// What waits for hooks is bounded, with what the queue's goroutine has taken already.
func TestNoticesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next, missed := make(chan struct{}), 0
		q := &noticeQueue{missed: func(n int) { missed += n }}
		called := 0
		wait := func() { <-next; called++ }
		q.addNotice(0, false, wait)
		synctest.Wait() // it has been taken
		for range noticeLimit - 1 {
			q.addNotice(0, false, wait)
		}
		next <- struct{}{}
		synctest.Wait() // the others, too
		for range noticeLimit {
			q.addNotice(0, false, wait)
		}
		close(next)
		synctest.Wait()
		if called != noticeLimit+1 || missed != noticeLimit-1 {
			t.Errorf("%d were called and %d missed, want %d and %d", called, missed, noticeLimit+1, noticeLimit-1)
		}
	})
}

// stuckWriter takes nothing until it is closed.
type stuckWriter chan struct{}

func (w stuckWriter) Write(p []byte) (int, error) {
	<-w
	return len(p), nil
}

// Shutdown ends with its ctx, also while nobody reads the trace.
func TestShutdownDoesNotWaitForTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, p := peertest.Pipe(t, 0)
		defer p.Close()
		trace := make(stuckWriter)
		defer close(trace)
		c := NewClient(near, WithTrace(trace))
		if err := c.Notify(t.Context(), "a.b", nil); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		if err := c.Shutdown(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("Shutdown: %v", err)
		}
		if d := time.Since(start); d > 0 {
			t.Errorf("Shutdown came back %v after the end of its ctx", d)
		}
	})
}
