package jobspec_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/flux-sdk/flux/jobspec"
	"github.com/google/go-cmp/cmp"
)

// shape returns resources, the count of tasks and the option per-resource in short.
func shape(t testing.TB, s *jobspec.Spec) string {
	t.Helper()
	var doc struct {
		Resources json.RawMessage
		Tasks     []struct{ Count json.RawMessage }
	}
	if err := json.Unmarshal([]byte(text(t, s)), &doc); err != nil {
		t.Fatal(err)
	}
	per, _ := s.Get("shell.options.per-resource")
	out := string(doc.Resources) + " " + string(doc.Tasks[0].Count) + " " + string(per)
	return strings.NewReplacer("type:", "", "count:", "", ",label:task", "", "with:", "", "exclusive:true", "x").Replace(
		strings.ReplaceAll(out, `"`, ""))
}

func TestLayout(t *testing.T) {
	for _, c := range []struct {
		s     *jobspec.Spec
		want  string
		count jobspec.Counts
		tasks int // -1: not known
	}{
		{bare(), "[{slot,1,[{core,1}]}] {per_slot:1} ", jobspec.Counts{Slots: 1, Cores: 1}, 1},
		{bare().Tasks(4).CoresPerTask(2).GPUsPerTask(1), "[{slot,4,[{core,2},{gpu,1}]}] {per_slot:1} ",
			jobspec.Counts{Slots: 4, Cores: 8, GPUs: 4}, 4},
		{bare().GPUsPerTask(1).GPUsPerTask(0), "[{slot,1,[{core,1}]}] {per_slot:1} ", jobspec.Counts{Slots: 1, Cores: 1}, 1},
		{bare().Nodes(2), "[{node,2,x,[{slot,1,[{core,1}]}]}] {per_slot:1} ", jobspec.Counts{Nodes: 2, Slots: 2, Cores: 2,
			Exclusive: true}, 2},
		{bare().Nodes(2).Tasks(4), "[{node,2,[{slot,2,[{core,1}]}]}] {per_slot:1} ", jobspec.Counts{Nodes: 2, Slots: 4,
			Cores: 4}, 4},
		{bare().Nodes(2).Tasks(5), "[{node,2,[{slot,3,[{core,1}]}]}] {total:5} ", jobspec.Counts{Nodes: 2, Slots: 6,
			Cores: 6}, 5},
		{bare().Tasks(2).Nodes(2).Exclusive(), "[{node,2,x,[{slot,1,[{core,1}]}]}] {per_slot:1} ", jobspec.Counts{Nodes: 2,
			Slots: 2, Cores: 2, Exclusive: true}, 2},
		{bare().Cores(4), "[{slot,4,[{core,1}]}] {per_slot:1} ", jobspec.Counts{Slots: 4, Cores: 4}, 4},
		{bare().Cores(8).Nodes(2), "[{node,2,[{slot,1,[{core,4}]}]}] {per_slot:1} ", jobspec.Counts{Nodes: 2, Slots: 2,
			Cores: 8}, 2},
		{bare().Nodes(2).TasksPerNode(3), "[{node,2,x,[{slot,1,[{core,1}]}]}] {per_slot:1} {node,3}",
			jobspec.Counts{Nodes: 2, Slots: 2, Cores: 2, Exclusive: true}, 6},
		{bare().Cores(4).TasksPerCore(2), "[{slot,4,[{core,1}]}] {per_slot:1} {core,2}", jobspec.Counts{Slots: 4, Cores: 4},
			8},
		{bare().Nodes(1).TasksPerCore(2), "[{node,1,x,[{slot,1,[{core,1}]}]}] {per_slot:1} {core,2}",
			jobspec.Counts{Nodes: 1, Slots: 1, Cores: 1, Exclusive: true}, -1},
		{bare().Cores(4).TasksPerNode(1), "[{slot,4,[{core,1}]}] {per_slot:1} {node,1}", jobspec.Counts{Slots: 4, Cores: 4},
			-1},
		{bare().Nodes(2).GPUsPerNode(2), "[{node,2,x,[{slot,1,[{core,1},{gpu,2}]}]}] {per_slot:1} ",
			jobspec.Counts{Nodes: 2, Slots: 2, Cores: 2, GPUs: 4, Exclusive: true}, 2},
		{jobspec.Nest("x").Nodes(2).Tasks(4).CoresPerTask(3), "[{node,2,[{slot,2,[{core,3}]}]}] {per_slot:1} {node}",
			jobspec.Counts{Nodes: 2, Slots: 4, Cores: 12}, 2},
	} {
		if got := shape(t, c.s); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
		count, ok := c.s.Counts()
		if diff := cmp.Diff(c.count, count); diff != "" || !ok {
			t.Errorf("%s: counts: %s", c.want, diff)
		}
		if n, ok := c.s.TaskCount(); ok != (c.tasks >= 0) || ok && n != c.tasks {
			t.Errorf("%s: %d tasks (%v), want %d", c.want, n, ok, c.tasks)
		}
	}
}

// TestLayoutParsed changes specs that were parsed, and compares with the same change before.
func TestLayoutParsed(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	changes := []func(*jobspec.Spec, int) *jobspec.Spec{
		(*jobspec.Spec).Tasks, (*jobspec.Spec).Nodes, (*jobspec.Spec).CoresPerTask, (*jobspec.Spec).GPUsPerTask,
		(*jobspec.Spec).Cores, (*jobspec.Spec).TasksPerNode, (*jobspec.Spec).TasksPerCore, (*jobspec.Spec).GPUsPerNode,
	}
	checked := 0
	for range 2000 {
		s := bare()
		if r.IntN(4) == 0 {
			s = jobspec.Nest("x")
		}
		for range r.IntN(4) {
			changes[r.IntN(len(changes))](s, 1+r.IntN(6))
		}
		if s.Validate() != nil {
			continue
		}
		before := text(t, s)
		parsed, err := jobspec.Parse([]byte(before))
		if err != nil {
			t.Fatal(err)
		}
		// A change to what it is must not change anything.
		cores, _ := s.Counts()
		if per := cores.Cores / cores.Slots; cores.Nodes == 0 && !strings.Contains(before,
			`per-resource":{"type":"node","count`) &&
			!strings.Contains(before, `per-resource":{"type":"core"`) {
			if got := text(t, parsed.Clone().CoresPerTask(per)); got != before {
				t.Fatalf("%s\n%s", before, got)
			}
		}
		change, n := changes[r.IntN(len(changes))], 1+r.IntN(6)
		a, b := s.Clone(), parsed
		change(a, n)
		change(b, n)
		if a.Validate() != nil || b.Validate() != nil {
			continue
		}
		// Parsing cannot tell some methods apart, but the totals that were asked for must be there in both.
		ca, _ := a.Counts()
		cb, _ := b.Counts()
		if ca.Nodes != cb.Nodes && ca.Cores != cb.Cores {
			t.Fatalf("%s, method %d of %d:\n%s\n%s", before, n, len(changes), text(t, a), text(t, b))
		}
		checked++
	}
	if checked < 100 {
		t.Errorf("only %d changes checked", checked)
	}
}

func TestLayoutUnknown(t *testing.T) {
	for _, resources := range []string{
		`[]`, `{}`, `[1]`, `[{"type":"rack","count":1}]`, `[{"type":"slot","count":1,"label":"task","with":[]}]`,
		`[{"type":"slot","count":1,"label":"other","with":[{"type":"core","count":1}]}]`,
		`[{"type":"slot","count":1,"label":"task","with":[{"type":"core","count":1,"unit":"x"}]}]`,
		`[{"type":"slot","count":1,"label":"task","with":[{"type":"core","count":1},{"type":"memory","count":1}]}]`,
		`[{"type":"slot","count":"2","label":"task","with":[{"type":"core","count":1}]}]`,
		`[{"type":"node","count":1,"with":[{"type":"core","count":1}]}]`,
	} {
		doc := strings.Replace(bareText, `[{"type":"slot","count":1,"with":[{"type":"core","count":1}],"label":"task"}]`,
			resources, 1)
		s, err := jobspec.Parse([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Tasks(2).Validate(); err == nil || !strings.Contains(err.Error(),
			"Tasks cannot change these resources") {
			t.Errorf("%s: %v", resources, err)
		}
	}
}

func TestInstances(t *testing.T) {
	s := jobspec.Batch("#!/bin/sh\nx\n", "a", "b").ClearEnv().Dir("/").Nodes(2).
		BrokerOptions("-Sa=1").Dump(jobspec.DefaultDump).
		Conf(json.RawMessage(`{"x":{"y":1}}`)).Conf(map[string]any{"z": true})
	want := `{"resources":[{"type":"node","count":2,"exclusive":true,"with":[{"type":"slot","count":1,` +
		`"with":[{"type":"core","count":1}],"label":"task"}]}],"tasks":[{"command":["flux","broker","-Sa=1",` +
		`"-Scontent.dump=flux-{{jobid}}-dump.tgz","-c{{tmpdir}}/conf.json","{{tmpdir}}/script","a","b"],"slot":"task",` +
		`"count":{"per_slot":1}}],"attributes":{"system":{"duration":0,"environment":{},"cwd":"/","shell":{"options":` +
		`{"per-resource":{"type":"node"},"mpi":"none","exit-timeout":"none","output":{"stdout":{"type":"file",` +
		`"path":"flux-{{id}}.out"}}}},"job":{"name":"batch"},"files":{"script":{"mode":33216,"data":"#!/bin/sh\nx\n",` +
		`"encoding":"utf-8"},"conf.json":{"mode":33152,"data":{"z":true}}}}},"version":1}`
	if diff := cmp.Diff(want, text(t, s)); diff != "" {
		t.Error(diff)
	}
	if !s.IsInstance() || bare().IsInstance() {
		t.Error("IsInstance is wrong")
	}
	parsed, err := jobspec.Parse([]byte(want))
	if err != nil {
		t.Fatal(err)
	}
	parsed.BrokerOptions("-Sfirst=1").Nodes(3)
	if argv := parsed.Argv(); argv[2] != "-Sfirst=1" || argv[3] != "-Sa=1" {
		t.Errorf("options of a parsed instance: %q", argv)
	}
	if got := shape(t, parsed); !strings.Contains(got, "node,3") {
		t.Errorf("nodes of a parsed instance: %s", got)
	}
}

func TestTimeLimit(t *testing.T) {
	for duration, want := range map[string]string{
		"0": "0s true", "1.5": "1.5s true", "1e300": "2562047h47m16.854775807s true", `"1"`: "0s false", "null": "0s false",
		"0.1": "100ms true",
	} {
		s, err := jobspec.Parse([]byte(strings.Replace(bareText, `"duration":0`, `"duration":`+duration, 1)))
		if err != nil {
			t.Fatal(err)
		}
		d, ok := s.TimeLimit()
		if got := fmt.Sprint(d, ok); got != want {
			t.Errorf("%s: %s, want %s", duration, got, want)
		}
	}
	if d, ok := bare().Duration(time.Hour + 1).TimeLimit(); d != time.Hour+1 || !ok {
		t.Errorf("%v %v", d, ok)
	}
}
