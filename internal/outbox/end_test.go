package outbox

import (
	"fmt"
	"testing"
	"testing/synctest"
)

// closings counts the calls of an outbox's onClose.
func closings(b *Outbox[int]) *int {
	n := new(int)
	b.WhenClosed(func() { *n++ })
	return n
}

func wantClosings(t testing.TB, n *int, want int) {
	t.Helper()
	synctest.Wait()
	if *n != want {
		t.Errorf("onClose was called %d times, want %d", *n, want)
	}
}

// A consumer that keeps up costs no goroutine.
func TestOutboxFastPath(t *testing.T) {
	b := New[int](testLimit)
	for i := range 1000 {
		mustPush(t, b, i, i)
		if b.feeding {
			t.Fatal("there is a feeder, though the consumer keeps up")
		}
		if got := <-b.ch; got != i {
			t.Fatalf("received %d, want %d", got, i)
		}
	}
	b.Finish(nil)
	if _, ok := <-b.ch; ok {
		t.Error("received an item after the end")
	}
}

func TestOutboxSpillInOrder(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := New[int](testLimit)
		next := 1
		for round := range 5 { // each time the feeder comes and goes
			mustPush(t, b, round*1000+1, round*1000+1000)
			if !b.feeding {
				t.Fatal("1000 items were queued and there is no feeder")
			}
			for range 1000 {
				if got := <-b.ch; got != next {
					t.Fatalf("received %d, want %d", got, next)
				}
				next++
			}
			synctest.Wait()
			if b.feeding || b.list.len() > 0 {
				t.Error("there is a feeder or a list, though all is received")
			}
			wantDepth(t, b, 0, 0)
		}
		b.Finish(nil)
	})
}

// However much is queued, it comes first, then the last item, then the end.
func TestOutboxFinish(t *testing.T) {
	for _, backlog := range []int{0, 1, 31, 32, 33, 34, 500} {
		for _, withLast := range []bool{false, true} {
			t.Run(fmt.Sprint(backlog, withLast), func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					b := New[int](testLimit)
					n := closings(b)
					want := count(1, backlog)
					mustPush(t, b, 1, backlog)
					if withLast {
						end := -1
						b.Finish(&end)
						want = append(want, -1)
					} else {
						b.Finish(nil)
					}
					mustPush(t, b, 1000, 1100) // accepted by nobody
					end := -2
					b.Finish(&end)
					b.Mark(-3)
					wantItems(t, rest(b.ch), want)
					wantClosings(t, n, 1)
					b.Abort(&end)
					wantClosings(t, n, 1)
				})
			})
		}
	}
}

// With room for the last item, what is in the channel comes before it; the rest
// is dropped. Without room, all is.
func TestOutboxAbort(t *testing.T) {
	for _, tt := range []struct {
		queued, received int
		want             []int // without the last item
	}{
		{0, 0, nil},
		{1, 0, count(1, 1)},
		{31, 0, count(1, 31)},
		{32, 0, nil},
		{33, 0, nil},
		{500, 0, nil},
		{32, 1, count(2, 32)},
		{500, 7, nil},
	} {
		for _, withLast := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.queued, tt.received, withLast), func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					b := New[int](testLimit)
					n := closings(b)
					mustPush(t, b, 1, tt.queued)
					for range tt.received {
						<-b.ch
					}
					synctest.Wait()
					want := tt.want
					if withLast {
						end := -1
						b.Abort(&end)
						want = append(want, -1)
					} else {
						b.Abort(nil)
						if full := min(tt.received+chanRoom, tt.queued); want == nil && full > 0 {
							want = count(tt.received+1, full) // nothing needs their room
						}
					}
					wantClosings(t, n, 1) // with nobody receiving
					mustPush(t, b, 1000, 1100)
					b.Mark(-3)
					end := -2
					b.Finish(&end)
					b.Abort(&end)
					wantItems(t, rest(b.ch), want)
					wantClosings(t, n, 1)
				})
			})
		}
	}
}

// What ends while it is being ended ends once, with the later reason if the
// earlier was not delivered yet.
func TestOutboxFinishThenAbort(t *testing.T) {
	for _, backlog := range []int{0, 1, 31, 32, 33, 100} {
		for received := range backlog + 2 {
			t.Run(fmt.Sprint(backlog, received), func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					b := New[int](testLimit)
					n := closings(b)
					mustPush(t, b, 1, backlog)
					finished, aborted := -1, -2
					b.Finish(&finished)
					var got []int
					for range received {
						got = append(got, <-b.ch)
					}
					synctest.Wait()
					b.Abort(&aborted)
					got = append(got, rest(b.ch)...)
					ends := 0
					for i, v := range got {
						switch {
						case v < 0:
							ends++
						case v != i+1:
							t.Fatalf("received %v: out of order", got)
						}
					}
					if ends != 1 || got[len(got)-1] >= 0 {
						t.Errorf("received %v, want one end, the last", got)
					}
					wantClosings(t, n, 1)
				})
			})
		}
	}
}

func TestOutboxWhenClosedLate(t *testing.T) {
	b := New[int](testLimit)
	b.Finish(nil)
	n := closings(b)
	if *n != 1 {
		t.Errorf("onClose of a closed outbox was called %d times, want 1", *n)
	}
}

// onClose is called with no lock held.
func TestOutboxOnCloseReenters(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, end := range []func(b *Outbox[int]){
			func(b *Outbox[int]) { b.Finish(nil) },
			func(b *Outbox[int]) { b.Abort(nil) },
			func(b *Outbox[int]) { mustPush(t, b, 1, 100); b.Abort(nil) },
			func(b *Outbox[int]) { mustPush(t, b, 1, 100); b.Finish(nil); rest(b.ch) },
		} {
			b := New[int](testLimit)
			called := false
			b.WhenClosed(func() {
				called = true
				b.Push(1, 1)
				b.Abort(nil)
				b.Depth()
			})
			end(b)
			synctest.Wait()
			if !called {
				t.Error("onClose was not called")
			}
		}
	})
}

// A mark gets in past any limit and keeps its place.
func TestOutboxMark(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, n := range []int{1, 10, 40} {
			b := New[int](Limit{n, plenty})
			b.Mark(-1)
			if got := <-b.ch; got != -1 {
				t.Errorf("received %d, want the mark", got)
			}
			mustPush(t, b, 1, n)
			b.Mark(-2)
			b.Mark(-3)
			synctest.Wait() // the feeder is sending what does not count
			if b.Push(0, 1) {
				t.Error("an item was accepted past the limit")
			}
			b.Finish(nil)
			wantItems(t, rest(b.ch), append(count(1, n), -2, -3))
		}
	})
}
