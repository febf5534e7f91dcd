package idset

import (
	"math"
	"math/bits"
	"slices"
	"testing"
)

// window is the ids that the model has: some at both ends of uint32, where overflow would be.
const (
	window        = 64
	top    uint32 = math.MaxUint32 - window/2 + 1
)

func toID(bit int) uint32 {
	if bit < window/2 {
		return uint32(bit)
	}
	return top + uint32(bit-window/2)
}

// fromMask returns the set of a bitmap, built id by id.
func fromMask(mask uint64) Set {
	var s Set
	for bit := range window {
		if mask>>bit&1 == 1 {
			s.Add(toID(bit))
		}
	}
	return s
}

// toMask returns the bitmap of a set, asked id by id.
func toMask(s Set) uint64 {
	var mask uint64
	for bit := range window {
		if s.Contains(toID(bit)) {
			mask |= 1 << bit
		}
	}
	return mask
}

func FuzzModel(f *testing.F) {
	f.Add(uint64(0), uint64(0), byte(0), byte(0))
	f.Add(uint64(math.MaxUint64), uint64(0b1011), byte(3), byte(9))
	f.Add(uint64(0x8000000180000001), uint64(0x7ffffffe00000000), byte(60), byte(63))
	f.Fuzz(func(t *testing.T, maskA, maskB uint64, from, to byte) {
		a, b := fromMask(maskA), fromMask(maskB)
		is := func(what string, got Set, want uint64) {
			t.Helper()
			checkNormal(t, got)
			if mask := toMask(got); mask != want || got.Len() != bits.OnesCount64(want) {
				t.Errorf("%s of %v and %v: %v, want bits %b", what, a, b, got, want)
			}
		}
		is("copy", a, maskA)
		is("union", a.Union(b), maskA|maskB)
		is("intersection", a.Intersect(b), maskA&maskB)
		is("difference", a.Difference(b), maskA&^maskB)
		if a.Intersects(b) != (maskA&maskB != 0) || a.IsSubset(b) != (maskA&^maskB == 0) ||
			a.Equal(b) != (maskA == maskB) {
			t.Errorf("%v and %v: intersects %v, subset %v, equal %v", a, b, a.Intersects(b), a.IsSubset(b), a.Equal(b))
		}

		var ids []uint32
		for bit := range window {
			if maskA>>bit&1 == 1 {
				ids = append(ids, toID(bit))
			}
		}
		if got := slices.Collect(a.All()); !slices.Equal(got, ids) {
			t.Errorf("All of %v: %v", a, got)
		}
		slices.Reverse(ids)
		if got := slices.Collect(a.Backward()); !slices.Equal(got, ids) {
			t.Errorf("Backward of %v: %v", a, got)
		}
		is("New", New(ids...), maskA)
		walked := []uint32(nil)
		for id, ok := a.Min(); ok; id, ok = a.Next(id) {
			walked = append(walked, id)
		}
		slices.Reverse(walked)
		if !slices.Equal(walked, ids) {
			t.Errorf("Next through %v: %v", a, walked)
		}
		walked = walked[:0]
		for id, ok := a.Max(); ok; id, ok = a.Prev(id) {
			walked = append(walked, id)
		}
		if !slices.Equal(walked, ids) {
			t.Errorf("Prev through %v: %v", a, walked)
		}

		lo, hi := int(from%(window/2)), int(to%(window/2)) // one half, so that the range has no ids outside the model
		span := uint64(0)
		for bit := lo; bit <= hi; bit++ {
			span |= 1 << bit
		}
		for _, half := range []int{0, window / 2} {
			c := a
			c.AddRange(toID(lo+half), toID(hi+half))
			is("AddRange", c, maskA|span<<half)
			c = a
			c.RemoveRange(toID(lo+half), toID(hi+half))
			is("RemoveRange", c, maskA&^(span<<half))
		}
		c := a
		c.Add(ids...)
		is("Add", c, maskA)
		c.Remove(slices.Collect(b.All())...)
		is("Remove", c, maskA&^maskB)
		c = a
		for id := range b.All() {
			c.Remove(id)
		}
		is("Remove one by one", c, maskA&^maskB)
		is("copy after the changes", a, maskA)

		laws(t, a, b, fromMask(maskA^maskB>>3))
	})
}

// laws checks identities of sets that need no model.
func laws(t *testing.T, a, b, c Set) {
	t.Helper()
	for name, pair := range map[string][2]Set{
		"union commutes":           {a.Union(b), b.Union(a)},
		"intersection commutes":    {a.Intersect(b), b.Intersect(a)},
		"union associates":         {a.Union(b).Union(c), a.Union(b.Union(c))},
		"intersection associates":  {a.Intersect(b).Intersect(c), a.Intersect(b.Intersect(c))},
		"intersection distributes": {a.Intersect(b.Union(c)), a.Intersect(b).Union(a.Intersect(c))},
		"absorption":               {a.Union(a.Intersect(b)), a},
		"difference twice":         {a.Difference(b).Difference(c), a.Difference(b.Union(c))},
		"parts":                    {a.Difference(b).Union(a.Intersect(b)), a},
		"complement":               {Range(0, math.MaxUint32).Difference(Range(0, math.MaxUint32).Difference(a)), a},
	} {
		if !pair[0].Equal(pair[1]) {
			t.Errorf("%s: %v and %v, for %v, %v, %v", name, pair[0], pair[1], a, b, c)
		}
	}
}
