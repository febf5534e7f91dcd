package job

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/idset"
)

const reasonParenthesis = "parentheses are missing, as in text that was cut, so tasks may be missing too"

var taskmapDifferences = map[string]string{
	`decode "[[0,1,1,1,1]]"`:   "Flux drops the fifth number of a block and reports no error",
	`decode "(vector,(0,4,4)"`: reasonParenthesis,
	`decode "vector,(0,4,4)"`:  reasonParenthesis,
}

// A decodedTaskmap is what Flux says of a map. Ntasks is -1 for a node without tasks; Taskids and Raw are null then.
type decodedTaskmap struct {
	Unknown bool      `json:"unknown"`
	Nnodes  int       `json:"nnodes"`
	Total   int       `json:"total"`
	Taskids []*string `json:"taskids"`
	Ntasks  []int     `json:"ntasks"`
	Nodeid  []int     `json:"nodeid"`
	JSON    string    `json:"json"`
	Wrapped string    `json:"wrapped"`
	PMI     string    `json:"pmi"`
	Raw     *string   `json:"raw"`
}

func TestTaskmapVectors(t *testing.T) {
	want := map[string]int{"decode": 93, "append": 21}
	forEachVector(t, "taskmap.jsonl", want, taskmapDifferences, func(t *testing.T, v vector) bool {
		switch v.Op {
		case "decode":
			in := v.text(t)
			m, err := ParseTaskmap(in)
			if err != nil {
				if !errors.Is(err, flux.EINVAL) {
					t.Errorf("ParseTaskmap(%q): %v is not EINVAL", in, err)
				}
				return true
			}
			if v.Error == nil {
				var want decodedTaskmap
				decodeJSON(t, v.Out, &want)
				checkTaskmap(t, m, want)
			}
		case "append":
			var steps [][3]int
			decodeJSON(t, v.In, &steps)
			var m Taskmap
			for _, s := range steps {
				var err error
				if m, err = m.Append(s[0], s[1], s[2]); err != nil {
					t.Fatal(err)
				}
			}
			var want struct {
				JSON string
				Raw  *string
			}
			decodeJSON(t, v.Out, &want)
			if m.String() != want.JSON {
				t.Errorf("%s: got %s; want %s", v.In, m, want.JSON)
			}
			checkRaw(t, m, want.Raw)
		default:
			t.Errorf("unknown operation %s", v.Op)
		}
		return false
	})
}

func checkTaskmap(t *testing.T, m Taskmap, want decodedTaskmap) {
	t.Helper()
	if want.Unknown {
		want.Nnodes, want.Total = 0, 0 // Flux has -1
	}
	wrapped, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	pmi, err := m.PMI()
	if err != nil {
		t.Fatal(err)
	}
	got := decodedTaskmap{Unknown: m.Unknown(), Nnodes: m.NumNodes(), Total: m.NumTasks(), JSON: m.String(),
		Wrapped: string(wrapped), PMI: pmi}
	if got.Unknown != want.Unknown || got.Nnodes != want.Nnodes || got.Total != want.Total || got.JSON != want.JSON ||
		got.Wrapped != want.Wrapped || got.PMI != want.PMI {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for node, ids := range want.Taskids {
		wantIDs, wantCount := "", 0
		if ids != nil {
			wantIDs, wantCount = *ids, want.Ntasks[node]
		}
		if got := m.TaskIDs(node); got.String() != wantIDs || m.TasksOn(node) != wantCount || got.Len() != wantCount {
			t.Errorf("%s: node %d has tasks %s, %d; want %s, %d", m, node, got, m.TasksOn(node), wantIDs, wantCount)
		}
	}
	for task, node := range want.Nodeid {
		if got, ok := m.NodeOf(task); !ok || got != node {
			t.Errorf("%s: task %d is on node %d, %t; want %d", m, task, got, ok, node)
		}
	}
	checkRaw(t, m, want.Raw)
	for _, text := range []string{m.String(), string(wrapped)} {
		if again, err := ParseTaskmap(text); err != nil || !again.Equal(m) {
			t.Errorf("ParseTaskmap(%s) = %s, %v", text, again, err)
		}
	}
}

func checkRaw(t *testing.T, m Taskmap, want *string) {
	t.Helper()
	raw, err := m.Raw()
	switch {
	case want == nil && !errors.Is(err, flux.EINVAL):
		t.Errorf("%s: raw is %q, %v; want EINVAL", m, raw, err)
	case want != nil && (err != nil || raw != *want):
		t.Errorf("%s: raw is %q, %v; want %q", m, raw, err, *want)
	}
}

func TestTaskmapBounds(t *testing.T) {
	for _, text := range []string{"[[0,2147483647,1,1]]", "[[2147483646,1,1,1]]", "[[0,1,2147483647,1]]",
		"[[0,1,1,2147483647]]", "[[0,46340,46340,1]]", "0-2147483646"} {
		m, err := ParseTaskmap(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if _, ok := m.NodeOf(m.NumTasks()); ok {
			t.Errorf("%s: there is a task after the last", text)
		}
		if _, err := m.Append(0, 2147483647, 1); !errors.Is(err, flux.ERANGE) {
			t.Errorf("%s: Append of too many tasks gives %v", text, err)
		}
	}
	for _, text := range []string{"[[0,1,1,2147483648]]", "[[2147483647,1,1,1]]", "[[1,2147483647,1,1]]", "0-2147483647",
		"[[0,65536,65536,1]]", "[[0,2147483647,2147483647,2147483647]]", "[[0,1,1073741824,1],[0,1,1073741824,1]]",
		"(vector,(0,2147483647,2),(0,1,1))", "(vector,(0,1,2147483647),(0,1,1))"} {
		if m, err := ParseTaskmap(text); !errors.Is(err, flux.ERANGE) {
			t.Errorf("ParseTaskmap(%s) = %s, %v; want ERANGE", text, m, err)
		}
	}
	for _, text := range []string{"[[0,9223372036854775808,1,1]]", "(vector,(0,0,1))", "(vector,(0,1,0))",
		"(vector,(-1,1,1))", "(vector,(0,1,1),)", "(vector,(0,1,1)x(0,1,1))", "(vector,,(0,1,1))", "(vector,((0,1,1))",
		"0;;1", ";;", ";0", "[null]", `{"version":1,"map":null}`, `{"version":1,"map":[]}x`, "[] []", "(vector,))"} {
		if m, err := ParseTaskmap(text); !errors.Is(err, flux.EINVAL) {
			t.Errorf("ParseTaskmap(%s) = %s, %v; want EINVAL", text, m, err)
		}
	}
}

func TestTaskmapLargeTexts(t *testing.T) {
	repeated, err := NewTaskmap(TaskBlock{0, 2, 1, 1 << 29})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := repeated.PMI(); !errors.Is(err, flux.ERANGE) {
		t.Errorf("PMI gives %v", err)
	}
	if _, err := repeated.Raw(); !errors.Is(err, flux.ERANGE) {
		t.Errorf("Raw gives %v", err)
	}
	many := make([]TaskBlock, 100_000)
	for i := range many {
		many[i] = TaskBlock{i % 2 * i, 1, 1, 1}
	}
	sparse, err := NewTaskmap(many...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sparse.Raw(); !errors.Is(err, flux.EINVAL) {
		t.Errorf("Raw gives %v", err)
	}
	wide, err := NewTaskmap(TaskBlock{0, 1 << 30, 1, 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wide.Raw(); !errors.Is(err, flux.ERANGE) {
		t.Errorf("Raw gives %v", err)
	}
	if ids := wide.TaskIDs(1 << 29); !ids.Equal(idset.New(1 << 29)) {
		t.Errorf("TaskIDs is %s", ids)
	}
}

// A taskmapModel has the node of each task.
type taskmapModel []int

func newTaskmapModel(blocks []TaskBlock) taskmapModel {
	var model taskmapModel
	for _, b := range blocks {
		for range b.Repeat {
			for node := b.Start; node < b.end(); node++ {
				for range b.PerNode {
					model = append(model, node)
				}
			}
		}
	}
	return model
}

func (model taskmapModel) check(t *testing.T, m Taskmap) {
	t.Helper()
	nodes := 0
	byNode := map[int][]uint32{}
	for task, node := range model {
		if got, ok := m.NodeOf(task); !ok || got != node {
			t.Fatalf("%s: task %d is on node %d, %t; want %d", m, task, got, ok, node)
		}
		nodes = max(nodes, node+1)
		byNode[node] = append(byNode[node], uint32(task))
	}
	if m.NumTasks() != len(model) || m.NumNodes() != nodes {
		t.Fatalf("%s: %d tasks on %d nodes; want %d on %d", m, m.NumTasks(), m.NumNodes(), len(model), nodes)
	}
	for node := range nodes + 1 {
		if got, want := m.TaskIDs(node), idset.New(byNode[node]...); !got.Equal(want) || m.TasksOn(node) != want.Len() {
			t.Fatalf("%s: node %d has tasks %s, %d; want %s", m, node, got, m.TasksOn(node), want)
		}
	}
}

// FuzzTaskmapModel builds maps from bytes, four for a block, and compares them with a list of nodes.
func FuzzTaskmapModel(f *testing.F) {
	f.Add([]byte{0, 4, 1, 1})
	f.Add([]byte{0, 2, 1, 2, 2, 1, 3, 1})
	for range 10 {
		seed := make([]byte, 16)
		for i := range seed {
			seed[i] = byte(rand.UintN(256))
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var blocks []TaskBlock
		for c := range slices.Chunk(data, 4) {
			if len(c) == 4 && len(blocks) < 6 {
				blocks = append(blocks, TaskBlock{int(c[0] % 5), int(c[1]%5) + 1, int(c[2]%5) + 1, int(c[3]%5) + 1})
			}
		}
		m, err := NewTaskmap(blocks...)
		if err != nil {
			t.Fatal(err)
		}
		model := newTaskmapModel(blocks)
		model.check(t, m)
		for _, form := range []func() (string, error){m.PMI, m.Raw} {
			text, err := form()
			if err != nil {
				if errors.Is(err, flux.EINVAL) {
					continue // a node without tasks has no raw form
				}
				t.Fatal(err)
			}
			again, err := ParseTaskmap(text)
			if err != nil {
				t.Fatalf("ParseTaskmap(%s): %v", text, err)
			}
			model.check(t, again)
		}
		// Append from the parts that Append takes.
		var appended Taskmap
		for _, b := range blocks {
			for range b.Repeat {
				if appended, err = appended.Append(b.Start, b.Nodes, b.PerNode); err != nil {
					t.Fatal(err)
				}
			}
		}
		model.check(t, appended)
		mixed, err := m.Append(1, 2, 3)
		if err != nil {
			t.Fatal(err)
		}
		newTaskmapModel(append(blocks, TaskBlock{1, 2, 3, 1})).check(t, mixed)
		model.check(t, m) // Append must not change what it appends to
	})
}

func FuzzParseTaskmap(f *testing.F) {
	for _, s := range []string{"", "[[0,4,1,1]]", `{"version":1,"map":[[0,1,1,1]]}`, "(vector,(0,2,1),(0,2,1))",
		"0-1;2-3;", ";", "[[0,1,1,2147483647]]", "0;2", "(((", "[[[[", "0-4294967295"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseTaskmap(s)
		if err != nil {
			if !errors.Is(err, flux.EINVAL) && !errors.Is(err, flux.ERANGE) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		data, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var again Taskmap
		if err := json.Unmarshal(data, &again); err != nil || !again.Equal(m) {
			t.Fatalf("%q is %s, marshaled %s, which is %s, %v", s, m, data, again, err)
		}
		for _, task := range []int{-1, 0, m.NumTasks() - 1, m.NumTasks()} {
			if node, ok := m.NodeOf(task); ok != (task >= 0 && task < m.NumTasks()) || ok && m.TasksOn(node) == 0 {
				t.Fatalf("%s: task %d is on node %d, %t", m, task, node, ok)
			}
		}
	})
}

func BenchmarkTaskmap(b *testing.B) {
	const tasks = 1_000_000
	m, err := NewTaskmap(TaskBlock{0, 10_000, 10, 10})
	if err != nil {
		b.Fatal(err)
	}
	raw, err := m.Raw()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("ParseRaw", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(raw)))
		for b.Loop() {
			if _, err := ParseTaskmap(raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Raw", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := m.Raw(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("NodeOf", func(b *testing.B) {
		task := 0
		for b.Loop() {
			m.NodeOf(task)
			task = (task + 7) % tasks
		}
	})
	b.Run("Parse", func(b *testing.B) {
		text := fmt.Sprintf("[%s]", strings.TrimSuffix(strings.Repeat("[0,10,1,1],", 100), ","))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ParseTaskmap(text); err != nil {
				b.Fatal(err)
			}
		}
	})
}
