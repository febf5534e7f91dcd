package mtag

import (
	"maps"
	"slices"
	"testing"
)

func take(t *testing.T, tab *Table[string], v string) uint32 {
	t.Helper()
	tag, ok := tab.Take(v)
	if !ok {
		t.Fatalf("Take(%q) failed with %d live and %d retired", v, tab.Live(), tab.Retired())
	}
	return tag
}

func check(t *testing.T, tab *Table[string], tag uint32, v string, s State) {
	t.Helper()
	if gotV, gotS := tab.Get(tag); gotV != v || gotS != s {
		t.Errorf("Get(%d) = %q, %d, want %q, %d", tag, gotV, gotS, v, s)
	}
}

func counts(t *testing.T, tab *Table[string], live, retired int) {
	t.Helper()
	if tab.Live() != live || tab.Retired() != retired {
		t.Errorf("Live, Retired = %d, %d, want %d, %d", tab.Live(), tab.Retired(), live, retired)
	}
}

func TestLifeCycle(t *testing.T) {
	var tab Table[string]
	check(t, &tab, 1, "", Free)
	tag := take(t, &tab, "call")
	if tag != 1 {
		t.Errorf("first tag is %d, want 1", tag)
	}
	check(t, &tab, tag, "call", Live)
	counts(t, &tab, 1, 0)
	if !tab.Retire(tag, "gone") {
		t.Error("Retire of a live tag reports false")
	}
	check(t, &tab, tag, "gone", Retired)
	counts(t, &tab, 0, 1)
	if tab.Retire(tag, "again") {
		t.Error("Retire of a retired tag reports true")
	}
	check(t, &tab, tag, "gone", Retired)
	tab.Free(tag)
	check(t, &tab, tag, "", Free)
	counts(t, &tab, 0, 0)
	tab.Free(tag)
	if tab.Retire(tag, "x") {
		t.Error("Retire of a free tag reports true")
	}
	counts(t, &tab, 0, 0)
	if next := take(t, &tab, "next"); next != 2 {
		t.Errorf("tag after a freed one is %d, want 2", next)
	}
}

func TestNeverZeroNorOverMax(t *testing.T) {
	tab := Table[string]{last: Max - 1}
	if tag := take(t, &tab, "a"); tag != Max {
		t.Errorf("got %d, want Max", tag)
	}
	if tag := take(t, &tab, "b"); tag != 1 {
		t.Errorf("after Max comes %d, want 1", tag)
	}
}

func TestFreedIsLast(t *testing.T) {
	tab := Table[string]{max: 5}
	first := take(t, &tab, "a")
	tab.Free(first)
	var got []uint32
	for range 5 {
		got = append(got, take(t, &tab, "b"))
	}
	if want := []uint32{2, 3, 4, 5, 1}; !slices.Equal(got, want) {
		t.Errorf("tags %v, want %v", got, want)
	}
}

// A tag that was in use for a whole round must not be given out right after it
// was freed, although its turn is next.
func TestFreedMissesItsNextTurn(t *testing.T) {
	tab := Table[string]{max: 8}
	long := take(t, &tab, "stream")
	for range 7 {
		tab.Free(take(t, &tab, "call"))
	}
	tab.Free(long)
	for range 7 {
		tag := take(t, &tab, "call")
		if tag == long {
			t.Fatalf("tag %d given out again at once", long)
		}
		tab.Free(tag)
	}
	if tag := take(t, &tab, "call"); tag != long {
		t.Errorf("got tag %d in the next round, want %d", tag, long)
	}
}

func TestExhaustion(t *testing.T) {
	tab := Table[string]{max: 3}
	for range 3 {
		take(t, &tab, "x")
	}
	tab.Retire(2, "gone")
	if tag, ok := tab.Take("y"); ok || tag != 0 {
		t.Errorf("Take of a full table = %d, %v", tag, ok)
	}
	counts(t, &tab, 2, 1)
	tab.Free(2)
	if tag := take(t, &tab, "y"); tag != 2 {
		t.Errorf("got %d, want the only free tag, 2", tag)
	}
}

func TestDrain(t *testing.T) {
	var tab Table[string]
	for _, v := range []string{"a", "b", "c", "d"} {
		take(t, &tab, v)
	}
	tab.Retire(2, "gone")
	tab.Free(3)
	live := tab.Drain()
	slices.Sort(live)
	if want := []string{"a", "d"}; !slices.Equal(live, want) {
		t.Errorf("Drain = %v, want %v", live, want)
	}
	counts(t, &tab, 0, 0)
	check(t, &tab, 1, "", Free)
	if tag := take(t, &tab, "e"); tag != 5 {
		t.Errorf("tag after Drain is %d, want 5: tags go on rising", tag)
	}
	if again := tab.Drain(); !slices.Equal(again, []string{"e"}) {
		t.Errorf("second Drain = %v", again)
	}
}

func TestAllMayFreeAndRetire(t *testing.T) {
	var tab Table[string]
	for _, v := range []string{"keep", "free", "retire", "gone"} {
		take(t, &tab, v)
	}
	tab.Retire(4, "gone")
	seen := map[uint32]string{}
	tab.All(func(tag uint32, v string, s State) bool {
		if want := Live; tag == 4 && s != Retired || tag != 4 && s != want {
			t.Errorf("tag %d (%s) has state %d", tag, v, s)
		}
		seen[tag] = v
		switch v {
		case "free":
			tab.Free(tag)
		case "retire":
			tab.Retire(tag, v)
		}
		return true
	})
	if want := map[uint32]string{1: "keep", 2: "free", 3: "retire", 4: "gone"}; !maps.Equal(seen, want) {
		t.Errorf("All saw %v, want %v", seen, want)
	}
	counts(t, &tab, 1, 2)
	n := 0
	tab.All(func(uint32, string, State) bool { n++; return false })
	if n != 1 {
		t.Errorf("All called f %d times after false, want 1", n)
	}
}

// The free list is no list: a table with few long-lived tags and many short
// ones must not grow, however far it has come.
func TestNoGrowth(t *testing.T) {
	for _, limit := range []uint32{64, 0} {
		tab := Table[string]{max: limit}
		take(t, &tab, "stream")
		for range 10_000 {
			tab.Free(take(t, &tab, "call"))
		}
		if tab.used != 1 || len(tab.pages) > 2 || len(tab.resting) > 1 {
			t.Errorf("table holds %d tags in %d pages and %d resting", tab.used, len(tab.pages), len(tab.resting))
		}
		var kept [8]uint32
		for range 10_000 {
			for i := range kept {
				kept[i] = take(t, &tab, "call")
			}
			for _, tag := range kept {
				tab.Free(tag)
			}
		}
		if tab.used != 1 || len(tab.pages) > 2 {
			t.Errorf("table holds %d tags in %d pages", tab.used, len(tab.pages))
		}
	}
}

func BenchmarkTakeGetFree(b *testing.B) {
	for _, live := range []int{0, 1000, 100_000} {
		b.Run(map[int]string{0: "alone", 1000: "among1k", 100_000: "among100k"}[live], func(b *testing.B) {
			var tab Table[*int]
			for range live {
				tab.Take(nil)
			}
			b.ReportAllocs()
			for b.Loop() {
				tag, _ := tab.Take(nil)
				if _, s := tab.Get(tag); s != Live {
					b.Fatal("not live")
				}
				tab.Free(tag)
			}
		})
	}
}
