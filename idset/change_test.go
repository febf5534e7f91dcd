package idset

import (
	"math"
	"sync"
	"testing"
)

func TestAddRange(t *testing.T) {
	for _, tt := range []struct {
		before string
		lo, hi uint32
		want   string
	}{
		{"", 3, 5, "3-5"},
		{"1,9", 3, 5, "1,3-5,9"},
		{"1-2,9", 3, 5, "1-5,9"},
		{"1,6-9", 3, 5, "1,3-9"},
		{"0-2,4,6-9,11", 3, 5, "0-9,11"},
		{"0-9", 3, 5, "0-9"},
		{"4", 3, 5, "3-5"},
		{"5", 6, 4, "5"},
		{"0,4294967295", 1, math.MaxUint32 - 1, "0-4294967295"},
		{"4294967295", 0, math.MaxUint32, "0-4294967295"},
		{"0", math.MaxUint32, math.MaxUint32, "0,4294967295"},
	} {
		s := mustParse(t, tt.before)
		s.AddRange(tt.lo, tt.hi)
		if s.String() != tt.want {
			t.Errorf("%s and %d-%d: %v, want %s", tt.before, tt.lo, tt.hi, s, tt.want)
		}
	}
}

func TestRemoveRange(t *testing.T) {
	for _, tt := range []struct {
		before string
		lo, hi uint32
		want   string
	}{
		{"", 3, 5, ""},
		{"3-5", 3, 5, ""},
		{"4", 3, 5, ""},
		{"0-9", 3, 5, "0-2,6-9"},
		{"0-3,5-9", 3, 5, "0-2,6-9"},
		{"0-2,6-9", 3, 5, "0-2,6-9"},
		{"0-9", 5, 3, "0-9"},
		{"0-4294967295", 1, math.MaxUint32 - 1, "0,4294967295"},
		{"0-4294967295", 0, math.MaxUint32, ""},
	} {
		s := mustParse(t, tt.before)
		s.RemoveRange(tt.lo, tt.hi)
		if s.String() != tt.want || s.IsEmpty() != (tt.want == "") {
			t.Errorf("%s without %d-%d: %v, want %s", tt.before, tt.lo, tt.hi, s, tt.want)
		}
	}
}

// TestCopiesAreIndependent changes one of two copies in every way and looks at the other.
func TestCopiesAreIndependent(t *testing.T) {
	changes := map[string]func(*Set){
		"Add":           func(s *Set) { s.Add(8) },
		"Add at end":    func(s *Set) { s.Add(100) },
		"Add many":      func(s *Set) { s.Add(100, 8, 50) },
		"AddRange":      func(s *Set) { s.AddRange(3, 60) },
		"Remove":        func(s *Set) { s.Remove(1) },
		"Remove many":   func(s *Set) { s.Remove(1, 7) },
		"RemoveRange":   func(s *Set) { s.RemoveRange(2, 8) },
		"Set":           func(s *Set) { _ = s.Set("4") },
		"UnmarshalText": func(s *Set) { _ = s.UnmarshalText([]byte("4")) },
	}
	const text = "0-3,7,9-12"
	for name, change := range changes {
		for _, origin := range []Set{
			mustParse(t, text),
			New(0, 1, 2, 3, 7, 9, 10, 11, 12),
			Range(0, 12).Difference(New(4, 5, 6, 8)),
		} {
			a, b := origin, origin.Union(Set{})
			change(&a)
			if a.String() == text {
				t.Errorf("%s changed nothing", name)
			}
			if origin.String() != text || b.String() != text {
				t.Errorf("%s changed another copy: %v, %v", name, origin, b)
			}
			changed := a.String()
			origin.Add(200, 201)
			b.Remove(0, 9)
			if a.String() != changed {
				t.Errorf("after %s: a change of another copy made %s to %v", name, changed, a)
			}
		}
	}
}

// TestConcurrentUse reads one Set and changes copies of it from several goroutines, for the race detector.
func TestConcurrentUse(t *testing.T) {
	shared := mustParse(t, "0-3,7,9-12")
	var wg sync.WaitGroup
	for i := range uint32(8) {
		wg.Go(func() {
			own := shared
			for id := range uint32(100) {
				own.Add(20 + 2*id + i)
				own.Remove(id % 12)
				if !shared.Contains(7) || shared.Len() != 9 || shared.Union(own).IsEmpty() {
					t.Error("the shared set changed")
					return
				}
			}
		})
	}
	wg.Wait()
	if shared.String() != "0-3,7,9-12" {
		t.Error(shared)
	}
}

func mustParse(tb testing.TB, text string) Set {
	tb.Helper()
	s, err := Parse(text)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}
