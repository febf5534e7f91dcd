package resource

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/hostlist"
	"github.com/flux-sdk/flux/idset"
)

// A model is an R as a map: the host, properties and resources of each rank.
type model map[uint32]modelNode

type modelNode struct {
	host       string
	properties map[string]bool
	ids        map[string]map[uint32]bool
}

// randomModel returns nodes with ranks under 10, ids under 6 and hosts named after their ranks.
func randomModel(random *rand.Rand) model {
	m := model{}
	for rank := range uint32(10) {
		if random.IntN(2) == 0 {
			continue
		}
		node := modelNode{fmt.Sprintf("n%d", rank), map[string]bool{}, map[string]map[uint32]bool{}}
		for _, name := range []string{"a", "b b", "é"} {
			if random.IntN(3) == 0 {
				node.properties[name] = true
			}
		}
		kinds := []string{Core, GPU, "fpga"}
		for i, kind := range kinds[:1+random.IntN(3)] {
			for id := range uint32(6) {
				if random.IntN(2) == 0 || i == 0 && id == rank%6 {
					node.add(kind, id)
				}
			}
		}
		m[rank] = node
	}
	return m
}

func (n modelNode) add(kind string, id uint32) {
	if n.ids[kind] == nil {
		n.ids[kind] = map[uint32]bool{}
	}
	n.ids[kind][id] = true
}

// lite returns R_lite, with one entry for each node or for each resource of it, in random order.
func (m model) lite(random *rand.Rand) []map[string]any {
	entries := []map[string]any{}
	for rank, node := range m {
		all := map[string]string{}
		for kind, ids := range node.ids {
			text := idset.Collect(maps.Keys(ids)).String()
			if random.IntN(4) == 0 {
				entries = append(entries, map[string]any{"rank": fmt.Sprint(rank), "children": map[string]string{kind: text}})
			} else {
				all[kind] = text
			}
		}
		if len(all) > 0 {
			entries = append(entries, map[string]any{"rank": fmt.Sprint(rank), "children": all})
		}
	}
	random.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
	return entries
}

// json returns the model in the form of RFC 20.
func (m model) json(random *rand.Rand) []byte {
	execution := map[string]any{"R_lite": m.lite(random), "starttime": 0.0, "expiration": 0.0}
	var hosts []string
	properties := map[string][]uint32{}
	for _, rank := range slices.Sorted(maps.Keys(m)) {
		hosts = append(hosts, m[rank].host)
		for name := range m[rank].properties {
			properties[name] = append(properties[name], rank)
		}
	}
	execution["nodelist"] = append([]string{}, hosts...)
	if len(properties) > 0 {
		texts := map[string]string{}
		for name, ranks := range properties {
			texts[name] = idset.New(ranks...).String()
		}
		execution["properties"] = texts
	}
	data, err := json.Marshal(map[string]any{"version": 1, "execution": execution})
	if err != nil {
		panic(err)
	}
	return data
}

// combine returns the nodes of m and o, with those ids of which keep says so. Properties are those of m, and with both
// those of o too.
func (m model) combine(o model, both bool, keep func(inM, inO bool) bool) model {
	out := model{}
	for rank := range uint32(10) {
		a, inM := m[rank]
		b, inO := o[rank]
		node := modelNode{a.host, map[string]bool{}, map[string]map[uint32]bool{}}
		if !inM {
			node.host = b.host
		}
		maps.Copy(node.properties, a.properties)
		if both {
			maps.Copy(node.properties, b.properties)
		}
		for _, kind := range []string{Core, GPU, "fpga"} {
			for id := range uint32(6) {
				if keep(a.ids[kind][id], b.ids[kind][id]) {
					node.add(kind, id)
				}
			}
		}
		if (inM || inO) && len(node.ids) > 0 {
			out[rank] = node
		}
	}
	return out
}

// filter returns the nodes for which keep says so.
func (m model) filter(keep func(rank uint32, node modelNode) bool) model {
	out := maps.Clone(m)
	maps.DeleteFunc(out, func(rank uint32, node modelNode) bool { return !keep(rank, node) })
	return out
}

// check compares r with the model through all accessors.
func (m model) check(t *testing.T, what string, r R) {
	t.Helper()
	ranks := idset.Collect(maps.Keys(m))
	counts, properties := map[string]int{}, map[string]bool{}
	var hosts []string
	nodes := slices.Collect(r.All())
	for i, rank := range slices.Sorted(maps.Keys(m)) {
		want := m[rank]
		hosts = append(hosts, want.host)
		got, ok := r.NodeOf(rank)
		if !ok || got.Rank != rank || got.Host != want.host || i >= len(nodes) || nodes[i].Rank != rank ||
			nodes[i].Host != want.host {
			t.Fatalf("%s: rank %d is %+v, %t; want %+v; r is %s", what, rank, got, ok, want, r)
		}
		for _, kind := range []string{Core, GPU, "fpga", "none"} {
			ids := idset.Collect(maps.Keys(want.ids[kind]))
			counts[kind] += ids.Len()
			if !got.IDs(kind).Equal(ids) || !nodes[i].IDs(kind).Equal(ids) {
				t.Fatalf("%s: rank %d has %s %s; want %s", what, rank, kind, got.IDs(kind), ids)
			}
		}
		if !got.Cores.Equal(got.IDs(Core)) || !got.GPUs.Equal(got.IDs(GPU)) {
			t.Fatalf("%s: rank %d has cores %s and GPUs %s", what, rank, got.Cores, got.GPUs)
		}
		for name := range want.properties {
			properties[name] = true
		}
		for _, name := range []string{"a", "b b", "é"} {
			if r.PropertyRanks(name).Contains(rank) != want.properties[name] {
				t.Fatalf("%s: rank %d has property %s: %t", what, rank, name, !want.properties[name])
			}
		}
		if host, ok := r.HostOf(rank); !ok || host != want.host {
			t.Fatalf("%s: rank %d is on %s, %t", what, rank, host, ok)
		}
		if got, ok := r.RankOf(want.host); !ok || got != rank {
			t.Fatalf("%s: host %s has rank %d, %t", what, want.host, got, ok)
		}
	}
	if !r.Ranks().Equal(ranks) || r.Nodes() != ranks.Len() || len(nodes) != ranks.Len() ||
		r.IsEmpty() != ranks.IsEmpty() {
		t.Fatalf("%s: ranks %s, %d nodes, %d yielded; want %s", what, r.Ranks(), r.Nodes(), len(nodes), ranks)
	}
	if r.Cores() != counts[Core] || r.GPUs() != counts[GPU] || r.Count("fpga") != counts["fpga"] || r.Count("none") != 0 {
		t.Fatalf("%s: %d cores, %d GPUs, %d others; want %v", what, r.Cores(), r.GPUs(), r.Count("fpga"), counts)
	}
	if got := r.Hosts().Hosts(); !slices.Equal(got, hosts) {
		t.Fatalf("%s: hosts %v; want %v", what, got, hosts)
	}
	if got := r.Properties(); !slices.Equal(got, slices.Sorted(maps.Keys(properties))) {
		t.Fatalf("%s: properties %v; want %v", what, got, properties)
	}
	checkRoundTrip(t, what, r)
}

// checkRoundTrip checks that what MarshalJSON writes is read as the same R and written as the same bytes.
func checkRoundTrip(t *testing.T, what string, r R) {
	t.Helper()
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse(data)
	if err != nil {
		t.Fatalf("%s: %s: %v", what, data, err)
	}
	if !again.Equal(r) || again.String() != r.String() {
		t.Fatalf("%s: %s is read as %s", what, data, again)
	}
	if data2, err := json.Marshal(again); err != nil || string(data2) != string(data) {
		t.Fatalf("%s: got %s, then %s, %v", what, data, data2, err)
	}
}

func mustParse(t *testing.T, data []byte) R {
	t.Helper()
	r, err := Parse(data)
	if err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return r
}

func FuzzModel(f *testing.F) {
	for seed := range uint64(50) {
		f.Add(seed, seed+1)
	}
	f.Fuzz(func(t *testing.T, seed1, seed2 uint64) {
		random := rand.New(rand.NewPCG(seed1, seed2))
		m, o := randomModel(random), randomModel(random)
		r, s := mustParse(t, m.json(random)), mustParse(t, o.json(random))
		m.check(t, "Parse", r)
		union := m.combine(o, true, func(a, b bool) bool { return a || b })
		difference := m.combine(o, false, func(a, b bool) bool { return a && !b })
		intersection := m.combine(o, false, func(a, b bool) bool { return a && b })
		union.check(t, "Union", r.Union(s))
		difference.check(t, "Difference", r.Difference(s))
		intersection.check(t, "Intersect", r.Intersect(s))
		if appended, err := r.Append(s); (err == nil) != (len(intersection) == 0) {
			t.Fatalf("Append: %v; %d nodes have common resources", err, len(intersection))
		} else if err == nil {
			union.check(t, "Append", appended)
		}
		whole, err := r.Difference(s).Append(r.Intersect(s))
		if err != nil || !whole.nodes.equal(r.nodes) {
			t.Fatalf("the difference and the intersection are %s, %v; want %s", whole, err, r)
		}
		var wanted []uint32
		for rank := range uint32(12) {
			if random.IntN(2) == 0 {
				wanted = append(wanted, rank)
			}
		}
		isWanted := func(rank uint32, _ modelNode) bool { return slices.Contains(wanted, rank) }
		m.filter(isWanted).check(t, "SelectRanks", r.SelectRanks(idset.New(wanted...)))
		hosts := hostlist.List{}
		for _, rank := range wanted {
			if err := hosts.Append(fmt.Sprintf("n%d", rank)); err != nil {
				t.Fatal(err)
			}
		}
		m.filter(isWanted).check(t, "SelectHosts", r.SelectHosts(hosts))
		m.filter(func(_ uint32, n modelNode) bool { return n.properties["a"] && !n.properties["é"] }).
			check(t, "SelectProperty", r.SelectProperty("a", "^é"))
		m.checkRenumbered(t, random, r)
		m.check(t, "after all", r) // nothing may change the R that it is called on
		o.check(t, "after all", s)
	})
}

// checkRenumbered checks Remap and Rerank.
func (m model) checkRenumbered(t *testing.T, random *rand.Rand, r R) {
	t.Helper()
	ranks := slices.Sorted(maps.Keys(m))
	remapped := model{}
	for i, rank := range ranks {
		node := modelNode{m[rank].host, m[rank].properties, map[string]map[uint32]bool{}}
		for kind, ids := range m[rank].ids {
			if kind == GPU {
				node.ids[kind] = ids
				continue
			}
			for id := range len(ids) {
				node.add(kind, uint32(id))
			}
		}
		remapped[uint32(i)] = node
	}
	remapped.check(t, "Remap", r.Remap())
	random.Shuffle(len(ranks), func(i, j int) { ranks[i], ranks[j] = ranks[j], ranks[i] })
	reranked := model{}
	var hosts []string
	for i, rank := range ranks {
		reranked[uint32(i)] = m[rank]
		hosts = append(hosts, m[rank].host)
	}
	list, err := hostlist.Parse(strings.Join(hosts, ","))
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.Rerank(list)
	if err != nil {
		t.Fatal(err)
	}
	reranked.check(t, "Rerank", got)
}
