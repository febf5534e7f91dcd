package resource

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flux-sdk/flux/internal/fluxpython"
	"github.com/flux-sdk/flux/internal/formattest"
)

const trials = 2000 // for each operation

// findFluxR returns the program that runs the commands of flux R: starting it directly takes a third of the time.
func findFluxR(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("flux")
	if err != nil {
		t.Skip("flux is not on PATH: not tested: that the operations on R agree with flux R on random input")
	}
	out, err := exec.Command(path, "env", "printenv", "FLUX_EXEC_PATH").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dir := range strings.SplitSeq(strings.TrimSpace(string(out)), ":") {
		if program, err := exec.LookPath(filepath.Join(dir, "flux-R")); err == nil {
			return program
		}
	}
	t.Skipf("no flux-R in %s: not tested: that the operations on R agree with flux R on random input", out)
	return ""
}

// TestDifferentialCommand gives random sets to flux R. The command drops properties of intersections and unions, see
// doc.go. A union is what decode prints of several sets.
func TestDifferentialCommand(t *testing.T) {
	program := findFluxR(t)
	seed := uint64(time.Now().UnixNano())
	trials := trials
	if testing.Short() {
		trials = 50 // each starts a process
	}
	t.Logf("seed %d, %d inputs for each operation", seed, trials)
	operations := []string{"append", "diff", "intersect", "union", "decode", "remap", "rerank", "set-property", "encode"}
	for i, op := range operations {
		t.Run(op, func(t *testing.T) {
			refused := 0
			var mu sync.Mutex
			var wg sync.WaitGroup
			const workers = 2
			for worker := range uint64(workers) {
				random := rand.New(rand.NewPCG(seed, uint64(i)<<8|worker))
				wg.Go(func() {
					n := 0
					for range trials / workers {
						if !compareWithCommand(t, program, op, random) {
							n++
						}
					}
					mu.Lock()
					defer mu.Unlock()
					refused += n
				})
			}
			wg.Wait()
			t.Logf("%d of %d refused by both", refused, trials)
		})
	}
}

// randomArgs returns arguments of a flux R command for sets of ranks under 10.
func randomArgs(random *rand.Rand, op string, m model) []string {
	ranks := func(limit int) string {
		lo := random.IntN(limit)
		return fmt.Sprintf("%d-%d", lo, lo+1+random.IntN(4))
	}
	choose := func(list ...string) []string { return strings.Fields(list[random.IntN(len(list))]) }
	switch op {
	case "decode":
		return choose("", "-i"+ranks(10), "-x"+ranks(10), "-pa", "-p^a", "-s", "-n", "-ccore", "-cgpu", "-cnode", "-pé")
	case "rerank":
		var hosts []string
		for _, node := range m {
			hosts = append(hosts, node.host)
		}
		if random.IntN(4) == 0 || len(hosts) == 0 {
			hosts = append(hosts, "n[3-4]")
		}
		return []string{strings.Join(hosts, ",")}
	case "set-property":
		return choose("x", "x:"+ranks(9), "a:"+ranks(9), "a^:1", "x:y", "x:1 é:2")
	case "encode":
		args := choose("-r"+ranks(10)+" -Hn[1-4]", "-r"+ranks(10), "-Hn[0-2],m,m", "-r1 -Hx")
		args = append(args, choose("", "-c"+ranks(3), "-g0", "-c"+ranks(3)+" -g"+ranks(3), "-c3,1")...)
		return append(args, choose("", "-pa", "-pa:1", "-pb:"+ranks(3), "-pa:0 -pb:1")...)
	}
	return []string{}
}

// compareWithCommand runs a command on random sets and reports whether both took them.
func compareWithCommand(t *testing.T, program, op string, random *rand.Rand) bool {
	var inputs []json.RawMessage
	var m model
	if op != "encode" {
		n := 1
		if op == "append" || op == "diff" || op == "intersect" || op == "union" {
			n = 2 + random.IntN(2)
		}
		disjoint := op == "append" && random.IntN(4) > 0
		sum := model{}
		for range n {
			m = randomModel(random)
			if disjoint {
				m = m.combine(sum, false, func(inM, inSum bool) bool { return inM && !inSum })
				sum = sum.combine(m, false, func(inSum, inM bool) bool { return inSum || inM })
			}
			inputs = append(inputs, m.json(random))
		}
	}
	args := randomArgs(random, op, m)
	if op == "union" {
		op = "decode"
	}
	var stdin bytes.Buffer
	for _, in := range inputs {
		stdin.Write(in)
		stdin.WriteByte('\n')
	}
	cmd := exec.Command(program, append([]string{op}, args...)...)
	cmd.Stdin = &stdin
	want, wantErr := cmd.Output()
	got, err := run(op, args, inputs)
	input := strings.Join(append([]string{op}, args...), " ") + "\n" + stdin.String()
	if (err == nil) != (wantErr == nil) {
		t.Errorf("%s: %v; flux R: %v", input, err, wantErr)
		return false
	}
	if err != nil {
		return false
	}
	want = bytes.TrimSpace(want)
	if len(want) == 0 || want[0] != '{' {
		var text string
		if json.Unmarshal(got, &text) != nil {
			text = string(got)
		}
		if text != string(want) {
			t.Errorf("%s: got %s; flux R has %s", input, text, want)
		}
		return true
	}
	if op == "encode" {
		want = localHostAsVM(want)
	}
	several := len(inputs) > 1
	if !sameJSON(t, got, want) && !(several && keepsMoreProperties(t, got, want)) {
		t.Errorf("%sgot    %s\nflux R %s", input, got, want)
	}
	return true
}

// localHostAsVM replaces the name of this host, which flux R gives to nodes without one.
func localHostAsVM(data []byte) []byte {
	out, err := exec.Command("hostname").Output()
	if err != nil {
		return data
	}
	return bytes.ReplaceAll(data, bytes.TrimSpace(out), []byte("vm"))
}

// resourceSetScript answers with Flux's ResourceSet class.
const resourceSetScript = `
from flux.resource import ResourceSet
from flux.idset import IDset
import json
def describe(s):
    p = s.get_properties()
    return {"ranks": str(s.ranks), "hosts": list(s.nodelist) if s.nnodes else [], "nodes": s.nnodes, "cores": s.ncores,
            "gpus": s.ngpus, "short": s.dumps(), "properties": json.loads(p) if isinstance(p, str) else p}
def handle(r):
    a = ResourceSet(r["a"])
    if r["op"] == "parse":
        return describe(a)
    if r["op"] == "select":
        return describe(a.copy_ranks(IDset(r["b"])))
    b = ResourceSet(r["b"])
    if r["op"] == "union":
        return describe(a.union(b))
    return describe(a.diff(b))
`

// TestDifferentialPython compares with the Python class, which knows cores and GPUs only.
func TestDifferentialPython(t *testing.T) {
	python := fluxpython.Start(t, resourceSetScript, "that the operations on R agree with Flux's ResourceSet class")
	random := formattest.Random(t)
	for _, op := range []string{"parse", "select", "union", "difference"} {
		t.Run(op, func(t *testing.T) {
			for range trials {
				comparePython(t, python, random, op)
			}
		})
	}
}

func comparePython(t *testing.T, python *fluxpython.Process, random *rand.Rand, op string) {
	t.Helper()
	sets := make([]R, 2)
	for i := range sets {
		m := randomModel(random)
		for _, node := range m {
			delete(node.ids, "fpga")
		}
		// The class keeps nodes without cores, and names each in a part of its own, so that parts are joined here first.
		r := mustParse(t, m.json(random))
		sets[i] = r.SelectRanks(r.Ranks())
	}
	a, b := sets[0], sets[1]
	text := func(r R) string {
		data, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	second := text(b)
	var got R
	switch op {
	case "parse":
		got = a
	case "select":
		got, second = a.SelectRanks(b.Ranks()), b.Ranks().String()
	case "union":
		got = a.Union(b)
	case "difference":
		got = a.Difference(b)
	}
	var want struct {
		Ranks, Short       string
		Hosts              []string
		Nodes, Cores, GPUs int
		Properties         map[string]string
	}
	python.MustCall(map[string]string{"op": op, "a": text(a), "b": second}, &want)
	properties := map[string]string{}
	for _, name := range got.Properties() {
		properties[name] = got.PropertyRanks(name).String()
	}
	if got.Ranks().String() != want.Ranks || got.Nodes() != want.Nodes || got.Cores() != want.Cores ||
		got.GPUs() != want.GPUs || strings.Join(got.Hosts().Hosts(), ",") != strings.Join(want.Hosts, ",") ||
		fmt.Sprint(properties) != fmt.Sprint(want.Properties) {
		t.Errorf("%s %s %s: got %s on %s, %v; Flux has %+v", op, text(a), second, got, got.Hosts(), properties, want)
	}
}
