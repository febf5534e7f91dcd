package outbox

import (
	"sync"
	"testing"
)

// A producer that pushes only when the consumer has received is never refused,
// though the feeder may be slow to say what it has sent.
func TestOutboxCredits(t *testing.T) {
	items := 200000
	if testing.Short() {
		items = 20000
	}
	for _, n := range []int{1, 2, 32, 33, 40, 100} {
		b := New[int](Limit{n, plenty})
		credits := make(chan struct{}, n)
		for range n {
			credits <- struct{}{}
		}
		refused := make(chan int, 1)
		go func() {
			defer b.Finish(nil)
			for i := 1; i <= items; i++ {
				<-credits
				if !b.Push(i, 1) {
					refused <- i
					return
				}
			}
		}()
		next := 1
		for got := range b.ch {
			if got != next {
				t.Fatalf("limit %d: received %d, want %d", n, got, next)
			}
			next++
			credits <- struct{}{}
		}
		select {
		case i := <-refused:
			t.Errorf("limit %d: item %d was refused, with room for it", n, i)
		default:
		}
	}
}

// Whatever races with whatever, a consumer sees items in order, each once, and
// one end, the last.
func TestOutboxRaces(t *testing.T) {
	rounds := 20000
	if testing.Short() {
		rounds = 2000
	}
	for round := range rounds {
		b := New[int](testLimit)
		var wg sync.WaitGroup
		closed := make(chan struct{})
		b.WhenClosed(func() { close(closed) }) // a second time panics
		wg.Go(func() {
			for i := 1; i <= 20+round%60; i++ {
				b.Push(i, 1)
			}
			if round%3 == 0 {
				end := -1
				b.Finish(&end)
			}
		})
		early := 0
		wg.Go(func() {
			if round%2 == 0 {
				early = <-b.ch
			}
			end := -2
			b.Abort(&end)
		})
		if round%5 == 0 {
			wg.Go(func() {
				end := -3
				b.Finish(&end)
			})
		}
		wg.Wait()
		last := early
		for v := range b.ch {
			if last < 0 || v > 0 && v <= last {
				t.Fatalf("received %d after %d", v, last)
			}
			last = v
		}
		if last >= 0 {
			t.Fatalf("closed after %d, without an end", last)
		}
		<-closed
	}
}
