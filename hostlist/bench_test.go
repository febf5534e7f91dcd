package hostlist

import (
	"fmt"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/internal/fluxpython"
)

const million = 1_000_000

// scattered returns the text of n ranges that have a million hosts, with a gap as wide as a range after each.
// The ranges are apart, as flux takes no more than 10240 in one pair of brackets.
func scattered(n, first int) string {
	var b strings.Builder
	width := million / n
	for i := range n {
		fmt.Fprintf(&b, "node[%d-%d],", first+2*width*i, first+2*width*i+width-1)
	}
	return strings.TrimSuffix(b.String(), ",")
}

// workloads are texts of a million hosts, and a second one for each that half overlaps it.
var workloads = []struct{ name, a, b string }{
	{"1range", "node[0-999999]", "node[500000-1499999]"},
	{"10000ranges", scattered(10_000, 0), scattered(10_000, 50)},
}

func BenchmarkParse(b *testing.B) {
	for _, w := range workloads {
		b.Run(w.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if l, err := Parse(w.a); err != nil || l.Len() != million {
					b.Fatal(l.Len(), err)
				}
			}
		})
	}
}

func BenchmarkString(b *testing.B) {
	for _, w := range workloads {
		b.Run(w.name, func(b *testing.B) {
			l := New(w.a)
			b.ReportAllocs()
			for b.Loop() {
				if l.String() == "" {
					b.Fatal("empty")
				}
			}
		})
	}
}

// BenchmarkUnion appends one list to another and removes what occurs twice.
func BenchmarkUnion(b *testing.B) {
	for _, w := range workloads {
		b.Run(w.name, func(b *testing.B) {
			l, m := New(w.a), New(w.b)
			b.ReportAllocs()
			for b.Loop() {
				union(l, m)
			}
		})
	}
}

func BenchmarkSort(b *testing.B) {
	for _, w := range workloads {
		b.Run(w.name, func(b *testing.B) {
			l := New("x[0-9]", w.a)
			b.ReportAllocs()
			for b.Loop() {
				sorted := l
				sorted.Sort()
			}
		})
	}
}

func BenchmarkAll(b *testing.B) {
	l := New(workloads[0].a)
	b.ReportAllocs()
	for b.Loop() {
		iterate(l)
	}
}

func union(l, m List) List {
	l.AppendList(m)
	l.UniqSorted()
	return l
}

func iterate(l List) (size int) {
	for _, host := range l.All() {
		size += len(host)
	}
	return size
}

// timeScript times Flux's own class. The C library does the work; a call from Python adds about a microsecond.
const timeScript = `
from flux.hostlist import Hostlist
def handle(r):
    a, b = Hostlist(r["a"]), Hostlist(r["b"])
    def union():
        c = a.copy()
        c.append(b)
        c.uniq()
    def sort():
        Hostlist(["x[0-9]", r["a"]]).sort()
    return {"parse": fastest(lambda: Hostlist(r["a"])), "union": fastest(union), "format": fastest(lambda: str(a)),
            "parse+sort": fastest(sort), "find last": fastest(lambda: a.find(r["last"]))}
`

// BenchmarkAgainstFlux reports for each operation the time here and in Flux's class, and how many times faster we are.
func BenchmarkAgainstFlux(b *testing.B) {
	python := fluxpython.Start(b, timeScript, "the speed of hostlist against Flux's Hostlist class")
	for _, w := range workloads {
		l, m := New(w.a), New(w.b)
		last := l.At(million - 1)
		var theirs map[string]float64
		python.MustCall(map[string]string{"a": w.a, "b": w.b, "last": last}, &theirs)
		for name, operation := range map[string]func(){
			"parse":      func() { _, _ = Parse(w.a) },
			"union":      func() { union(l, m) },
			"format":     func() { _ = l.String() },
			"parse+sort": func() { sorted := New("x[0-9]", w.a); sorted.Sort() },
			"find last":  func() { l.Index(last) },
		} {
			fluxpython.Compare(b, w.name+"/"+name, operation, theirs[name])
		}
	}
}
