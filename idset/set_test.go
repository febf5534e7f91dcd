package idset

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestZeroSetIsEmpty(t *testing.T) {
	var s Set
	_, hasMin := s.Min()
	_, hasMax := s.Max()
	_, hasNext := s.Next(0)
	_, hasPrev := s.Prev(math.MaxUint32)
	if !s.IsEmpty() || s.Len() != 0 || s.Contains(0) || hasMin || hasMax || hasNext || hasPrev {
		t.Error("the zero Set has an id")
	}
	if s.String() != "" || s.Brackets() != "" || s.Plain() != "" || !s.Equal(New()) {
		t.Errorf("the zero Set is %q, %q", s.String(), s.Brackets())
	}
	s.Remove(3)
	s.Add()
	if !s.IsEmpty() {
		t.Errorf("got %v", s)
	}
}

func TestNewTakesAnyOrder(t *testing.T) {
	for _, tt := range []struct {
		ids  []uint32
		want string
	}{
		{nil, ""},
		{[]uint32{7}, "7"},
		{[]uint32{3, 1, 2, 0, 7, 3}, "0-3,7"},
		{[]uint32{math.MaxUint32, 0, math.MaxUint32 - 1}, "0,4294967294-4294967295"},
	} {
		if got := New(tt.ids...).String(); got != tt.want {
			t.Errorf("New(%v) = %s, want %s", tt.ids, got, tt.want)
		}
		if got := Collect(slices.Values(tt.ids)).String(); got != tt.want {
			t.Errorf("Collect(%v) = %s, want %s", tt.ids, got, tt.want)
		}
	}
}

func TestNewLeavesArgument(t *testing.T) {
	ids := []uint32{3, 1, 2}
	s := New(ids...)
	ids[0] = 9
	if s.String() != "1-3" || !slices.Equal(ids, []uint32{9, 1, 2}) {
		t.Errorf("set %v, argument %v", s, ids)
	}
}

func TestRange(t *testing.T) {
	for _, tt := range []struct {
		lo, hi uint32
		text   string
		count  uint64
	}{
		{0, 0, "0", 1},
		{2, 5, "2-5", 4},
		{5, 2, "", 0},
		{0, math.MaxUint32 - 1, "0-4294967294", math.MaxUint32},
		{0, math.MaxUint32, "0-4294967295", math.MaxUint32 + 1},
		{math.MaxUint32, math.MaxUint32, "4294967295", 1},
	} {
		s := Range(tt.lo, tt.hi)
		if s.String() != tt.text || s.Len() != int(min(tt.count, math.MaxInt)) {
			t.Errorf("Range(%d, %d) = %v with %d ids", tt.lo, tt.hi, s, s.Len())
		}
	}
}

func TestIteratorsStopAndReachTheEnds(t *testing.T) {
	s := New(0, 1, math.MaxUint32-1, math.MaxUint32)
	up := slices.Collect(s.All())
	if !slices.Equal(up, []uint32{0, 1, math.MaxUint32 - 1, math.MaxUint32}) {
		t.Errorf("All: %v", up)
	}
	down := slices.Collect(s.Backward())
	slices.Reverse(down)
	if !slices.Equal(up, down) {
		t.Errorf("Backward: %v", down)
	}
	for id := range Range(5, math.MaxUint32).All() {
		if id == 7 {
			break
		}
	}
	for id := range Range(0, 9).Backward() {
		if id == 7 {
			break
		}
	}
	n := 0
	for lo, hi := range s.Ranges() {
		if n++; lo != 0 || hi != 1 {
			t.Errorf("range %d-%d", lo, hi)
		}
		break
	}
	if n != 1 {
		t.Errorf("%d ranges", n)
	}
}

func TestNextPrevAtTheEnds(t *testing.T) {
	s := New(0, 5, math.MaxUint32)
	if id, ok := s.Next(math.MaxUint32 - 1); !ok || id != math.MaxUint32 {
		t.Error(id, ok)
	}
	if id, ok := s.Next(math.MaxUint32); ok {
		t.Error(id)
	}
	if id, ok := s.Prev(1); !ok || id != 0 {
		t.Error(id, ok)
	}
	if id, ok := s.Prev(0); ok {
		t.Error(id)
	}
	if id, ok := Range(3, 9).Prev(6); !ok || id != 5 {
		t.Error(id, ok)
	}
}

// TestCost holds that the cost grows with ranges, not members.
func TestCost(t *testing.T) {
	var s, u Set
	var err error
	allocs := testing.AllocsPerRun(100, func() {
		s, err = Parse("0-4294967294")
		u = s.Union(New(4294967295))
	})
	if err != nil || u.String() != "0-4294967295" || len(s.spans) != 1 || cap(s.spans) != 1 || len(u.spans) != 1 {
		t.Fatalf("%v, %v, %d spans", err, u, len(s.spans))
	}
	if allocs > 8 {
		t.Errorf("%v allocations", allocs)
	}
	// What the claimed size of a short text makes the parser allocate is bounded by the text.
	text := strings.Repeat("9,", 1000)
	if n := testing.AllocsPerRun(10, func() { _, err = Parse(text) }); err == nil || n > 8 {
		t.Errorf("%v allocations, %v", n, err)
	}
	// An operation that changes nothing allocates nothing.
	s = Range(1, 1<<30)
	unchanged := func() {
		s.Add(5)
		s.AddRange(1, 1<<30)
		s.Remove(0)
		s.RemoveRange(1<<31, math.MaxUint32)
		u = s.Union(Set{})
	}
	if n := testing.AllocsPerRun(100, unchanged); n != 0 {
		t.Errorf("%v allocations without a change", n)
	}
}
