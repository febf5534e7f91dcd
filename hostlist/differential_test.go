package hostlist

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/idset"
	"github.com/flux-sdk/flux/internal/fluxpython"
	"github.com/flux-sdk/flux/internal/formattest"
)

// hostlistScript answers requests with Flux's own class.
const hostlistScript = `
from flux.hostlist import Hostlist
from flux.idset import IDset
def handle(r):
    l = Hostlist(r["a"])
    op = r["op"]
    if op == "decode":
        return {"count": l.count(), "hosts": l.expand(), "text": l.encode()}
    if op == "nth":
        return l[r["n"]]
    if op == "find":
        try:
            return l.find(r["b"])
        except OSError:
            return -1
    if op == "delete":
        n = l.delete(r["b"])
        return {"count": n, "hosts": l.expand(), "text": l.encode()}
    if op == "append":
        n = l.append(r["b"])
        return {"count": n, "hosts": l.expand(), "text": l.encode()}
    if op == "select":
        l = l[IDset(r["b"])]
    elif op == "sort":
        l.sort()
    elif op == "uniq":
        l.uniq()
    return {"count": l.count(), "hosts": l.expand(), "text": l.encode()}
`

type request struct {
	Op string `json:"op"`
	A  string `json:"a"`
	B  string `json:"b"`
	N  int    `json:"n"`
}

type answer struct {
	Count int
	Hosts []string
	Text  string
}

// same reports whether the list is what Flux says, hosts and text.
func (a answer) same(l List) bool { return slices.Equal(l.Hosts(), a.Hosts) && l.String() == a.Text }

const trials = 2500 // for each operation

func TestDifferential(t *testing.T) {
	python := fluxpython.Start(t, hostlistScript, "that hostlist agrees with Flux's Hostlist class on random input")
	random := formattest.Random(t)

	t.Run("decode", func(t *testing.T) {
		strictly, leniently := 0, 0
		for range trials {
			text := mutate(random)
			var want answer
			wantErr := python.Call(request{Op: "decode", A: text}, &want)
			l, err := ParseLenient(text)
			if (err == nil) != (wantErr == nil) || err == nil && !want.same(l) {
				t.Errorf("%q: %q, %v, Flux says %q, %v", text, l, err, want.Text, wantErr)
			}
			if err == nil {
				leniently++
			}
			if l, err := Parse(text); err == nil {
				strictly++
				if !want.same(l) {
					t.Errorf("%q: %q, Flux says %q", text, l, want.Text)
				}
				if again, err := Parse(want.Text); err != nil || !again.Equal(l) {
					t.Errorf("Flux wrote %q, which is read as %q, %v", want.Text, again, err)
				}
			}
		}
		t.Logf("of %d texts, Flux and ParseLenient accept %d, and Parse %d", trials, leniently, strictly)
		if strictly == 0 || strictly == leniently || leniently == trials {
			t.Error("the texts do not test all answers")
		}
	})
	t.Run("encode", func(t *testing.T) { // What we write is what it reads and writes.
		for range trials {
			l, _ := randomList(t, random)
			var want answer
			python.MustCall(request{Op: "decode", A: l.String()}, &want)
			if !slices.Equal(l.Hosts(), want.Hosts) || want.Count != l.Len() {
				t.Errorf("Flux reads %q as %q", l, want.Hosts)
			}
		}
	})
	t.Run("nth", func(t *testing.T) {
		for trial := 0; trial < trials; {
			l, text := randomList(t, random)
			if l.IsEmpty() {
				continue
			}
			trial++
			n := random.IntN(l.Len())
			var want string
			python.MustCall(request{Op: "nth", A: text, N: n}, &want)
			if l.At(n) != want {
				t.Errorf("%q at %d: %q, Flux says %q", l, n, l.At(n), want)
			}
		}
	})
	t.Run("find", func(t *testing.T) {
		for range trials {
			l, text := randomList(t, random)
			other, _ := randomList(t, random)
			hosts := append(other.Slice(0, min(1, other.Len())).Hosts(), "none", "n", "n1", "n01", "n10")
			if !l.IsEmpty() {
				hosts = append(hosts, l.At(random.IntN(l.Len())), l.At(l.Len()-1))
			}
			host := hosts[random.IntN(len(hosts))]
			var want int
			python.MustCall(request{Op: "find", A: text, B: host}, &want)
			if got := l.Index(host); got != want {
				t.Errorf("%q in %q: %d, Flux says %d", host, l, got, want)
			}
		}
	})
	t.Run("select", func(t *testing.T) {
		for range trials {
			l, text := randomList(t, random)
			var ids idset.Set
			for range random.IntN(5) {
				lo := uint32(random.IntN(l.Len() + 1))
				ids.AddRange(lo, lo+uint32(random.IntN(5)))
			}
			ids.RemoveRange(uint32(l.Len()), 1<<31)
			var want answer
			python.MustCall(request{Op: "select", A: text, B: ids.String()}, &want)
			if got := l.Select(ids); !slices.Equal(got.Hosts(), want.Hosts) {
				t.Errorf("%v of %q: %q, Flux says %q", ids, l, got, want.Text)
			}
		}
	})
	t.Run("append", func(t *testing.T) {
		for range trials {
			l, text := randomList(t, random)
			_, more := randomList(t, random)
			var want answer
			python.MustCall(request{Op: "append", A: text, B: more}, &want)
			before := l.Len()
			if err := l.Append(more); err != nil || l.Len()-before != want.Count || !want.same(l) {
				t.Errorf("%q and %q: %q, %v, Flux says %q", text, more, l, err, want.Text)
			}
		}
	})
	t.Run("delete", func(t *testing.T) {
		for range trials {
			l, text := randomList(t, random)
			remove, _ := randomList(t, random)
			if !l.IsEmpty() {
				remove.AppendList(l.Slice(random.IntN(l.Len()), l.Len()))
			}
			var want answer
			python.MustCall(request{Op: "delete", A: text, B: remove.String()}, &want)
			n, err := l.Delete(remove.String())
			if err != nil || n != want.Count || !slices.Equal(l.Hosts(), want.Hosts) {
				t.Errorf("%q without %q: %q, %d, %v, Flux says %+v", text, remove, l, n, err, want)
			}
		}
	})
	for name, change := range map[string]func(*List){"sort": (*List).Sort, "uniq": (*List).UniqSorted} {
		t.Run(name, func(t *testing.T) {
			for range trials {
				// In lists with and without zeros before numbers, Flux's order depends on the ranges.
				text := randomText(random, 1+2*random.IntN(2))
				l, err := Parse(text)
				if err != nil {
					t.Fatal(err)
				}
				var want answer
				python.MustCall(request{Op: name, A: text}, &want)
				if change(&l); !want.same(l) {
					t.Errorf("%q: %q, Flux says %q", text, l, want.Text)
				}
			}
		})
	}
}

// randomList returns a random list and its text.
func randomList(t *testing.T, random *rand.Rand) (List, string) {
	t.Helper()
	text := randomText(random, 0)
	l, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return l, text
}

// randomText returns a hostlist with numbers of at least width digits, or of random width if it is 0.
func randomText(random *rand.Rand, width int) string {
	suffixes := 4
	if width != 0 {
		suffixes = 3 // Flux's uniq takes n10 and n[1]0 for two hosts.
	}
	var b strings.Builder
	number := func(n, width int) {
		b.Write(appendNumber(nil, uint64(n), width))
	}
	for range random.IntN(5) {
		if b.Len() > 0 {
			b.WriteString([]string{",", ",", ",", " ", ",, "}[random.IntN(5)])
		}
		b.WriteString([]string{"n", "n", "node", "r1n", "a-b", "9x"}[random.IntN(6)])
		width := width
		if width == 0 {
			width = 1 + random.IntN(2)*random.IntN(4)
		}
		switch random.IntN(4) {
		case 0:
			continue
		case 1:
			number(random.IntN(120), width)
			continue
		}
		b.WriteByte('[')
		for i := range 1 + random.IntN(3) {
			if i > 0 {
				b.WriteByte(',')
			}
			lo := random.IntN(110)
			if number(lo, width); random.IntN(3) > 0 {
				b.WriteByte('-')
				number(lo+random.IntN(8), width)
			}
		}
		b.WriteByte(']')
		if random.IntN(4) == 0 {
			b.WriteString([]string{"-ib", "b", "x1", "0"}[random.IntN(suffixes)])
		}
	}
	return b.String()
}

// mutate returns a text that is near to a hostlist, and keeps ranges short.
func mutate(random *rand.Rand) string {
	original := randomText(random, 0)
	text := formattest.Mutate(random, original, "0019,, \t[]--+x\né")
	if formattest.MaxDigits(text) > 4 {
		return original
	}
	return text
}
