package idset

import "testing"

func TestCollectRanges(t *testing.T) {
	pairs := func(yield func(lo, hi uint32) bool) {
		_ = yield(7, 9) && yield(0, 3) && yield(4, 4) && yield(8, 20) && yield(50, 40) && yield(4294967295, 4294967295)
	}
	if got := CollectRanges(pairs).String(); got != "0-4,7-20,4294967295" {
		t.Errorf("got %s", got)
	}
	s := New(1, 2, 5, 9)
	if got := CollectRanges(s.Ranges()); !got.Equal(s) {
		t.Errorf("got %s", got)
	}
	if !CollectRanges(func(func(lo, hi uint32) bool) {}).IsEmpty() {
		t.Error("nothing gives a set that is not empty")
	}
}
