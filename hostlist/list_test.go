package hostlist

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/idset"
)

func TestZeroListIsEmpty(t *testing.T) {
	var l List
	i, ok := l.Find("a")
	if !l.IsEmpty() || l.Len() != 0 || l.String() != "" || len(l.Hosts()) != 0 || ok || i != 0 || l.Index("") != -1 {
		t.Errorf("the zero List is %q", l)
	}
	l.Sort()
	l.Uniq()
	l.UniqSorted()
	l.AppendList(List{})
	n, err := l.Delete("a[1-3]")
	if n != 0 || err != nil || !l.Equal(New()) || !l.Select(idset.Set{}).Equal(l) || !l.Slice(0, 0).IsEmpty() {
		t.Errorf("%q, %d, %v", l, n, err)
	}
	for range l.All() {
		t.Error("a host in an empty list")
	}
}

func TestNewPanicsOnBadText(t *testing.T) {
	defer func() {
		if _, ok := recover().(*ParseError); !ok {
			t.Error("no panic with a ParseError")
		}
	}()
	New("a", "b[")
}

func TestPositionsOutOfRangePanic(t *testing.T) {
	l := New("a[1-3]", "b")
	for name, f := range map[string]func(){
		"At(-1)":      func() { l.At(-1) },
		"At(4)":       func() { l.At(4) },
		"Select(0,4)": func() { l.Select(idset.New(0, 4)) },
		"Slice(-1,1)": func() { l.Slice(-1, 1) },
		"Slice(2,1)":  func() { l.Slice(2, 1) },
		"Slice(0,5)":  func() { l.Slice(0, 5) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if text, _ := recover().(string); !strings.Contains(text, "of a list of 4 hosts") {
					t.Errorf("panic %q", text)
				}
			}()
			f()
		})
	}
}

func TestIndexIsExact(t *testing.T) {
	l := New("foo[08-11]", "foo8", "a[1-2]-ib", "rack1[0-3]", "n[9-10]", "n010", "18446744073709551615")
	for host, want := range map[string]int{
		"foo08": 0, "foo8": 4, "foo10": 2, "foo010": -1, "foo12": -1, "foo": -1, "fo": -1, "foo+8": -1, "foo 8": -1,
		"a2-ib": 6, "a02-ib": -1, "a3-ib": -1, "a-ib": -1, "a2": -1, "a2-i": -1,
		"rack12": 9, "rack2": -1, "rack1[2]": -1, "n9": 11, "n10": 12, "n010": 13, "n09": -1,
		"18446744073709551615": 14, "18446744073709551616": -1, "": -1, "foo[08-11]": -1, "foo08,foo09": -1,
	} {
		if got := l.Index(host); got != want {
			t.Errorf("%q: %d, want %d", host, got, want)
		}
	}
}

func TestIndexOverlappingPrefixAndSuffix(t *testing.T) {
	l := New("aa[1]aa", "a1[2]1a")
	if l.Index("aaa") != -1 || l.Index("a1a") != -1 || l.Index("aa1aa") != 0 || l.Index("a121a") != 1 {
		t.Error("the prefix and the suffix of a name may not overlap")
	}
}

func TestEqualIgnoresSpelling(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"n10,n11", "n1[0-1]", true},
		{"n[10-11]", "n1[0-1]", true},
		{"n[1-2]0", "n10,n20", true},
		{"n[1-2]0", "n[10,20]", true},
		{"n[1-2]", "n[01-02]", false},
		{"n[1-2]", "n[2,1]", false},
		{"n[1-2]", "n[1-3]", false},
		{"a,a", "a", false},
		{"", ",", true},
	} {
		a, b := New(tt.a), New(tt.b)
		if a.Equal(b) != tt.want || b.Equal(a) != tt.want {
			t.Errorf("%q, %q: %v", tt.a, tt.b, a.Equal(b))
		}
	}
}

func TestAllStops(t *testing.T) {
	n := 0
	for i, host := range New("a[0-1048575]").All() {
		if n++; i == 2 && host == "a2" {
			break
		}
	}
	if n != 3 {
		t.Errorf("%d hosts", n)
	}
}

func TestSelectAndSlice(t *testing.T) {
	l := New("a[0-9]", "b", "c[1-3]-ib")
	if got := l.Select(idset.New(0, 1, 5, 10, 11, 13)).String(); got != "a[0-1,5],b,c1-ib,c3-ib" {
		t.Error(got)
	}
	if got := l.Slice(8, 12).String(); got != "a[8-9],b,c1-ib" {
		t.Error(got)
	}
	if got := l.Slice(0, l.Len()); !got.Equal(l) {
		t.Error(got)
	}
}

// TestCost holds that the cost grows with ranges, not members.
func TestCost(t *testing.T) {
	const text = "node[0-999999]-ib,node[000000-999999]"
	var l, selected List
	var err error
	allocs := testing.AllocsPerRun(100, func() {
		l, err = Parse(text)
		selected = l.Select(idset.Range(5, 1_999_990))
	})
	if err != nil || l.Len() != 2_000_000 || len(l.entries) != 2 || selected.Len() != 1_999_986 ||
		l.Index("node999999") != 1_999_999 {
		t.Fatalf("%v, %d hosts in %d ranges", err, l.Len(), len(l.entries))
	}
	if allocs > 12 {
		t.Errorf("%v allocations", allocs)
	}
	plain := New("node[0-999999],node[1000-1000999],x[0-999999],node[5-6]")
	allocs = testing.AllocsPerRun(10, func() {
		l = plain
		l.UniqSorted()
		if _, err := l.Delete("node[7-8,500000-600000]"); err != nil {
			t.Error(err)
		}
		l.AppendList(plain)
	})
	want := "node[0-6,9-499999,600001-1000999],x[0-999999],node[0-999999,1000-1000999],x[0-999999],node[5-6]"
	if l.String() != want {
		t.Errorf("%q, want %q", l, want)
	}
	if allocs > 300 {
		t.Errorf("%v allocations", allocs)
	}
	if n := testing.AllocsPerRun(100, func() { l.Index("x999999"); l.Contains("y1") }); n != 0 {
		t.Errorf("%v allocations of Index", n)
	}
	// What the claimed size of a short text makes the parser allocate is bounded by the text.
	claims := func() { l, err = Parse("a[0-1048575]b,c[0-1048575]d,e[0-999999999]f") }
	if n := testing.AllocsPerRun(10, claims); err == nil || n > 12 {
		t.Errorf("%v allocations, %v", n, err)
	}
}

// TestEqualOfRandomSpellings compares Equal with a look at each host. Prefixes and suffixes have digits.
func TestEqualOfRandomSpellings(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(texts ...string) string { return texts[random.IntN(len(texts))] }
	token := func() string {
		lo := random.IntN(12)
		return pick("a", "a0", "a1", "a01", "a9") + fmt.Sprintf("[%0*d-%d]", random.IntN(3)+1, lo, lo+random.IntN(6)) +
			pick("", "", "", "0", "1", "x")
	}
	equal, spelled := 0, 0
	for range 100_000 {
		a, b := New(token()), New(token())
		if random.IntN(8) == 0 {
			b = New(a.Hosts()...)
		}
		n := random.IntN(min(a.Len(), b.Len())) + 1
		a, b = a.Slice(a.Len()-n, a.Len()), b.Slice(b.Len()-n, b.Len())
		want := slices.Equal(a.Hosts(), b.Hosts())
		if a.Equal(b) != want || b.Equal(a) != want {
			t.Fatalf("%q and %q: %v, want %v", a, b, a.Equal(b), want)
		}
		if want {
			equal++
			if n > 1 && a.entries[0].prefix != b.entries[0].prefix {
				spelled++
			}
		}
	}
	if equal < 1000 || spelled < 100 {
		t.Errorf("%d pairs are equal, %d of them with different prefixes; the test needs more", equal, spelled)
	}
}

// TestEqualCostsRanges would not end if Equal looked at each host.
func TestEqualCostsRanges(t *testing.T) {
	long := strings.Repeat("a[0-1048575],b[0-1048575],", 1000)
	if a, b := New(long, "x"), New(long, "y"); a.Equal(b) {
		t.Error("lists with different last hosts are equal")
	}
	a, b := New("a1[1000000-1999999]", long), New("a[11000000-11999999]", long)
	if !a.Equal(b) || !b.Equal(a) {
		t.Error("lists with the same hosts are not equal")
	}
}
