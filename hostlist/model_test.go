package hostlist

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/idset"
)

// host is one member of the model of a List, which is a []host. It knows how it was written, as Sort depends on it.
type host struct {
	prefix, number, suffix string
}

func (h host) name() string { return h.prefix + h.number + h.suffix }

// compareHosts is the order of Sort.
func compareHosts(a, b host) int {
	key := func(h host) (string, int, string) {
		if h.number == "" || h.suffix != "" {
			return h.name(), 0, ""
		}
		return h.prefix, len(h.number), h.number
	}
	prefixA, lenA, numberA := key(a)
	prefixB, lenB, numberB := key(b)
	return cmp.Or(strings.Compare(prefixA, prefixB), cmp.Compare(lenA, lenB), strings.Compare(numberA, numberB))
}

func names(hosts []host) []string {
	list := []string{}
	for _, h := range hosts {
		list = append(list, h.name())
	}
	return list
}

// randomHosts returns a hostlist and its model. Names often meet, in different spellings, and numbers reach the places
// where their length or the part of the name before them changes.
func randomHosts(random *rand.Rand) (text string, model []host) {
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	var tokens []string
	for range random.IntN(6) {
		prefix := pick("a", "a", "a1", "a0", "a00", "", "9", "b-", "a1b", "a000000000000000000")
		if random.IntN(8) == 0 && prefix != "" && strings.TrimRight(prefix, "0123456789") == prefix {
			tokens = append(tokens, prefix)
			model = append(model, host{prefix: prefix})
			continue
		}
		suffix, before := "", len(model)
		if random.IntN(4) == 0 {
			suffix = pick("b", "0", "1b", "-ib1")
		}
		var ranges []string
		for range 1 + random.IntN(3) {
			near := []uint64{0, 9, 10, 99, 100, 12, 1000, 1e18, 1e19, math.MaxUint64}[random.IntN(10)]
			lo := near - min(near, uint64(random.IntN(6)))
			hi := lo + min(math.MaxUint64-lo, uint64(random.IntN(7)))
			width := 1
			if random.IntN(2) == 0 {
				width = 1 + random.IntN(4)
			} else if random.IntN(8) == 0 {
				width = 18 + random.IntN(5)
			}
			first, last := fmt.Sprintf("%0*d", width, lo), fmt.Sprintf("%0*d", width, hi)
			if lo == hi && random.IntN(2) == 0 {
				ranges = append(ranges, first)
			} else {
				ranges = append(ranges, first+"-"+last)
			}
			for n := lo; ; n++ {
				model = append(model, host{prefix, fmt.Sprintf("%0*d", width, n), suffix})
				if n == hi {
					break
				}
			}
		}
		if slices.ContainsFunc(model[before:], func(h host) bool { return tooLargeNumber(h.name()) }) {
			model = model[:before] // which Parse refuses
			continue
		}
		tokens = append(tokens, prefix+"["+strings.Join(ranges, ",")+"]"+suffix)
	}
	return strings.Join(tokens, ","), model
}

// tooLargeNumber reports whether the digits at the end of name are no uint64.
func tooLargeNumber(name string) bool {
	digits := name[strings.LastIndexFunc(name, func(r rune) bool { return r < '0' || r > '9' })+1:]
	n, ok := new(big.Int).SetString(digits, 10)
	return ok && !n.IsUint64()
}

func FuzzModel(f *testing.F) {
	for seed := range uint64(300) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 1))
		text, model := randomHosts(random)
		l, err := Parse(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		is := func(what string, got List, want []string) {
			t.Helper()
			if hosts := got.Hosts(); !slices.Equal(hosts, want) || got.Len() != len(want) {
				t.Errorf("%s of %q: %q, want %q", what, text, hosts, want)
			}
			checkEntries(t, got)
		}
		want := names(model)
		is("Parse", l, want)
		if again, err := Parse(l.String()); err != nil || !again.Equal(l) || !l.Equal(again) {
			t.Errorf("%q is written as %q, which is read as %v, %v", text, l, again, err)
		}
		if !New(want...).Equal(l) {
			t.Errorf("New of the hosts of %q: %q", text, New(want...))
		}
		other, otherModel := randomHosts(random)
		checkAccess(t, l, want, append(names(otherModel), "a", "a10", "a010", "zz"), random)

		added := l
		if err := added.Append(other, "x"); err != nil {
			t.Error(err)
		}
		is("Append", added, append(append(slices.Clone(want), names(otherModel)...), "x"))
		added.AppendList(l)
		is("AppendList", added, slices.Concat(want, names(otherModel), []string{"x"}, want))

		sorted, sortedModel := l, slices.Clone(model)
		sorted.Sort()
		slices.SortStableFunc(sortedModel, compareHosts)
		is("Sort", sorted, names(sortedModel))

		uniq, uniqModel := l, unique(model)
		uniq.Uniq()
		is("Uniq", uniq, names(uniqModel))
		uniq = l
		uniq.UniqSorted()
		slices.SortStableFunc(uniqModel, compareHosts)
		is("UniqSorted", uniq, names(uniqModel))

		remove := append(names(otherModel), want[:min(len(want), random.IntN(20))]...)
		random.Shuffle(len(remove), func(i, j int) { remove[i], remove[j] = remove[j], remove[i] })
		checkDelete(t, l, want, remove)
		is("Parse, after all changes", l, want)
	})
}

// checkEntries checks the form that a List always has.
func checkEntries(t *testing.T, l List) {
	t.Helper()
	start := 0
	for i, e := range l.entries {
		if e.start != start || e.lo > e.hi || !e.numbered && (e.lo != 0 || e.suffix != "" || e.width != 0) {
			t.Errorf("entry %d of %q: %+v", i, l, e)
		}
		if i > 0 && l.entries[i-1].continues(&e) {
			t.Errorf("entries %d and %d of %q are not joined", i-1, i, l)
		}
		start += e.count()
	}
	if start != l.count || l.entries != nil && start == 0 {
		t.Errorf("%q: count %d, want %d", l, l.count, start)
	}
}

// checkAccess checks what reads a list of the given hosts. Others are hosts that it may have or not.
func checkAccess(t *testing.T, l List, hosts, others []string, random *rand.Rand) {
	t.Helper()
	for i, name := range l.All() {
		if name != hosts[i] || l.At(i) != name {
			t.Errorf("position %d of %q: %q, At %q, want %q", i, l, name, l.At(i), hosts[i])
		}
	}
	for _, name := range append(slices.Clone(hosts), others...) {
		want := slices.Index(hosts, name)
		i, ok := l.Find(name)
		if l.Index(name) != want || ok != (want >= 0) || ok && i != want || l.Contains(name) != ok {
			t.Errorf("%q in %q: %d, %v, want %d", name, l, i, ok, want)
		}
	}
	var ids idset.Set
	var selected []string
	for i, name := range hosts {
		if random.IntN(3) > 0 {
			ids.Add(uint32(i))
			selected = append(selected, name)
		}
	}
	if got := l.Select(ids); !slices.Equal(got.Hosts(), selected) {
		t.Errorf("Select %v of %q: %q", ids, l, got)
	} else {
		checkEntries(t, got)
	}
	j := random.IntN(len(hosts) + 1)
	i := random.IntN(j + 1)
	if got := l.Slice(i, j); !slices.Equal(got.Hosts(), hosts[i:j]) {
		t.Errorf("Slice %d, %d of %q: %q", i, j, l, got)
	} else {
		checkEntries(t, got)
	}
}

func checkDelete(t *testing.T, l List, hosts, remove []string) {
	t.Helper()
	first, every := slices.Clone(hosts), slices.Clone(hosts)
	for _, name := range remove {
		if i := slices.Index(first, name); i >= 0 {
			first = slices.Delete(first, i, i+1)
		}
		every = slices.DeleteFunc(every, func(host string) bool { return host == name })
	}
	a, b := l, l
	n, err := a.Delete(remove...)
	if err != nil || n != len(hosts)-len(first) || !slices.Equal(a.Hosts(), first) {
		t.Errorf("Delete %q of %q: %d, %v, %q, want %q", remove, l, n, err, a, first)
	}
	n, err = b.DeleteAll(New(remove...).String())
	if err != nil || n != len(hosts)-len(every) || !slices.Equal(b.Hosts(), every) {
		t.Errorf("DeleteAll %q of %q: %d, %v, %q, want %q", remove, l, n, err, b, every)
	}
	checkEntries(t, a)
	checkEntries(t, b)
}

// unique returns the first occurrence of each host.
func unique(hosts []host) []host {
	seen := map[string]bool{}
	var list []host
	for _, h := range hosts {
		if !seen[h.name()] {
			seen[h.name()] = true
			list = append(list, h)
		}
	}
	return list
}
