package idset

import (
	"testing"

	"github.com/flux-sdk/flux/internal/fluxpython"
)

const million = 1_000_000

// scattered returns n ranges of ten ids with a gap of ten after each: a million ids for n = 100,000.
func scattered(n int, first uint32) Set {
	var spans []span
	for i := range uint32(n) {
		spans = append(spans, span{first + 20*i, first + 20*i + 9})
	}
	return Set{spans}
}

// workloads are sets of a million ids, and a second one for each to combine with it.
var workloads = []struct {
	name string
	a, b Set
}{
	{"1range", Range(0, million-1), Range(million/2, million*3/2-1)},
	{"100000ranges", scattered(100_000, 0), scattered(100_000, 5)},
}

func BenchmarkParse(b *testing.B) {
	for _, w := range workloads {
		b.Run(w.name, func(b *testing.B) {
			text := w.a.String()
			b.ReportAllocs()
			for b.Loop() {
				if s, err := Parse(text); err != nil || s.Len() != million {
					b.Fatal(s.Len(), err)
				}
			}
		})
	}
}

func BenchmarkUnion(b *testing.B) {
	for _, w := range workloads {
		b.Run(w.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if w.a.Union(w.b).IsEmpty() {
					b.Fatal("empty")
				}
			}
		})
	}
}

func BenchmarkString(b *testing.B) {
	for _, w := range workloads {
		b.Run(w.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if w.a.String() == "" {
					b.Fatal("empty")
				}
			}
		})
	}
}

func BenchmarkAll(b *testing.B) {
	for _, w := range workloads {
		b.Run(w.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				for range w.a.All() {
					n++
				}
				if n != million {
					b.Fatal(n)
				}
			}
		})
	}
}

// timeScript times Flux's own class. The C library does the work; a call from Python adds about a microsecond.
const timeScript = `
from flux.idset import IDset
def handle(r):
    a, b = IDset(r["a"]), IDset(r["b"])
    return {"parse": fastest(lambda: IDset(r["a"])), "union": fastest(lambda: a.union(b)),
            "format": fastest(lambda: str(a)), "iterate": fastest(lambda: sum(1 for _ in a))}
`

// BenchmarkAgainstFlux reports for each operation the time here and in Flux's class, and how many times faster we are.
func BenchmarkAgainstFlux(b *testing.B) {
	python := fluxpython.Start(b, timeScript, "the speed of idset against Flux's IDset class")
	for _, w := range workloads {
		text := w.a.String()
		var theirs map[string]float64
		python.MustCall(request{A: text, B: w.b.String()}, &theirs)
		for name, operation := range map[string]func(){
			"parse":   func() { _, _ = Parse(text) },
			"union":   func() { w.a.Union(w.b) },
			"format":  func() { _ = w.a.String() },
			"iterate": func() { iterate(w.a) },
		} {
			fluxpython.Compare(b, w.name+"/"+name, operation, theirs[name])
		}
	}
}

func iterate(s Set) (sum uint32) {
	for id := range s.All() {
		sum += id
	}
	return sum
}
