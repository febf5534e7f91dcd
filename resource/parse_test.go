package resource

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/hostlist"
	"github.com/flux-sdk/flux/idset"
)

func TestParseErrors(t *testing.T) {
	lite := func(entries string) string { return `{"version":1,"execution":{"R_lite":[` + entries + `]}}` }
	more := func(members string) string {
		return `{"version":1,"execution":{"R_lite":[{"rank":"0-1","children":{"core":"0"}}],` + members + `}}`
	}
	for in, want := range map[string]string{
		``:                             "invalid JSON: expected a value at the end",
		`[]`:                           "expected a JSON object, got an array",
		`{}`:                           "no member version",
		`{"version":"1"}`:              `version must be 1, got "1"`,
		`{"version":2}`:                "version must be 1, got 2",
		`{"version":1}`:                "no member execution",
		`{"version":1,"execution":[]}`: "execution: expected a JSON object, got an array",
		`{"version":1,"execution":{}}`: "execution.R_lite: missing",
		`{"version":1,"execution":{"R_lite":{}}}`: "execution.R_lite: expected an array, got an object",
		lite(`1`):                                        "execution.R_lite[0]: expected a JSON object, got a number",
		lite(`{"children":{}}`):                          "execution.R_lite[0].rank: missing",
		lite(`{"rank":0,"children":{}}`):                 "execution.R_lite[0].rank: expected a string, got a number",
		lite(`{"rank":"","children":{}}`):                "execution.R_lite[0].rank: expected a rank",
		lite(`{"rank":"x","children":{}}`):               "execution.R_lite[0].rank: idset: ",
		lite(`{"rank":"0"}`):                             "execution.R_lite[0].children: missing",
		lite(`{"rank":"0","children":[]}`):               ".children: expected a JSON object, got an array",
		lite(`{"rank":"0","children":{"core":0}}`):       ".children.core: expected a string, got a number",
		lite(`{"rank":"0","children":{"core":"0,0-1"}}`): "execution.R_lite[0].children.core: idset: ",
		lite(`{"rank":"0-1","children":{"core":"0-3"}},{"rank":"1","children":{"core":"2-5","gpu":"0"}}`): "" +
			"execution.R_lite: rank 1 has core[2-3] twice",
		more(`"nodelist":"n0"`):            "execution.nodelist: expected an array of strings, got a string",
		more(`"nodelist":null`):            "execution.nodelist: expected an array of strings, got null",
		more(`"nodelist":[null]`):          "execution.nodelist[0]: expected a string, got null",
		more(`"nodelist":["n[0-1]",1]`):    "execution.nodelist[1]: expected a string, got a number",
		more(`"nodelist":["n0"]`):          "execution.nodelist: 1 hosts for 2 ranks",
		more(`"nodelist":["n0","n[1-2]"]`): "execution.nodelist: 3 hosts for 2 ranks",
		more(`"nodelist":["n[0-"]`):        "execution.nodelist[0]: hostlist: ",
		more(`"properties":["a"]`):         "execution.properties: expected a JSON object, got an array",
		more(`"properties":{"a":0}`):       "execution.properties.a: expected a string, got a number",
		more(`"properties":{"a|b":"0"}`):   `execution.properties: invalid character '|' in property "a|b"`,
		more(`"properties":{"":"0"}`):      "execution.properties: a property has no name",
		more(`"properties":{"a":"1-3"}`):   "execution.properties.a: ranks 2-3 are not in the R",
		more(`"expiration":"x"`):           "execution.expiration: expected a number, got a string",
		more(`"starttime":null`):           "execution.starttime: expected a number, got null",
		more(`"starttime":1e300`):          "execution.starttime: 1e300 seconds since 1970",
	} {
		r, err := Parse([]byte(in))
		if !errors.Is(err, flux.EINVAL) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %s, %v; want %s", in, r, err, want)
		}
		unchanged := New(hostlist.New("n0"), 1, 0)
		if err := unchanged.UnmarshalJSON([]byte(in)); err == nil || unchanged.Nodes() != 1 {
			t.Errorf("%s: UnmarshalJSON gives %s, %v", in, unchanged, err)
		}
	}
}

func TestHostileSizes(t *testing.T) {
	for _, entries := range []string{
		`{"rank":"0-4294967294","children":{"core":"0"}}`,
		`{"rank":"0-4294967294","children":{"core":"0"}},{"rank":"0-4294967294","children":{"gpu":"0"}}`,
		`{"rank":"0-1048575","children":{"core":"0"}},{"rank":"1048576","children":{"core":"0"}}`,
	} {
		in := `{"version":1,"execution":{"R_lite":[` + entries + `],"nodelist":["n[0-4294967294]"]}}`
		if r, err := Parse([]byte(in)); !errors.Is(err, flux.ERANGE) || errors.Is(err, flux.EINVAL) {
			t.Errorf("%s: %s, %v", in, r, err)
		}
	}
	in := `{"version":1,"execution":{"R_lite":[{"rank":"0-1048575","children":{"core":"0-1023"}}],` +
		`"nodelist":["n[0-1048575]"]}}`
	r := mustParse(t, []byte(in))
	if r.Nodes() != MaxNodes || r.Cores() != MaxNodes*1024 {
		t.Errorf("%d nodes, %d cores", r.Nodes(), r.Cores())
	}
	if host, _ := r.HostOf(MaxNodes - 1); host != "n1048575" {
		t.Errorf("the last host is %s", host)
	}
	last := r.SelectRanks(idset.New(MaxNodes - 1))
	if got := r.Difference(last); got.Nodes() != MaxNodes-1 {
		t.Errorf("the difference has %d nodes", got.Nodes())
	}
}

func TestParseLenient(t *testing.T) {
	const in = `{"version":1,"execution":{"R_lite":[{"rank":"0,0-1","children":{"core":"0,0-1,1-2"}},` +
		`{"rank":"1","children":{"core":"2-3"}}],"nodelist":["n0","n1"],"properties":{"a":"1,0"}}}`
	if r, err := Parse([]byte(in)); err == nil {
		t.Errorf("Parse gives %s", r)
	}
	r, err := ParseLenient([]byte(in))
	if err != nil || r.String() != "rank0/core[0-2] rank1/core[0-3]" || !r.PropertyRanks("a").Equal(idset.Range(0, 1)) {
		t.Errorf("got %s, %v", r, err)
	}
	// The text that was read is kept; an operation writes well formed sets.
	for _, r := range []R{r.SelectRanks(r.Ranks()), r.Union(R{})} {
		checkRoundTrip(t, "lenient", r)
	}
	for _, in := range []string{`{}`, `{"version":1,"execution":{"R_lite":[{"rank":"x","children":{}}]}}`} {
		if r, err := ParseLenient([]byte(in)); !errors.Is(err, flux.EINVAL) {
			t.Errorf("%s: %s, %v", in, r, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte(`{"version":1,"execution":{"R_lite":[],"nodelist":[""]}}`))
	f.Add([]byte(`{"version":1,"execution":{"R_lite":[{"rank":"0-1048575","children":{"core":"0-4294967294"}}]}}`))
	f.Add([]byte(`{"version":1,"execution":{"R_lite":[{"rank":"4294967295","children":{"a1":"2","a":"12"}},` +
		`{"rank":"0","children":{}}],"nodelist":["n[1,1]"],"properties":{"p":""}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, read := range []func([]byte) (R, error){Parse, ParseLenient} {
			r, err := read(data)
			if err != nil {
				if !errors.Is(err, flux.EINVAL) && !errors.Is(err, flux.ERANGE) {
					t.Fatal(err)
				}
				continue
			}
			checkRoundTrip(t, string(data), r.SelectRanks(r.Ranks()))
			if !r.Union(r).Equal(r.SelectRanks(r.Ranks())) {
				t.Fatalf("%s: the union with itself is %s", data, r.Union(r))
			}
			if d := r.Difference(r); d.Cores() != 0 || d.GPUs() != 0 || d.Nodes() != 0 {
				t.Fatalf("%s: the difference with itself is %s", data, d)
			}
			if r.Nodes() < 1000 {
				checkRoundTrip(t, string(data), r.Remap())
			}
		}
	})
}

// uneven returns the R of nodes that all have different cores than their neighbors.
func uneven(nodes int) []byte {
	var b strings.Builder
	b.WriteString(`{"version":1,"execution":{"R_lite":[`)
	for i := range nodes {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"rank":"%d","children":{"core":"%d-63","gpu":"%d"}}`, i, i%50, i%7)
	}
	fmt.Fprintf(&b, `],"starttime":0.0,"expiration":0.0,"nodelist":["node[0-%d]"]}}`, nodes-1)
	return []byte(b.String())
}

func BenchmarkParse(b *testing.B) {
	for name, data := range map[string][]byte{
		"uneven10000": uneven(10_000),
		"even1000000": []byte(`{"version":1,"execution":{"R_lite":[{"rank":"0-999999","children":{"core":"0-63"}}],` +
			`"nodelist":["node[0-999999]"]}}`),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOperations(b *testing.B) {
	r, err := Parse(uneven(10_000))
	if err != nil {
		b.Fatal(err)
	}
	s := r.SelectRanks(idset.Range(2_000, 7_000))
	for name, operation := range map[string]func(){
		"Union":      func() { r.Union(s) },
		"Difference": func() { r.Difference(s) },
		"Intersect":  func() { r.Intersect(s) },
		"Remap":      func() { r.Remap() },
		"String":     func() { _ = r.String() },
		"Marshal":    func() { _, _ = json.Marshal(s) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				operation()
			}
		})
	}
}

// TestLargeInputs reads texts whose cost would be the square of their length if each part were searched for.
func TestLargeInputs(t *testing.T) {
	const n = 20_000
	types, cores, properties := make([]string, n), make([]string, n), make([]string, n)
	for i := range n {
		types[i] = fmt.Sprintf(`"t%d":"0"`, i)
		cores[i] = fmt.Sprintf(`{"rank":"0-%d","children":{"core":"%d"}}`, MaxNodes-1, 2*i)
		properties[i] = fmt.Sprintf(`"p%d":"%d"`, i, i)
	}
	text := func(lite, properties string) []byte {
		return []byte(`{"version":1,"execution":{"R_lite":[` + lite + `],"properties":{` + properties + `}}}`)
	}
	entry := `{"rank":"0","children":{` + strings.Join(types, ",") + `}}`
	if r := mustParse(t, text(entry, "")); !r.Union(r).Equal(r) || r.Count("t19999") != 1 {
		t.Errorf("%d of the last type", r.Count("t19999"))
	}
	if r := mustParse(t, text(strings.Join(cores, ","), "")); r.Nodes() != MaxNodes || r.Cores()/MaxNodes != n {
		t.Errorf("%d nodes, %d cores", r.Nodes(), r.Cores())
	}
	r := mustParse(t, text(`{"rank":"0-19999","children":{"core":"0"}}`, strings.Join(properties, ",")))
	if got := r.SelectRanks(idset.Range(0, 9)).Properties(); len(r.Properties()) != n || len(got) != 10 {
		t.Errorf("%d properties, %d of ten nodes", len(r.Properties()), len(got))
	}
}
