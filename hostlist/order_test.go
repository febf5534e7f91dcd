package hostlist

import (
	"fmt"
	"strings"
	"testing"
)

func TestSort(t *testing.T) {
	for in, want := range map[string]string{
		"b,a":                  "a,b",
		"n10,n2,n1":            "n[1-2,10]",
		"n[9-10],n09,n010":     "n[9,09-10,010]",
		"n[1-5],n[2-3]":        "n[1-2,2-3,3-5]",
		"n[1-3],n[1-3],n[1-3]": "n[1,1,1-2,2,2-3,3,3]",
		"n1,n,n":               "n,n,n1",
		"a[1-3]b,a2c,a1b":      "a1b,a1b,a2b,a2c,a3b",
		"x[0-1],x1[0-1],x5":    "x[0-1,5],x1[0-1]",
		"n[18446744073709551614-18446744073709551615],n0": "n[0,18446744073709551614-18446744073709551615]",
		"n[098-102],n[98-102]":                            "n[98-99,098-100,100-101,101-102,102]",
	} {
		l := New(in)
		if l.Sort(); l.String() != want {
			t.Errorf("%q: %q, want %q", in, l, want)
		}
	}
}

func TestUniq(t *testing.T) {
	for _, tt := range []struct{ in, want, sorted string }{
		{"n3,n1,n3,n2,n1", "n[3,1-2]", "n[1-3]"},
		{"b,a,b", "b,a", "a,b"},
		{"n[5-9],n[1-7]", "n[5-9,1-4]", "n[1-9]"},
		{"n[1-9],n[3-5],n[8-12]", "n[1-12]", "n[1-12]"},
		{"n10,n1[0-5],n[12-20]", "n10,n1[1-5],n[16-20]", "n[10,16-20],n1[1-5]"},
		{"n[1-2]0,n[10-20]", "n10,n20,n[11-19]", "n[11-19],n10,n20"},
		{"a[1-2]b,a1b,a[2-3]b", "a1b,a2b,a3b", "a1b,a2b,a3b"},
		{"n[1-2],n[01-02],n1", "n[1-2,01-02]", "n[1-2,01-02]"},
		{"a[0-3]-ib5,a2-ib[4-6]", "a0-ib5,a1-ib5,a2-ib5,a3-ib5,a2-ib[4,6]", "a0-ib5,a1-ib5,a2-ib[4,6],a2-ib5,a3-ib5"},
	} {
		l, sorted := New(tt.in), New(tt.in)
		if l.Uniq(); l.String() != tt.want {
			t.Errorf("Uniq of %q: %q, want %q", tt.in, l, tt.want)
		}
		if sorted.UniqSorted(); sorted.String() != tt.sorted {
			t.Errorf("UniqSorted of %q: %q, want %q", tt.in, sorted, tt.sorted)
		}
	}
}

// TestManyOverlappingRanges sorts ranges that all overlap. The C library needs minutes for fewer of them.
func TestManyOverlappingRanges(t *testing.T) {
	const n = 20_000
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "n[%d-%d],", i, i+n)
	}
	l := New(text.String())
	if len(l.entries) != n || l.Len() != n*(n+1) {
		t.Fatalf("%d ranges with %d hosts", len(l.entries), l.Len())
	}
	uniq := l
	if uniq.Uniq(); uniq.String() != fmt.Sprintf("n[0-%d]", 2*n-1) {
		t.Errorf("Uniq: %.80q", uniq)
	}
	deleted := l
	count, err := deleted.Delete(fmt.Sprintf("n[0-%d]", 2*n-1))
	if err != nil || count != 2*n || deleted.Len() != l.Len()-2*n {
		t.Errorf("Delete: %d, %v, %.80q", count, err, deleted)
	}
	count, err = deleted.DeleteAll(fmt.Sprintf("n[1-%d]", 2*n-3))
	if err != nil || count == 0 || deleted.String() != fmt.Sprintf("n%d", 2*n-2) {
		t.Errorf("DeleteAll: %d, %v, %.80q", count, err, deleted)
	}
	small := l.Slice(0, 20*(n+1))
	small.Sort()
	if small.Len() != 20*(n+1) || small.At(0) != "n0" || small.At(1) != "n1" || small.At(2) != "n1" {
		t.Errorf("Sort: %.80q", small)
	}
}
