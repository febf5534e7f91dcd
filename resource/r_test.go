package resource

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/hostlist"
	"github.com/flux-sdk/flux/idset"
)

// small has two nodes, with everything that RFC 20 has and members that it does not have.
const small = `{"version":1,"extra":{"z":1,"a":2.50},"execution":{"nslots":2,"R_lite":[{"rank":"1,0","x":1,` +
	`"children":{"gpu":"0","core":"0-3"}}],"starttime":1795889567,"expiration":1795893167.1234567,"nodelist":["b","a"],` +
	`"properties":{"p":"1"},"more":[1]},` +
	`"scheduling":{"graph":{"nodes":[18446744073709551615]}},"attributes":{"system":{}}}`

func TestMarshalIsByteStable(t *testing.T) {
	in := strings.Replace(small, `"1,0"`, `"0-1"`, 1)
	r := mustParse(t, []byte(in))
	out, err := json.Marshal(r)
	if err != nil || string(out) != in {
		t.Errorf("got  %s, %v\nwant %s", out, err, in)
	}
	for name, changed := range map[string]R{
		"SelectRanks": r.SelectRanks(idset.Range(0, 9)),
		"Union":       r.Union(r),
		"Intersect":   r.Intersect(r),
		"Difference":  r.Difference(R{}),
	} {
		out, err := json.Marshal(changed)
		// The order of the types is that of this package, and members of elements of R_lite are not kept.
		want := strings.Replace(in, `{"rank":"0-1","x":1,"children":{"gpu":"0","core":"0-3"}}`,
			`{"rank":"0-1","children":{"core":"0-3","gpu":"0"}}`, 1)
		want = strings.Replace(want, `["b","a"]`, `["b,a"]`, 1)
		if err != nil || string(out) != want {
			t.Errorf("%s: got  %s, %v\nwant %s", name, out, err, want)
		}
	}
	out, err = json.Marshal(r.SelectRanks(idset.New(1)))
	if err != nil || strings.Contains(string(out), "nslots") || !strings.Contains(string(out), `"more":[1]`) {
		t.Errorf("one of two nodes is %s, %v", out, err)
	}
}

func TestHostsFollowRanks(t *testing.T) {
	r := mustParse(t, []byte(`{"version":1,"execution":{"R_lite":[{"rank":"7","children":{"core":"0"}},`+
		`{"rank":"2-3","children":{"core":"0"}}],"nodelist":["z9","a[1,1]"]}}`))
	for rank, want := range map[uint32]string{2: "z9", 3: "a1", 7: "a1"} {
		if host, ok := r.HostOf(rank); !ok || host != want {
			t.Errorf("rank %d is on %s, %t; want %s", rank, host, ok, want)
		}
	}
	if rank, ok := r.RankOf("a1"); !ok || rank != 3 {
		t.Errorf("a1 has rank %d, %t", rank, ok)
	}
	if host, ok := r.HostOf(4); ok {
		t.Errorf("rank 4 is on %s", host)
	}
	if rank, ok := r.RankOf("x"); ok {
		t.Errorf("x has rank %d", rank)
	}
	if node, ok := r.NodeOf(0); ok {
		t.Errorf("rank 0 is %+v", node)
	}
	ranks, err := r.RanksOf(hostlist.New("a1"))
	if err != nil || !ranks.Equal(idset.New(3, 7)) {
		t.Errorf("a1 has ranks %s, %v", ranks, err)
	}
	_, err = r.RanksOf(hostlist.New("a1", "b[1-3]"))
	if !errors.Is(err, flux.ENOENT) || !strings.Contains(err.Error(), "hosts b[1-3] are not") {
		t.Errorf("got %v", err)
	}
	if got := r.SelectHosts(hostlist.New("a1", "b1")); got.String() != "rank[3,7]/core0" {
		t.Errorf("got %s", got)
	}
}

func TestTimes(t *testing.T) {
	r := mustParse(t, []byte(strings.Replace(small, `"1,0"`, `"0-1"`, 1)))
	start, hasStart := r.Start()
	expiration, hasExpiration := r.Expiration()
	if !hasStart || !start.Equal(time.Unix(1795889567, 0)) || !hasExpiration ||
		!expiration.Equal(time.Unix(1795893167, 123456700)) {
		t.Errorf("got %v, %t, %v, %t", start, hasStart, expiration, hasExpiration)
	}
	r = r.WithStart(time.Time{}).WithExpiration(time.Unix(7, 5e8))
	if start, ok := r.Start(); ok || !start.IsZero() {
		t.Errorf("the start that was removed is %v, %t", start, ok)
	}
	data, err := json.Marshal(r)
	if err != nil || !strings.Contains(string(data), `"starttime":0.0,"expiration":7.5,`) {
		t.Errorf("got %s, %v", data, err)
	}
	for _, in := range []string{"", `,"starttime":0,"expiration":0.0`} {
		r := mustParse(t, []byte(`{"version":1,"execution":{"R_lite":[]`+in+`}}`))
		if _, ok := r.Start(); ok {
			t.Errorf("%s has a start", in)
		}
		if _, ok := r.Expiration(); ok {
			t.Errorf("%s has an expiration", in)
		}
	}
}

func TestEmpty(t *testing.T) {
	const form = `{"version":1,"execution":{"R_lite":[],"starttime":0.0,"expiration":0.0,"nodelist":[""]}}`
	var zero R
	if data, err := json.Marshal(zero); err != nil || string(data) != form {
		t.Errorf("the zero R is %s, %v; want %s", data, err, form)
	}
	if data, err := json.Marshal(zero.WithExpiration(time.Unix(1, 0))); err != nil ||
		!strings.Contains(string(data), `"expiration":1.0`) || !strings.Contains(string(data), `"nodelist":[""]`) {
		t.Errorf("got %s, %v", data, err)
	}
	full := New(hostlist.New("n[0-1]"), 2, 0)
	for _, in := range []string{form,
		`{"version":1,"execution":{"R_lite":[]}}`, `{"version":1,"execution":{"R_lite":null}}`,
		`{"version":1,"execution":{"R_lite":[],"nodelist":[]}}`} {
		r := mustParse(t, []byte(in))
		if !r.IsEmpty() || r.Nodes() != 0 || r.Cores() != 0 || r.String() != "" || !r.Equal(zero) || !r.Hosts().IsEmpty() {
			t.Errorf("%s is not empty: %s", in, r)
		}
		for what, got := range map[string]R{"r+e": full.Union(r), "e+r": r.Union(full), "r-e": full.Difference(r)} {
			if !got.Equal(full) {
				t.Errorf("%s with %s is %s", what, in, got)
			}
		}
		if got := full.Intersect(r); !got.IsEmpty() {
			t.Errorf("the intersection with %s is %s", in, got)
		}
		if got, err := r.Append(full); err != nil || !got.Equal(full) {
			t.Errorf("Append to %s: %s, %v", in, got, err)
		}
		checkRoundTrip(t, in, r)
	}
	if got := zero.Remap(); !got.IsEmpty() {
		t.Errorf("got %s", got)
	}
	if got, err := zero.Rerank(hostlist.List{}); err != nil || !got.IsEmpty() {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestSetsWithoutHosts(t *testing.T) {
	all := New(hostlist.New("n[0-3]"), 4, 1)
	allocated := mustParse(t, []byte(`{"version":1,"execution":{"R_lite":[{"rank":"1","children":{"core":"0-3"}},`+
		`{"rank":"2","children":{"core":"0-3","gpu":"0"}}]}}`))
	free := all.Difference(allocated)
	if got := free.String(); got != "rank[0,3]/core[0-3],gpu0 rank1/gpu0" || free.Hosts().String() != "n[0-1,3]" {
		t.Errorf("free is %s on %s", got, free.Hosts())
	}
	if got := all.Intersect(allocated); got.Hosts().String() != "n[1-2]" {
		t.Errorf("the intersection is %s on %s", got, got.Hosts())
	}
	if got := allocated.Intersect(all); !got.Hosts().IsEmpty() || got.Cores() != 8 {
		t.Errorf("the intersection is %s on %s", got, got.Hosts())
	}
	for _, got := range []R{free.Union(allocated), all.Union(allocated), allocated.Union(all)} {
		if want := free.Nodes() == 3; !want || got.Nodes() != 4 {
			t.Errorf("the union is %s", got)
		}
	}
	if got := allocated.Union(all); !got.Equal(all) {
		t.Errorf("the union is %s on %s", got, got.Hosts())
	}
	// Rank 2 is in the set without host names only.
	if got := free.Union(allocated); !got.Hosts().IsEmpty() {
		t.Errorf("the union has the hosts %s", got.Hosts())
	}
	if got, err := free.Append(allocated); !errors.Is(err, flux.EINVAL) {
		t.Errorf("Append: %s, %v", got, err)
	}
	data, err := json.Marshal(allocated.SelectRanks(idset.New(1)))
	if err != nil || strings.Contains(string(data), "nodelist") {
		t.Errorf("got %s, %v", data, err)
	}
	if nodes := slices.Collect(allocated.All()); len(nodes) != 2 || nodes[1].Host != "" || nodes[1].Rank != 2 {
		t.Errorf("got %+v", nodes)
	}
}

func TestOtherHosts(t *testing.T) {
	r := New(hostlist.New("n[0-5]"), 2, 0)
	s := mustParse(t, []byte(`{"version":1,"execution":{"R_lite":[{"rank":"1-4","children":{"core":"1-3"}}],`+
		`"nodelist":["n1,x[2-3],n4"]}}`))
	if got := r.Intersect(s); got.String() != "rank[1,4]/core1" || got.Hosts().String() != "n[1,4]" {
		t.Errorf("the intersection is %s on %s", got, got.Hosts())
	}
	if got := r.Difference(s); got.String() != "rank[0,5]/core[0-1] rank[1-4]/core0" {
		t.Errorf("the difference is %s", got)
	}
	if got := r.Union(s); got.Hosts().String() != "n[0-5]" || got.Cores() != 2*2+4*4 {
		t.Errorf("the union is %s on %s", got, got.Hosts())
	}
	other := mustParse(t, []byte(`{"version":1,"execution":{"R_lite":[{"rank":"5-6","children":{"core":"7"}}],`+
		`"nodelist":["y[5-6]"]}}`))
	if got, err := r.Append(other); !errors.Is(err, flux.EINVAL) ||
		!strings.Contains(err.Error(), "rank 5 is host n5 in one set and y5 in the other") {
		t.Errorf("Append: %s, %v", got, err)
	}
	if got, err := r.Append(s); !errors.Is(err, flux.EEXIST) ||
		!strings.Contains(err.Error(), "overlap in rank[1-4]/core1") {
		t.Errorf("Append: %s, %v", got, err)
	}
}

func TestSetProperty(t *testing.T) {
	r := New(hostlist.New("n[0-3]"), 1, 0)
	with, err := r.SetProperty("big mem", idset.New(1, 2))
	if err != nil || !with.PropertyRanks("big mem").Equal(idset.New(1, 2)) || len(r.Properties()) != 0 {
		t.Errorf("got %v, %v; before %v", with.Properties(), err, r.Properties())
	}
	if with, err = with.SetProperty("big mem", idset.New(3)); err != nil || with.PropertyRanks("big mem").Len() != 3 {
		t.Errorf("got %s, %v", with.PropertyRanks("big mem"), err)
	}
	if got := with.Queue("big mem"); !got.Ranks().Equal(idset.Range(1, 3)) || !with.Queue().Equal(with) {
		t.Errorf("got %s", got)
	}
	for _, name := range []string{"", "a^", "a&b", "'", `"`, "`", "|", "(", ")", "\xff"} {
		if got, err := r.SetProperty(name, idset.New(0)); !errors.Is(err, flux.EINVAL) {
			t.Errorf("property %q: %v, %v", name, got.Properties(), err)
		}
	}
	for ranks, want := range map[string]string{"4": "rank 4 is not in the R", "0-99": "ranks 4-99 are not in the R"} {
		ids, err := idset.Parse(ranks)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.SetProperty("a", ids); !errors.Is(err, flux.EINVAL) || !strings.Contains(err.Error(), want) {
			t.Errorf("ranks %s: %v; want %s", ranks, err, want)
		}
	}
}

func TestRerankErrors(t *testing.T) {
	r := New(hostlist.New("n[0-1],n0"), 1, 0)
	for hosts, errno := range map[string]flux.Errno{"n[0-1]": flux.EINVAL, "n[0-3]": flux.EINVAL, "n[0-2]": flux.ENOENT,
		"n1,n1,n0": flux.ENOENT} {
		if got, err := r.Rerank(hostlist.New(hosts)); !errors.Is(err, errno) {
			t.Errorf("Rerank(%s): %s, %v", hosts, got, err)
		}
	}
	if got, err := r.Rerank(hostlist.New("n0,n0,n1")); err != nil || got.Hosts().String() != "n[0,0-1]" {
		t.Errorf("got %s, %v", got.Hosts(), err)
	}
}

func TestUniformErrors(t *testing.T) {
	cores := idset.Range(0, 3)
	for what, u := range map[string]Uniform{
		"nothing":      {},
		"no resources": {Hosts: hostlist.New("n[0-1]")},
		"no nodes":     {Cores: cores},
		"other count":  {Hosts: hostlist.New("n[0-1]"), Ranks: idset.Range(0, 2), Cores: cores},
		"invalid property": {Hosts: hostlist.New("n0"), Cores: cores,
			Properties: map[string]idset.Set{"a|b": idset.New(0)}},
		"ranks of a property": {Hosts: hostlist.New("n0"), Cores: cores,
			Properties: map[string]idset.Set{"a": idset.New(1)}},
	} {
		if r, err := u.R(); !errors.Is(err, flux.EINVAL) {
			t.Errorf("%s: %s, %v", what, r, err)
		}
	}
	if r, err := (Uniform{Ranks: idset.Range(0, MaxNodes), Cores: cores}).R(); !errors.Is(err, flux.ERANGE) {
		t.Errorf("too many nodes: %s, %v", r, err)
	}
	r, err := Uniform{Ranks: idset.New(5), GPUs: cores, Start: time.Unix(5, 0), Expiration: time.Unix(6, 0)}.R()
	const want = `{"version":1,"execution":{"R_lite":[{"rank":"5","children":{"gpu":"0-3"}}],` +
		`"starttime":5.0,"expiration":6.0}}`
	if data, _ := json.Marshal(r); err != nil || !sameJSON(t, data, []byte(want)) {
		t.Errorf("got %s, %v; want %s", data, err, want)
	}
	for _, n := range []int{-1, 0} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("New with %d cores did not panic", n)
				}
			}()
			New(hostlist.New("n0"), n, 0)
		}()
	}
}
