package outbox

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
)

const plenty = math.MaxInt / 2 // bytes

var testLimit = Limit{65536, 64 << 20}

// inBubble runs f in a bubble, where a goroutine that is left behind fails the test.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// count is the numbers from first to last.
func count(first, last int) []int {
	var s []int
	for i := first; i <= last; i++ {
		s = append(s, i)
	}
	return s
}

// rest receives until the channel closes.
func rest[T any](ch <-chan T) []T {
	var s []T
	for v := range ch {
		s = append(s, v)
	}
	return s
}

// ready receives as long as there is something to be had.
func ready[T any](ch <-chan T) []T {
	var s []T
	for {
		synctest.Wait()
		select {
		case v, ok := <-ch:
			if !ok {
				return s
			}
			s = append(s, v)
		default:
			return s
		}
	}
}

func wantItems[T comparable](t testing.TB, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("received %v, want %v", got, want)
	}
}

func wantDepth[T any](t testing.TB, b *Outbox[T], msgs, bytes int) {
	t.Helper()
	if m, n := b.Depth(); m != msgs || n != bytes {
		t.Errorf("queued are %d messages, %d bytes, want %d, %d", m, n, msgs, bytes)
	}
}

// mustPush pushes the numbers from first to last, each of one byte.
func mustPush(t testing.TB, b *Outbox[int], first, last int) {
	t.Helper()
	for i := first; i <= last; i++ {
		if !b.Push(i, 1) {
			t.Fatalf("%d was not accepted", i)
		}
	}
}

// taken is how many items an outbox takes for a consumer that does not read.
func taken(limit int) int {
	if limit > chanRoom {
		return limit + 1 // one is being sent
	}
	return limit
}

// A consumer that does not read gets exactly as much as the limit says.
func TestOutboxLimitMessages(t *testing.T) {
	for _, n := range []int{1, 2, 31, 32, 33, 34, 64, 65, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				b := New[int](Limit{n, plenty})
				n := taken(n)
				for i := 1; i <= n; i++ {
					if !b.Push(i, 3) {
						t.Fatalf("item %d of %d was not accepted", i, n)
					}
					synctest.Wait() // for the feeder to take the next one
				}
				for range 3 {
					if b.Push(n+1, 3) {
						t.Errorf("item %d was accepted with %d queued", n+1, n)
					}
					synctest.Wait()
				}
				wantDepth(t, b, n, 3*n)
				end := -1
				b.Finish(&end)
				wantItems(t, rest(b.ch), append(count(1, n), -1))
			})
		})
	}
}

// Each item received makes room for exactly one.
func TestOutboxRoomComesBack(t *testing.T) {
	for _, n := range []int{1, 2, 32, 33, 40} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				b := New[int](Limit{n, plenty})
				mustPush(t, b, 1, n)
				synctest.Wait()
				if n = taken(n); n > chanRoom {
					mustPush(t, b, n, n)
				}
				for i := 1; i <= 3*n; i++ {
					if got := <-b.ch; got != i {
						t.Fatalf("received %d, want %d", got, i)
					}
					synctest.Wait()
					synctest.Wait()
					mustPush(t, b, n+i, n+i)
					if b.Push(0, 1) {
						t.Fatalf("one more than %d was accepted after %d received", n, i)
					}
				}
				b.Abort(nil)
			})
		})
	}
}

func TestOutboxLimitBytes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := New[int](Limit{1000, 100})
		accept := func(want bool, size int) {
			t.Helper()
			if got := b.Push(size, size); got != want {
				m, n := b.Depth()
				t.Errorf("accepting %d bytes with %d in %d messages queued is %t, want %t", size, n, m, got, want)
			}
		}
		accept(true, 60)
		accept(false, 41)
		accept(true, 40)
		accept(false, 1)
		accept(true, 0) // nothing more to hold
		wantDepth(t, b, 3, 100)
		<-b.ch
		wantDepth(t, b, 2, 40)
		accept(false, 61)
		accept(true, 60)
		for range 50 {
			accept(true, 0)
		}
		synctest.Wait() // the feeder is sending one of them
		accept(false, 1)
		wantDepth(t, b, 53, 100)
		wantItems(t, ready(b.ch)[:3], []int{40, 0, 60})
		wantDepth(t, b, 0, 0)
		accept(true, 100)
		b.Abort(nil)
	})
}

func TestOutboxHugeItem(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := New[int](Limit{10, 100})
		for range 3 { // each time it is empty
			if !b.Push(1, 1000) {
				t.Fatal("a single item was not accepted")
			}
			if b.Push(2, 0) {
				t.Error("an item of no bytes was accepted behind one that is past the limit by itself")
			}
			if got := <-b.ch; got != 1 {
				t.Errorf("received %d, want 1", got)
			}
		}
		mustPush(t, b, 1, 1)
		if b.Push(2, 1000) {
			t.Error("a huge item was accepted behind another")
		}
		b.Abort(nil)
	})
}
