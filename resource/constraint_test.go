package resource

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/hostlist"
	"github.com/flux-sdk/flux/idset"
	"github.com/flux-sdk/flux/internal/fluxpython"
	"github.com/flux-sdk/flux/internal/formattest"
	"github.com/flux-sdk/flux/jobspec"
)

func constraintOf(t *testing.T, text string) jobspec.Constraint {
	t.Helper()
	var c jobspec.Constraint
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return c
}

func TestSelect(t *testing.T) {
	hosts, err := hostlist.Parse("n[0-3],m,m")
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(hosts, 4, 1).SetProperty("big", idset.Range(2, 4))
	if err != nil {
		t.Fatal(err)
	}
	for expr, want := range map[string]string{
		"big":                    "2-4",
		"^big":                   "0-1,5",
		"big,^big":               "",
		"host:n[1-2],m":          "1-2,4-5",
		"rank:0-9":               "0-5",
		"rank:0 or host:m":       "0,4-5",
		"not (big or rank:0)":    "1,5",
		"big host:m":             "4",
		"none":                   "",
		"host:n[0-1048575] -big": "0-1",
		"rank:0-4294967294 -big": "0-1,5",
	} {
		c, err := jobspec.ParseConstraint(expr)
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.Select(c)
		if err != nil || got.Ranks().String() != want {
			t.Errorf("%s: %s, %v; want %s", expr, got.Ranks(), err, want)
		}
		if got.Nodes() > 0 && (got.Cores() != 4*got.Nodes() || got.Hosts().Len() != got.Nodes()) {
			t.Errorf("%s: %s on %s", expr, got, got.Hosts())
		}
	}
	if all, err := r.Select(jobspec.Constraint{}); err != nil || !all.Equal(r) {
		t.Errorf("the zero Constraint selects %s, %v", all, err)
	}
}

func TestSelectErrors(t *testing.T) {
	r := New(hostlist.New("a", "b"), 1, 0)
	for text, want := range map[string]string{
		`{"or":[]}`:                                   "or needs a constraint",
		`{"not":[]}`:                                  "not needs one constraint, got 0",
		`{"not":[{"ranks":["0"]},{"or":[]}]}`:         "not needs one constraint, got 2",
		`{"cores":["1"]}`:                             `"cores" is not an operator`,
		`{"and":["a"]}`:                               "expected an object",
		`{"ranks":[{"and":[]}]}`:                      "must be strings, got an object",
		`{"ranks":["1,0"]}`:                           "out of order",
		`{"hostlist":["n[1-"]}`:                       "hostlist: error parsing",
		`{"and":[{"or":[{"ranks":["4294967296"]}]}]}`: "4294967296",
	} {
		if got, err := r.Select(constraintOf(t, text)); !errors.Is(err, flux.EINVAL) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %s, %v; want %s", text, got, err, want)
		}
	}
	if _, err := r.Select(jobspec.Not(jobspec.Constraint{})); !errors.Is(err, flux.EINVAL) {
		t.Errorf("not of the zero Constraint: %v", err)
	}
}

// randomConstraint returns a constraint object over the nodes of a random model. Some are not valid.
func randomConstraint(random *rand.Rand, depth int) string {
	quoted := func(choices ...string) string {
		var texts []string
		for range random.IntN(3) {
			texts = append(texts, `"`+choices[random.IntN(len(choices))]+`"`)
		}
		return strings.Join(texts, ",")
	}
	op := random.IntN(6)
	if depth == 0 {
		op = random.IntN(3)
	}
	switch op {
	case 0:
		return `{"properties":[` + quoted("a", "^a", "b b", "é", "^é", "none", "^none", "^", "") + `]}`
	case 1:
		return `{"hostlist":[` + quoted("n[0-4]", "n7", "n[3,1],x", "n[", "", "n[5-9],n[5-9]") + `]}`
	case 2:
		// The class joins several idsets to one text, which it then refuses if their ids do not ascend.
		idsets := []string{"", `""`, `"0-4"`, `"7"`, `"[1,3]"`, `"3,1"`, `"x"`, `"0-4","7-8"`}
		return `{"ranks":[` + idsets[random.IntN(len(idsets))] + `]}`
	case 3:
		return `{"not":[` + randomConstraint(random, depth-1) + `]}`
	}
	list := []string{randomConstraint(random, depth-1)}
	for random.IntN(2) == 0 {
		list = append(list, randomConstraint(random, depth-1))
	}
	name := "and"
	if op == 5 {
		name = "or"
	}
	return `{"` + name + `":[` + strings.Join(list, ",") + `]}`
}

const constraintScript = `
from flux.resource import ResourceSet
def handle(r):
    return str(ResourceSet(r["a"]).copy_constraint(r["b"]).ranks)
`

// TestDifferentialSelect compares with the Python class. The class stops at the first value that decides, so that it
// may overlook a wrong one after it, which Select refuses.
func TestDifferentialSelect(t *testing.T) {
	python := fluxpython.Start(t, constraintScript, "that Select agrees with copy_constraint of Flux's ResourceSet")
	random := formattest.Random(t)
	same, refused, overlooked := 0, 0, 0
	for range trials {
		m := randomModel(random)
		for _, node := range m {
			delete(node.ids, "fpga")
		}
		r := mustParse(t, m.json(random))
		r = r.SelectRanks(r.Ranks()) // the class takes hosts in the order of R_lite, so that it must be that of ranks
		a, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		text := randomConstraint(random, 3)
		var want string
		pythonErr := python.Call(map[string]string{"a": string(a), "b": text}, &want)
		got, err := r.Select(constraintOf(t, text))
		switch {
		case err == nil && pythonErr == nil && got.Ranks().String() == want:
			same++
		case err != nil && pythonErr != nil:
			refused++
		case err != nil && (strings.Contains(err.Error(), "idset: ") || strings.Contains(err.Error(), "hostlist: ")):
			overlooked++
		default:
			t.Errorf("%s of %s: %s, %v; Flux has %s, %v", text, r, got.Ranks(), err, want, pythonErr)
		}
	}
	t.Logf("%d constraints: %d select the same, %d are refused by both, %d here only for a value not looked at",
		trials, same, refused, overlooked)
	if same < trials/4 || refused == 0 {
		t.Error("the constraints do not test both answers")
	}
}

// meets evaluates a constraint for one node, as RFC 31 words it.
func meets(node Node, properties map[string]idset.Set, constraint any) bool {
	for op, value := range constraint.(map[string]any) {
		values := value.([]any)
		all, some := true, false
		for _, v := range values {
			ok := false
			switch text, _ := v.(string); op {
			case "and", "or", "not":
				ok = meets(node, properties, v)
			case "properties":
				name, not := strings.CutPrefix(text, "^")
				ok = properties[name].Contains(node.Rank) != not
			case "hostlist":
				hosts, _ := hostlist.Parse(text)
				ok = hosts.Contains(node.Host)
			case "ranks":
				ids, _ := idset.Parse(text)
				ok = ids.Contains(node.Rank)
			}
			all, some = all && ok, some || ok
		}
		switch op {
		case "and", "properties":
			return all
		case "not":
			return !all
		default:
			return some
		}
	}
	return true
}

// FuzzSelect compares what Select selects with each node by itself.
func FuzzSelect(f *testing.F) {
	for _, seed := range []string{`{"and":[{"ranks":["0-3"]},{"not":[{"properties":["a"]}]}]}`,
		`{"or":[{"hostlist":["n[1-4],n7"]},{"properties":["^a","b b"]}]}`, `{"ranks":["0","2-3"]}`, `{"or":[]}`} {
		f.Add([]byte(seed), uint64(1))
	}
	f.Fuzz(func(t *testing.T, text []byte, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 0))
		r := mustParse(t, randomModel(random).json(random))
		var c jobspec.Constraint
		if json.Unmarshal(text, &c) != nil {
			c = constraintOf(t, randomConstraint(random, 4))
		}
		got, err := r.Select(c)
		if err != nil {
			return
		}
		var tree any
		if err := json.Unmarshal([]byte(c.String()), &tree); err != nil {
			t.Fatal(err)
		}
		for node := range r.All() {
			if want := meets(node, r.properties, tree); got.Ranks().Contains(node.Rank) != want {
				t.Fatalf("%s of %s selects %s, but rank %d: %t", c, r, got.Ranks(), node.Rank, want)
			}
		}
	})
}
