package flux

import (
	"math/rand/v2"
	"reflect"
	"testing"
)

// A fifo gives what a slice would, and unused chunks hold nothing.
func TestFifo(t *testing.T) {
	if size := reflect.TypeFor[chunk[Response]]().Size(); size > 512 {
		t.Errorf("a chunk has %d bytes, want %d at most", size, 512)
	}
	type item struct{ n *int }
	var q fifo[item]
	next, oldest := 0, 0
	for range 10_000 {
		if rand.IntN(200) > 0 && (q.n == 0 || rand.IntN(100) < 40+next/100%20) {
			v := next
			q.push(boxed[item]{v: item{&v}, size: next, mark: next%7 == 0})
			next++
		} else if q.n > 0 {
			front := *q.front()
			if v := q.pop(); v != front || *v.v.n != oldest || v.size != oldest || v.mark != (oldest%7 == 0) {
				t.Fatalf("item %d came in place of %d", v.size, oldest)
			}
			oldest++
		}
		if q.n != next-oldest || (q.first == nil) != (q.last == nil) || (q.n == 0) != (q.first == nil) {
			t.Fatalf("%d items, want %d", q.n, next-oldest)
		}
	}
	for q.n > 0 {
		c := q.first
		for q.first == c && q.n > 0 {
			q.pop()
		}
		if *c != (chunk[item]{}) {
			t.Fatalf("an unused chunk has %+v", *c)
		}
	}
}
