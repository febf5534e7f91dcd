package jobspec_test

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/jobspec"
	"github.com/google/go-cmp/cmp"
)

func TestRoundTrip(t *testing.T) {
	const doc = `{"version":1,"x":[1.0,{"b":9007199254740993,"a":null}],` +
		`"attributes":{"user":{"é":"</>"},"system":{"z":1,"a":2}}}`
	s, err := jobspec.Parse([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.MarshalJSON()
	if err != nil || string(got) != doc {
		t.Errorf("%s %v", got, err)
	}
	// Within another value, and by encoding/json.
	var outer struct{ Spec *jobspec.Spec }
	if err := json.Unmarshal([]byte(`{"Spec":`+doc+`}`), &outer); err != nil {
		t.Fatal(err)
	}
	got, err = json.Marshal(outer)
	if err != nil || strings.Contains(string(got), "9007199254740992") {
		t.Errorf("%s %v", got, err)
	}
	// A Spec that is not behind a pointer is not lost, either.
	got, err = json.Marshal(struct{ Spec jobspec.Spec }{*s})
	if err != nil || !strings.Contains(string(got), "9007199254740993") {
		t.Errorf("by value: %s %v", got, err)
	}
	s.Set("z", json.RawMessage("3")).Set("new", "x")
	want := strings.NewReplacer(`"z":1`, `"z":3`, `"a":2`, `"a":2,"new":"x"`).Replace(doc)
	if got, _ := s.MarshalJSON(); string(got) != want {
		t.Errorf("after a change: %s", got)
	}
}

// TestOptionTable checks that the methods which the package comment names exist.
func TestOptionTable(t *testing.T) {
	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	spec := reflect.TypeFor[*jobspec.Spec]()
	rows := regexp.MustCompile(`(?m)^//\t-.*?  +([A-Z].*)$`).FindAllStringSubmatch(string(source), -1)
	if len(rows) < 25 {
		t.Errorf("only %d rows found", len(rows))
	}
	for _, row := range rows {
		for name := range strings.SplitSeq(row[1], ", ") {
			if _, ok := spec.MethodByName(name); !ok {
				t.Errorf("there is no method %s", name)
			}
		}
	}
}

func TestParseErrors(t *testing.T) {
	for doc, want := range map[string]string{
		"": "offset 0", "[1]": "expected an object, got an array", `"x"`: "expected an object, got a string",
		"{": "offset 1", `{"a":"\u0000"}`: "NUL", "1": "a number",
	} {
		if _, err := jobspec.Parse([]byte(doc)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", doc, err, want)
		}
	}
	s := bare()
	if err := json.Unmarshal([]byte(`[1]`), s); err == nil {
		t.Error("an array is unmarshaled")
	}
}

// TestMarshalConstraints checks that nothing leaves that a scheduler cannot evaluate.
func TestMarshalConstraints(t *testing.T) {
	for constraint, rule := range map[string]string{
		`{}`:                              "constraints must have one member",
		`[]`:                              "constraints must be an object",
		`null`:                            "constraints must be an object",
		`{"and":[{}]}`:                    "constraints.and[0] must have one member",
		`{"or":[{"not":[{"and":[{}]}]}]}`: "constraints.or[0].not[0].and[0] must have one member",
		`{"not":[]}`:                      "constraints.not must have one value",
		`{"not":[{"ranks":["0"]},{"ranks":["1"]}]}`: "constraints.not must have one value",
		`{"and":{}}`:                         "constraints.and must be an array",
		`{"and":["x"]}`:                      "constraints.and[0] must be an object",
		`{"properties":["a"],"ranks":["0"]}`: "constraints must have one member",
		`{"properties":"a"}`:                 "constraints.properties must be an array",
		`{"properties":[["a"]]}`:             "constraints.properties[0] must be a string",
		`{"properties":["a|b"]}`:             "constraints.properties[0] must be a name",
		`{"properties":[""]}`:                "constraints.properties[0] must be a name",
		`{"hostlist":["a[1"]}`:               "constraints.hostlist[0] must be a hostlist",
		`{"hostlist":[1]}`:                   "constraints.hostlist[0] must be a string",
		`{"ranks":["x"]}`:                    "constraints.ranks[0] must be an idset",
		`{"ranks":["0-1048576"]}`:            "constraints.ranks[0] must be an idset",
		`{"ranks":["4294967296"]}`:           "constraints.ranks[0] must be an idset",
		`{"ranks":[0]}`:                      "constraints.ranks[0] must be a string",
		`{"foo":["a"]}`:                      "constraints.foo is not an operator",
	} {
		parsed, err := jobspec.Parse([]byte(strings.Replace(bareText, `"cwd"`, `"constraints":`+constraint+`,"cwd"`, 1)))
		if err != nil {
			t.Fatal(err)
		}
		for how, s := range map[string]*jobspec.Spec{
			"Parse": parsed, "Set": bare().Set("constraints", json.RawMessage(constraint)),
		} {
			if b, err := s.MarshalJSON(); err == nil || !strings.Contains(err.Error(), rule) {
				t.Errorf("%s %s: Marshal: %s %v, want %s", how, constraint, b, err, rule)
			}
			if err := s.Validate(); err == nil || !strings.Contains(err.Error(), rule) {
				t.Errorf("%s %s: Validate: %v, want %s", how, constraint, err, rule)
			}
			if _, err := s.Unset("constraints").MarshalJSON(); err != nil {
				t.Errorf("%s %s: after Unset: %v", how, constraint, err)
			}
		}
	}
}

// TestMarshalDeep checks that nothing leaves that nests so deep that a broker stumbles over it.
func TestMarshalDeep(t *testing.T) {
	nested := func(depth int) json.RawMessage {
		return json.RawMessage(strings.Repeat("[", depth) + strings.Repeat("]", depth))
	}
	text(t, bare().Set("user.x", nested(253)))
	s := bare().Set("user.x", nested(254))
	if b, err := s.MarshalJSON(); err == nil || !strings.Contains(err.Error(), "must not nest deeper than 256") {
		t.Errorf("%.100s %v", b, err)
	}
	c := bare().Constraint(strings.Repeat("not ", 200) + "a")
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "must not nest deeper than 256") {
		t.Errorf("constraint: %v", err)
	}
}

func TestConstraintJSON(t *testing.T) {
	c, err := jobspec.ParseConstraint("gpu and (host:n[1-2] or -rank:3)")
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"and":[{"properties":["gpu"]},{"or":[{"hostlist":["n[1-2]"]},{"not":[{"ranks":["3"]}]}]}]}`
	if got, err := json.Marshal(c); err != nil || string(got) != want || c.String() != want {
		t.Errorf("%s %v", got, err)
	}
	var again jobspec.Constraint
	if err := json.Unmarshal([]byte(want), &again); err != nil || again.String() != want {
		t.Errorf("%s %v", again, err)
	}
	var zero jobspec.Constraint
	if b, err := json.Marshal(zero); err == nil {
		t.Errorf("the zero Constraint is %s", b)
	}
	if b, err := json.Marshal(jobspec.AllOf(c, zero)); err == nil {
		t.Errorf("a zero Constraint inside is %s", b)
	}
	for _, bad := range []string{`{}`, `[]`, `{"a":1}`, `{"a":[1]}`, `{"a":["x"],"b":["y"]}`, `{"a":[{}]}`, `x`} {
		if err := json.Unmarshal([]byte(bad), &again); err == nil {
			t.Errorf("%s is unmarshaled as %s", bad, again)
		}
	}
	s := bare().Require(c)
	if got, ok := s.Constraints(); !ok || got.String() != want {
		t.Errorf("%s %v", got, ok)
	}
	if _, ok := bare().Constraints(); ok {
		t.Error("there are constraints without any")
	}
}

func TestParseDependency(t *testing.T) {
	for uri, want := range map[string]string{
		"afterok:123":                `{"scheme":"afterok","value":"123"}`,
		"singleton":                  `{"scheme":"singleton","value":""}`,
		"AfterOK:ƒab?x=007":          `{"scheme":"afterok","value":"ƒab","x":7}`,
		"a:b:c?d=%41+b&d=-0&e=":      `{"scheme":"a","value":"b:c","d":["A b",0]}`,
		"a:?x=1.50&y=1e2&z=inf":      `{"scheme":"a","value":"","x":1.5,"y":100.0,"z":"inf"}`,
		"a:b?x=99999999999999999999": `{"scheme":"a","value":"b","x":99999999999999999999}`,
	} {
		d, err := jobspec.ParseDependency(uri)
		if err != nil {
			t.Errorf("%s: %v", uri, err)
			continue
		}
		if got, err := d.MarshalJSON(); err != nil || string(got) != want {
			t.Errorf("%s: %s %v", uri, got, err)
		}
	}
	for _, uri := range []string{"", ":", "1a:b", "a b:c", "a:b#c", "a:\n", "a:b?x=%zz", "a:b?x=%ff", "a:b?scheme=x",
		"a:\xff"} {
		if d, err := jobspec.ParseDependency(uri); err == nil {
			t.Errorf("%q: %v, want an error", uri, d)
		}
	}
	deps := bare().Dependency("foo:bar?x=1").Dependency("singleton").Dependencies()
	if len(deps) != 2 || deps[0].String() != "foo:bar" || deps[1].String() != "singleton" {
		t.Errorf("%v", deps)
	}
	if v, ok := deps[0].Param("x"); string(v) != "1" || !ok {
		t.Errorf("parameter: %s %v", v, ok)
	}
}

func TestDependencyJSON(t *testing.T) {
	const text = `{"scheme":"foo","value":"bar","x":[1,2],"y":1.50}`
	var d jobspec.Dependency
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	if out, err := json.Marshal(d); err != nil || string(out) != text {
		t.Errorf("got %s, %v; want %s", out, err, text)
	}
	before := d.String()
	for _, text := range []string{
		`[]`, `{"value":"x"}`, `{"scheme":"x"}`, `{"scheme":"","value":""}`, `{"scheme":1,"value":""}`,
	} {
		err := json.Unmarshal([]byte(text), &d)
		if err == nil || !strings.HasPrefix(err.Error(), "jobspec: dependency ") || d.String() != before {
			t.Errorf("%s: %v, %v", text, d, err)
		}
	}
	if err := json.Unmarshal([]byte("null"), &d); err != nil || d.String() != before {
		t.Errorf("null: %v, %v", d, err)
	}
	for _, d := range []jobspec.Dependency{{}, {Scheme: "a\xff"}, {Scheme: "a", Value: "\x00"}} {
		if out, err := json.Marshal(d); err == nil {
			t.Errorf("%q: %s, want an error", d, out)
		}
	}
}

func TestConstraintErrorsAreShort(t *testing.T) {
	for _, expr := range []string{strings.Repeat("a ", 50_000) + "and", strings.Repeat("(", 50_000) + "a"} {
		_, err := jobspec.ParseConstraint(expr)
		if err == nil || len(err.Error()) > 700 {
			t.Errorf("%.80v", err)
		}
	}
	if out, err := json.Marshal(jobspec.Properties("\xff")); err == nil {
		t.Errorf("text that is not UTF-8: %s", out)
	}
}

func TestDirectives(t *testing.T) {
	script := "#!/bin/sh\n# flux: -N2 --queue=debug # comment\n# flux: # nothing\n#\n# flux: --job-name=\"my batch\"\n" +
		"# flux: --setattr=note=\"\"\"\n# flux:   line 1\n# flux:   it's 2\n# flux: \"\"\"\n" +
		"# flux: --env='''a \"b\"'''\n\nrun\n# x\n"
	got, err := jobspec.Directives(script)
	if err != nil {
		t.Fatal(err)
	}
	want := []jobspec.Directive{
		{Line: 2, Args: []string{"-N2", "--queue=debug"}}, {Line: 5, Args: []string{"--job-name=my batch"}},
		{Line: 6, Args: []string{"--setattr=note=  line 1\n  it's 2\n"}}, {Line: 10, Args: []string{"--env=a \"b\""}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for script, want := range map[string]string{
		"#flux: -N1\nx\n#flux: -N2":                 "line 3: orphan 'flux:' detected: directives disabled after line 1",
		"#flux: -N1\n# flux: -N2":                   "line 2: sentinel changed from '#flux:' to '# flux:'",
		"#flux: x":                                  "line 1: Unknown directive:  x",
		"#flux: -x 'a":                              "No closing quotation",
		"#flux: -x a\\":                             "No escaped character",
		"#flux: -x=\"\"\"\nfoo":                     "line 2: unterminated multi-line quote at line 1",
		"#flux: -x=\"\"\"\n#flux: y":                "unterminated multi-line quote at line 1",
		"#flux: -x=\"\"\"a":                         "unclosed triple quote",
		"#flux: -x=\"\"\"\n#flux: a\n#FLUX: \"\"\"": "sentinel changed",
	} {
		if d, err := jobspec.Directives(script); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v %v, want %s", script, d, err, want)
		}
	}
}

// FuzzParse: what Parse takes is checked without panic, and what Marshal lets out is the same after another round.
func FuzzParse(f *testing.F) {
	f.Add([]byte(bareText))
	f.Add([]byte(`{"version":1.0,"resources":[{"type":"node","count":{"min":1}}],"tasks":{},"attributes":null}`))
	f.Add([]byte(`{"attributes":{"system":{"constraints":{"and":[{}]},"duration":1e999,"dependencies":[{"scheme":1}]}}}`))
	for _, file := range []string{"jobspec_single.jsonl", "jobspec_queues.jsonl"} {
		readLines(f, file, func(line []byte) {
			_, text := vectorText(f, line)
			f.Add([]byte(text))
		})
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := jobspec.Parse(data)
		if err != nil {
			return
		}
		valid := s.Validate()
		s.Counts()
		s.TaskCount()
		s.Dependencies()
		s.Constraints()
		s.TimeLimit()
		s.IsInstance()
		for _, path := range []string{"", "a", "environment", "user.x"} {
			s.Get(path)
		}
		text, err := s.MarshalJSON()
		if err != nil {
			if valid == nil {
				t.Fatalf("%s: Validate takes it, Marshal says %v", data, err)
			}
			return
		}
		again, err := jobspec.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if (again.Validate() == nil) != (valid == nil) {
			t.Fatalf("%s: valid %v, then %v", data, valid, again.Validate())
		}
		if second, err := again.MarshalJSON(); err != nil || string(second) != string(text) {
			t.Fatalf("%s\n%s %v", text, second, err)
		}
		// A change either works or is an error; it never loses the rest.
		changed := s.Clone().Tasks(2).Nodes(2).Env("A", "b").Set("x.y", 1).Dependency("a:b").Constraint("z").Stdout("f")
		if changed.Validate() == nil {
			if n, ok := changed.TaskCount(); !ok || n != 2 {
				t.Fatalf("%s: %d tasks (%v) after Tasks(2)", data, n, ok)
			}
		}
	})
}

func FuzzDirectives(f *testing.F) {
	for _, s := range []string{"#flux: -N1\n#flux: -x='''\n#flux: a\n#flux: '''\n", "#FLUX: -a \"b\\\"c\" # d",
		"#flux: -x \"\"\"a\"\"\";|b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, script string) {
		ds, err := jobspec.Directives(script)
		if err != nil {
			return
		}
		for _, d := range ds {
			if d.Line < 1 || len(d.Args) == 0 || !strings.HasPrefix(d.Args[0], "-") {
				t.Fatalf("%q: %v", script, d)
			}
		}
	})
}

func FuzzParseDependency(f *testing.F) {
	for _, s := range []string{"afterok:1?a=b&c=1.5", "singleton", "a:?x=%41", ":"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		d, err := jobspec.ParseDependency(uri)
		if err != nil {
			return
		}
		text, err := d.MarshalJSON()
		if err != nil || !json.Valid(text) {
			t.Fatalf("%q: %s %v", uri, text, err)
		}
	})
}

func BenchmarkMarshal(b *testing.B) {
	s := jobspec.Command("true").Tasks(4)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.MarshalJSON(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCommand(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if err := jobspec.Command("true").Tasks(4).Nodes(2).Validate(); err != nil {
			b.Fatal(err)
		}
	}
}
