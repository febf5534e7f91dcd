package hostlist

import (
	"errors"
	"sync"
	"testing"
)

func TestAppendIsAllOrNothing(t *testing.T) {
	l := New("a[1-2]")
	err := l.Append("a3", "b,a4,c[", "d")
	var parse *ParseError
	if !errors.As(err, &parse) || parse.Offset != 6 || parse.Fragment != "[" || l.String() != "a[1-2]" {
		t.Errorf("%q, %v", l, err)
	}
	if err := l.Append("a3", "", "b,a4"); err != nil || l.String() != "a[1-3],b,a4" {
		t.Errorf("%q, %v", l, err)
	}
}

func TestDelete(t *testing.T) {
	for _, tt := range []struct {
		list, hosts string
		first       string
		firstCount  int
		all         string
		allCount    int
	}{
		{"a[1-3],a[1-3]", "a2", "a[1,3,1-3]", 1, "a[1,3,1,3]", 2},
		{"a[1-3],a[1-3]", "a2,a2,a2", "a[1,3,1,3]", 2, "a[1,3,1,3]", 2},
		{"a[1-3],b,a[4-5]", "b", "a[1-5]", 1, "a[1-5]", 1},
		{"a10,a1[0-1],a[9-11]", "a10", "a1[0-1],a[9-11]", 1, "a11,a[9,11]", 3},
		{"a[1-2]b,a1b", "a1b", "a2b,a1b", 1, "a2b", 2},
		{"a", "a,b", "", 1, "", 1},
		{"a[1-3]", "", "a[1-3]", 0, "a[1-3]", 0},
		{"a[08-10]", "a8,a10,a[010]", "a[08-09]", 1, "a[08-09]", 1},
	} {
		first, all := New(tt.list), New(tt.list)
		n, err := first.Delete(tt.hosts)
		if err != nil || n != tt.firstCount || first.String() != tt.first {
			t.Errorf("Delete %q of %q: %d, %v, %q", tt.hosts, tt.list, n, err, first)
		}
		n, err = all.DeleteAll(tt.hosts)
		if err != nil || n != tt.allCount || all.String() != tt.all {
			t.Errorf("DeleteAll %q of %q: %d, %v, %q", tt.hosts, tt.list, n, err, all)
		}
	}
	l := New("a[1-3]")
	for _, remove := range []func(...string) (int, error){l.Delete, l.DeleteAll} {
		var parse *ParseError
		if n, err := remove("a1", "a[2"); n != 0 || !errors.As(err, &parse) || l.Len() != 3 {
			t.Errorf("%d, %v, %q", n, err, l)
		}
	}
}

// TestCopiesAreIndependent changes one of two copies in every way and looks at the other.
func TestCopiesAreIndependent(t *testing.T) {
	const text = "b[1-3],a[2,1],b[1-4],c"
	for name, change := range map[string]func(*List){
		"Append":          func(l *List) { _ = l.Append("d") },
		"Append, joining": func(l *List) { _ = l.Append("c1", "c2") },
		"AppendList":      func(l *List) { l.AppendList(*l) },
		"Delete":          func(l *List) { _, _ = l.Delete("b[1-2]") },
		"DeleteAll":       func(l *List) { _, _ = l.DeleteAll("b[1-2]") },
		"Sort":            (*List).Sort,
		"Uniq":            (*List).Uniq,
		"UniqSorted":      (*List).UniqSorted,
		"Set":             func(l *List) { _ = l.Set("x") },
		"UnmarshalText":   func(l *List) { _ = l.UnmarshalText([]byte("x")) },
	} {
		long := New(text, "d[1-5]")
		for _, origin := range []List{New(text), long.Slice(0, New(text).Len())} {
			a, b := origin, origin
			change(&a)
			if a.String() == text {
				t.Errorf("%s changed nothing", name)
			}
			if origin.String() != text || b.String() != text {
				t.Errorf("%s changed another copy: %q, %q", name, origin, b)
			}
			changed := a.String()
			if err := origin.Append("c1"); err != nil {
				t.Error(err)
			}
			b.UniqSorted()
			if a.String() != changed {
				t.Errorf("after %s: a change of another copy made %q to %q", name, changed, a)
			}
		}
		if long.String() != text+",d[1-5]" {
			t.Errorf("%s changed the list that another was sliced from: %q", name, long)
		}
	}
}

// TestAppendsToOneCopy appends to two copies of a list in turn, which would meet in a shared array.
func TestAppendsToOneCopy(t *testing.T) {
	a := New("x", "y1")
	b := a
	for range 5 {
		if err := errors.Join(a.Append("p"), b.Append("q")); err != nil {
			t.Fatal(err)
		}
	}
	if a.String() != "x,y1,p,p,p,p,p" || b.String() != "x,y1,q,q,q,q,q" {
		t.Errorf("%q, %q", a, b)
	}
}

// TestConcurrentUse reads one List and changes copies of it from several goroutines, for the race detector.
func TestConcurrentUse(t *testing.T) {
	shared := New("b[1-3]", "a[2,1]", "b[1-4]", "c1")
	text := shared.String()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				own := shared
				if err := own.Append("c2"); err != nil {
					t.Error(err)
				}
				own.Sort()
				own.Uniq()
				_, err := own.Delete("b1")
				if err != nil || !shared.Contains("c1") || shared.Equal(own) || shared.At(4) != "a1" {
					t.Error("the shared list changed")
				}
			}
		})
	}
	wg.Wait()
	if shared.String() != text {
		t.Error(shared)
	}
}
