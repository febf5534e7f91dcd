package flux

import "testing"

// Items never share a value, large ones share no allocation, and single ones
// take no more than they need.
func TestSlab(t *testing.T) {
	var s slab[int]
	seen := make(map[*int]bool)
	for n := range 1000 {
		v := s.next(n%2*(slabPayload+1), n%3 > 0)
		if seen[v] || *v != 0 {
			t.Fatalf("item %d is not new", n)
		}
		seen[v] = true
		*v = n + 1
	}
	var fresh slab[int]
	fresh.next(1, false)
	fresh.next(slabPayload+1, true)
	if fresh.rest != nil {
		t.Error("items that are alone, or large, are allocated with others")
	}
	if fresh.next(1, true); len(fresh.rest) != fresh.len()-1 {
		t.Errorf("%d more are ready, want %d", len(fresh.rest), fresh.len()-1)
	}
}
