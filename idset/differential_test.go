package idset

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/internal/fluxpython"
	"github.com/flux-sdk/flux/internal/formattest"
)

// idsetScript answers requests with Flux's own class.
const idsetScript = `
from flux.idset import IDset, IDSET_FLAG_RANGE, IDSET_FLAG_BRACKETS
INVALID = 4294967294
def ident(i):
    return None if i == INVALID else i
def handle(r):
    s = IDset(r["a"])
    op = r["op"]
    if op == "decode":
        return {"ids": s.expand(), "count": s.count(), "first": ident(s.first()), "last": ident(s.last()),
                "range": s.encode(IDSET_FLAG_RANGE), "plain": s.encode(0),
                "brackets": s.encode(IDSET_FLAG_RANGE | IDSET_FLAG_BRACKETS)}
    if op == "navigate":
        return {"test": s.test(r["lo"]), "next": ident(s.next(r["lo"]))}
    if op == "set":
        return str(s.set(r["lo"], r["hi"]))
    if op == "clear":
        return str(s.clear(r["lo"], r["hi"]))
    t = IDset(r["b"])
    if op == "equal":
        return s == t
    return str({"union": s.union, "intersect": s.intersect, "difference": s.difference}[op](t))
`

type request struct {
	Op string `json:"op"`
	A  string `json:"a"`
	B  string `json:"b"`
	Lo uint32 `json:"lo"`
	Hi uint32 `json:"hi"`
}

const trials = 2500 // for each operation

func TestDifferential(t *testing.T) {
	python := fluxpython.Start(t, idsetScript, "that idset agrees with Flux's IDset class on random input")
	random := formattest.Random(t)

	t.Run("decode", func(t *testing.T) {
		accepted := 0
		for range trials {
			if decodeBoth(t, python, mutate(random)) {
				accepted++
			}
		}
		t.Logf("%d of %d texts accepted by both, the rest refused by both", accepted, trials)
		if accepted == 0 || accepted == trials {
			t.Error("the texts do not test both answers")
		}
	})
	t.Run("encode", func(t *testing.T) { // What we write is what it reads and writes.
		for range trials {
			s := randomSet(random)
			for _, text := range []string{s.String(), s.Brackets(), s.Plain()} {
				if !decodeBoth(t, python, text) {
					t.Errorf("%q is refused", text)
				}
			}
		}
	})
	for name, operation := range map[string]func(Set, Set) Set{
		"union": Set.Union, "intersect": Set.Intersect, "difference": Set.Difference,
	} {
		t.Run(name, func(t *testing.T) {
			for range trials {
				a, b := randomSet(random), randomSet(random)
				var want string
				python.MustCall(request{Op: name, A: a.String(), B: b.Brackets()}, &want)
				if got := operation(a, b); got.String() != want {
					t.Errorf("%v, %v: %v, Flux says %s", a, b, got, want)
				}
			}
		})
	}
	t.Run("equal", func(t *testing.T) {
		for range trials {
			a := randomSet(random)
			b := a
			if random.IntN(2) == 0 {
				b = randomSet(random)
			}
			var want bool
			python.MustCall(request{Op: "equal", A: a.String(), B: b.String()}, &want)
			if a.Equal(b) != want {
				t.Errorf("%v, %v: Flux says %v", a, b, want)
			}
		}
	})
	t.Run("navigate", func(t *testing.T) {
		for range trials {
			a, id := randomSet(random), uint32(random.IntN(130))
			var want struct {
				Test bool
				Next *uint32
			}
			python.MustCall(request{Op: "navigate", A: a.String(), Lo: id}, &want)
			next, ok := a.Next(id)
			if a.Contains(id) != want.Test || ok != (want.Next != nil) || ok && next != *want.Next {
				t.Errorf("%v at %d: %v, %v, %v", a, id, a.Contains(id), next, ok)
			}
		}
	})
	for name, change := range map[string]func(*Set, uint32, uint32){
		"set": (*Set).AddRange, "clear": (*Set).RemoveRange,
	} {
		t.Run(name, func(t *testing.T) {
			for range trials {
				a := randomSet(random)
				lo := uint32(random.IntN(130))
				hi := lo + uint32(random.IntN(40))
				var want string
				python.MustCall(request{Op: name, A: a.String(), Lo: lo, Hi: hi}, &want)
				got := a
				if change(&got, lo, hi); got.String() != want {
					t.Errorf("%v, %d-%d: %v, Flux says %s", a, lo, hi, got, want)
				}
			}
		})
	}
}

// decodeBoth reads text here and there, and reports whether both accept it.
func decodeBoth(t *testing.T, python *fluxpython.Process, text string) bool {
	t.Helper()
	var want struct {
		IDs                    []uint32
		Count                  int
		First, Last            *uint32
		Range, Plain, Brackets string
	}
	wantErr := python.Call(request{Op: "decode", A: text}, &want)
	s, err := Parse(text)
	if (err == nil) != (wantErr == nil) {
		t.Errorf("%q: %v, %v, Flux says %v, %v", text, s, err, want, wantErr)
	}
	if err != nil || wantErr != nil {
		return false
	}
	first, ok := s.Min()
	last, _ := s.Max()
	if s.Len() != want.Count || !slices.Equal(slices.Collect(s.All()), want.IDs) || s.String() != want.Range ||
		s.Plain() != want.Plain || s.Brackets() != want.Brackets || ok != (want.First != nil) ||
		ok && (first != *want.First || last != *want.Last) {
		t.Errorf("%q: %v, Flux says %+v", text, s, want)
	}
	if again, err := Parse(want.Brackets); err != nil || !again.Equal(s) {
		t.Errorf("Flux wrote %q, which is read as %v, %v", want.Brackets, again, err)
	}
	return true
}

func randomSet(random *rand.Rand) Set {
	var s Set
	limit := []int{8, 64, 1000}[random.IntN(3)]
	for range random.IntN(12) {
		lo := uint32(random.IntN(limit))
		s.AddRange(lo, lo+uint32(random.IntN(1+limit/8)))
	}
	return s
}

// randomText returns an idset that is often in order.
func randomText(random *rand.Rand) string {
	var elements []string
	next := 0
	for range random.IntN(8) {
		next += random.IntN(10)
		if random.IntN(20) == 0 {
			next = random.IntN(next + 1)
		}
		element := strconv.Itoa(next)
		if random.IntN(3) == 0 {
			next += random.IntN(9)
			element += "-" + strconv.Itoa(next)
		}
		elements = append(elements, element)
		next++
	}
	text := strings.Join(elements, ",")
	if random.IntN(2) == 0 {
		text = "[" + text + "]"
	}
	return text
}

// mutate returns a text that is near to an idset. It has no number of more than six digits.
func mutate(random *rand.Rand) string {
	text := formattest.Mutate(random, randomText(random), "0019,,--[] x+\té")
	if formattest.MaxDigits(text) > 6 {
		return ""
	}
	return text
}
