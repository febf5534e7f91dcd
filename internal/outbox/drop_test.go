package outbox

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
)

// newLossy is an outbox of numbers in which a gap of n is -n.
func newLossy(msgs, bytes int) *Outbox[int] {
	return NewLossy[int](Limit{msgs, bytes}, func(n int) int { return -n })
}

// A consumer that does not read finds the newest, behind one gap.
func TestDropOldestStalled(t *testing.T) {
	for _, limit := range []int{1, 2, 3, 8, 32, 33, 100} {
		for _, extra := range []int{0, 1, 2, 5, 1000} {
			for _, waits := range []bool{false, true} { // for the feeder, after each
				t.Run(fmt.Sprint(limit, extra, waits), func(t *testing.T) {
					inBubble(t, func(t *testing.T) {
						b := newLossy(limit, plenty)
						for i := 1; i <= limit+extra; i++ {
							mustPush(t, b, i, i)
							if waits {
								synctest.Wait()
							}
						}
						synctest.Wait()
						wantDepth(t, b, limit, limit)
						var want []int
						if extra > 0 {
							want = []int{-extra}
						}
						b.Finish(nil)
						wantItems(t, rest(b.ch), append(want, count(extra+1, extra+limit)...))
					})
				})
			}
		}
	}
}

// Each hole has a gap of its own, in its place.
func TestDropOldestSeveralHoles(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newLossy(3, plenty)
		var got []int
		receive := func(n int) {
			synctest.Wait()
			for range n {
				got = append(got, <-b.ch)
			}
			synctest.Wait()
		}
		mustPush(t, b, 1, 5)  // 1 and 2 go
		receive(2)            // -2, 3; 4 and 5 wait
		mustPush(t, b, 6, 6)  // fits
		receive(1)            // 4
		mustPush(t, b, 7, 11) // 5 to 8 go
		receive(1)            // -4
		mustPush(t, b, 12, 12)
		receive(9 - 5) // 9 went: -1, 10, 11, 12
		mustPush(t, b, 13, 13)
		receive(1)
		b.Finish(nil)
		wantItems(t, got, []int{-2, 3, 4, -4, -1, 10, 11, 12, 13})
		wantItems(t, rest(b.ch), nil)
	})
}

func TestDropOldestBytes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newLossy(100, 100)
		push := func(sizes ...int) {
			for _, n := range sizes {
				b.Push(n, n)
				synctest.Wait() // for the feeder, who drops
			}
		}
		push(30, 40, 20)
		wantItems(t, ready(b.ch), []int{30, 40, 20})
		push(30, 40, 20, 11) // 30 goes
		wantItems(t, ready(b.ch), []int{-1, 40, 20, 11})
		push(30, 40, 20, 1000) // alone
		synctest.Wait()
		wantDepth(t, b, 1, 1000)
		wantItems(t, ready(b.ch), []int{-3, 1000})
		push(1000, 7)
		wantItems(t, ready(b.ch), []int{-1, 7})
		push(1, 1000)
		push(2)
		push(0)
		wantItems(t, ready(b.ch), []int{-2, 2, 0})
		push(60, 30, 10, 90) // 90 and 10 fit
		wantItems(t, ready(b.ch), []int{-2, 10, 90})
		b.Finish(nil)
	})
}

// A mark in a hole stands for all of it; elsewhere it stays.
func TestDropOldestMark(t *testing.T) {
	const mark = 99999
	inBubble(t, func(t *testing.T) {
		b := newLossy(3, plenty)
		b.Mark(mark)
		wantItems(t, ready(b.ch), []int{mark})
		mustPush(t, b, 1, 2)
		b.Mark(mark)
		wantItems(t, ready(b.ch), []int{1, 2, mark})
		b.Mark(mark)
		mustPush(t, b, 1, 7)
		wantItems(t, ready(b.ch), []int{mark, 5, 6, 7})
		mustPush(t, b, 1, 2)
		b.Mark(mark)
		mustPush(t, b, 3, 9)
		wantItems(t, ready(b.ch), []int{mark, 7, 8, 9})
		mustPush(t, b, 1, 9)
		synctest.Wait()
		b.Mark(mark) // the mark and two: 7 goes
		synctest.Wait()
		b.Finish(nil)
		got := rest(b.ch)
		wantItems(t, got[len(got)-1:], []int{mark})
		wantItems(t, got[:1], []int{-6})
	})
}

// The end comes after what was accepted, gaps included; a cut drops them.
func TestDropOldestEnds(t *testing.T) {
	const end, late = 77777, 88888
	for _, pushed := range []int{0, 1, 2, 3, 50} {
		for _, waits := range []bool{false, true} {
			for _, how := range []string{"finish", "finish clean", "abort", "abort clean", "finish, abort"} {
				t.Run(fmt.Sprint(pushed, waits, how), func(t *testing.T) {
					inBubble(t, func(t *testing.T) {
						b := newLossy(2, plenty)
						n := closings(b)
						mustPush(t, b, 1, pushed)
						if waits {
							synctest.Wait()
						}
						e, l := end, late
						accepted := count(max(1, pushed-1), pushed)
						if pushed > 2 {
							accepted = append([]int{2 - pushed}, accepted...)
						}
						switch how {
						case "finish":
							b.Finish(&e)
							synctest.Wait()
							mustPush(t, b, 100, 200)
							wantItems(t, rest(b.ch), append(accepted, end))
						case "finish clean":
							b.Finish(nil)
							synctest.Wait()
							wantItems(t, rest(b.ch), accepted)
						case "abort":
							b.Abort(&e)
							wantClosings(t, n, 1)
							mustPush(t, b, 100, 200)
							wantItems(t, rest(b.ch), []int{end})
						case "abort clean":
							b.Abort(nil)
							wantClosings(t, n, 1)
							if got := rest(b.ch); len(got) > 1 {
								t.Errorf("received %v after a cut, want no more than was in the channel", got)
							}
						default:
							b.Finish(&e)
							b.Abort(&l)
							synctest.Wait()
							got := rest(b.ch)
							if len(got) == 0 || got[len(got)-1] != end && got[len(got)-1] != late {
								t.Errorf("received %v, want one end", got)
							}
						}
						wantClosings(t, n, 1)
					})
				})
			}
		}
	}
}

// Whatever the consumer does, what it receives and the gaps make up what was
// pushed, in order, with each gap exactly as large as the hole it is in.
func TestDropOldestConservation(t *testing.T) {
	items := 20000
	if testing.Short() {
		items = 5000
	}
	for _, limit := range []Limit{{1, plenty}, {2, plenty}, {33, plenty}, {1000, plenty}, {1000, 50}} {
		b := newLossy(limit.Messages, limit.Bytes)
		var wg sync.WaitGroup
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, 2))
			for i := 1; i <= items; i++ {
				b.Push(i, r.IntN(20))
				if r.IntN(50) == 0 {
					for n, _ := b.Depth(); n > 0 && r.IntN(30) > 0; n, _ = b.Depth() {
					}
				}
			}
			b.Finish(nil)
		})
		last, gaps := 0, 0
		for v := range b.ch {
			switch {
			case v > 0 && v != last+1:
				t.Fatalf("%v: received %d after %d", limit, v, last)
			case v > 0:
				last = v
			default:
				last -= v
				gaps++
			}
		}
		wg.Wait()
		if last != items {
			t.Errorf("%v: %d pushed, but only %d accounted for", limit, items, last)
		}
		t.Logf("%v: %d gaps", limit, gaps)
	}
}
