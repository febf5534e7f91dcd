package resource

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/hostlist"
	"github.com/flux-sdk/flux/idset"
	"github.com/flux-sdk/flux/internal/formattest"
)

// A vector is one line of testdata/R.jsonl: what a `flux R` command of flux-core 0.88 did with its arguments and with
// the R objects on its standard input.
type vector struct {
	Op string
	In struct {
		Args []string
		R    []json.RawMessage
	}
	Out   json.RawMessage
	Error *struct{ Text string }
}

// errUsage is for arguments that the command refuses and that the API cannot express.
var errUsage = errors.New("usage")

const reasonIntersect = "flux R intersect drops the properties of its first R, Python and this package keep them"

// differences has the lines of testdata/R.jsonl for which this package differs on purpose, and why. Each of these is a
// difference in the member properties only.
var differences = map[int]string{61: reasonIntersect, 62: reasonIntersect}

func TestVectors(t *testing.T) {
	want := map[string]int{"encode": 24, "append": 18, "diff": 18, "intersect": 19, "decode": 148,
		"remap": 7, "rerank": 12, "set-property": 25}
	got, line, differ := map[string]int{}, 0, 0
	for v, text := range formattest.Vectors[vector](t, "testdata/R.jsonl") {
		got[v.Op]++
		line++
		out, err := run(v.Op, v.In.Args, v.In.R)
		switch {
		case err != nil && v.Error != nil:
		case err != nil || v.Error != nil:
			t.Errorf("%s\ngives error %v", text, err)
		default:
			if reason, different := differences[line]; different {
				differ++
				if !keepsMoreProperties(t, out, v.Out) {
					t.Errorf("line %d does not differ as listed: %s", line, reason)
				}
			} else if !sameJSON(t, out, v.Out) {
				t.Errorf("line %d: %s\ngives %s", line, text, out)
			}
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("vectors by operation: %v; want %v", got, want)
	}
	if differ != len(differences) {
		t.Errorf("%d listed differences are in the file; want %d", differ, len(differences))
	}
	t.Logf("R.jsonl: %d vectors, %d of them differ on purpose", line, differ)
}

// keepsMoreProperties reports whether two R are the same but for properties, of which ours has all that theirs has.
func keepsMoreProperties(t *testing.T, ours, theirs []byte) bool {
	t.Helper()
	var values [2]map[string]any
	var properties [2]map[string]any
	for i, data := range [][]byte{ours, theirs} {
		decodeJSON(t, data, &values[i])
		execution := values[i]["execution"].(map[string]any)
		properties[i], _ = execution["properties"].(map[string]any)
		delete(execution, "properties")
	}
	for name, ranks := range properties[1] {
		text, _ := properties[0][name].(string)
		mine, err := idset.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		others, err := idset.Parse(ranks.(string))
		if err != nil {
			t.Fatal(err)
		}
		if !others.Difference(mine).IsEmpty() {
			return false
		}
	}
	return reflect.DeepEqual(values[0], values[1]) && !reflect.DeepEqual(properties[0], properties[1])
}

func decodeJSON(t *testing.T, data []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	decodeJSON(t, a, &x)
	decodeJSON(t, b, &y)
	return reflect.DeepEqual(x, y)
}

// run does what a `flux R` command does and returns what it prints, as JSON.
func run(op string, args []string, inputs []json.RawMessage) ([]byte, error) {
	if op == "encode" {
		r, err := encode(args)
		if err != nil {
			return nil, err
		}
		return json.Marshal(r)
	}
	if len(inputs) == 0 {
		return nil, errUsage
	}
	var all []R
	for _, in := range inputs {
		r, err := Parse(in)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	switch op {
	case "append", "diff", "intersect":
		if len(all) < 2 && op != "append" {
			return nil, errUsage
		}
		r := all[0]
		for _, next := range all[1:] {
			switch op {
			case "append":
				var err error
				if r, err = r.Append(next); err != nil {
					return nil, err
				}
			case "diff":
				r = r.Difference(next)
			case "intersect":
				r = r.Intersect(next)
			}
		}
		return json.Marshal(r)
	}
	r := all[0]
	for _, next := range all[1:] {
		r = r.Union(next)
	}
	switch op {
	case "remap":
		return json.Marshal(r.Remap())
	case "rerank":
		hosts, err := hostlist.Parse(args[0])
		if err != nil {
			return nil, err
		}
		if r, err = r.Rerank(hosts); err != nil {
			return nil, err
		}
		return json.Marshal(r)
	case "set-property":
		r, err := setProperties(r, args)
		if err != nil {
			return nil, err
		}
		return json.Marshal(r)
	case "decode":
		return decode(r, args)
	}
	return nil, fmt.Errorf("unknown operation %s", op)
}

// setProperties adds properties from arguments NAME[:RANKS].
func setProperties(r R, args []string) (R, error) {
	for _, arg := range args {
		name, text, some := strings.Cut(arg, ":")
		ranks := r.Ranks()
		var err error
		if some {
			if ranks, err = idset.Parse(text); err != nil {
				return R{}, err
			}
		}
		if r, err = r.SetProperty(name, ranks); err != nil {
			return R{}, err
		}
	}
	return r, nil
}

// encode is `flux R encode`, whose defaults are one core on rank 0 of this host, which the vectors have as vm.
func encode(args []string) (R, error) {
	var u Uniform
	var properties []string
	var ranks, cores, gpus string
	var err error
	for _, arg := range args {
		switch value := arg[2:]; arg[:2] {
		case "-r":
			ranks = value
		case "-c":
			cores = value
		case "-g":
			gpus = value
		case "-H":
			if u.Hosts, err = hostlist.Parse(value); err != nil {
				return R{}, err
			}
		case "-p":
			properties = append(properties, value)
		default:
			return R{}, fmt.Errorf("unknown argument %s", arg)
		}
	}
	if cores == "" && gpus == "" {
		cores = "0"
	}
	if ranks == "" && u.Hosts.IsEmpty() {
		ranks = "0"
	}
	for _, set := range []struct {
		to   *idset.Set
		text string
	}{{&u.Ranks, ranks}, {&u.Cores, cores}, {&u.GPUs, gpus}} {
		if *set.to, err = idset.Parse(set.text); err != nil {
			return R{}, err
		}
	}
	if u.Hosts.IsEmpty() {
		u.Hosts = hostlist.New(slices.Repeat([]string{"vm"}, u.Ranks.Len())...)
	}
	r, err := u.R()
	if err != nil {
		return R{}, err
	}
	return setProperties(r, properties)
}

// decode is `flux R decode`.
func decode(r R, args []string) ([]byte, error) {
	for _, arg := range args {
		switch value := arg[2:]; arg[:2] {
		case "-i", "-x":
			ids, err := idset.Parse(value)
			if err != nil {
				return nil, err
			}
			if arg[:2] == "-x" {
				ids = r.Ranks().Difference(ids)
			}
			r = r.SelectRanks(ids)
		case "-p":
			r = r.SelectProperty(strings.Split(value, ",")...)
		case "-c":
			if value == "node" {
				return strconv.AppendInt(nil, int64(r.Nodes()), 10), nil
			}
			return strconv.AppendInt(nil, int64(r.Count(value)), 10), nil
		case "-s":
			return json.Marshal(r.String())
		case "-n":
			return json.Marshal(r.Hosts().String())
		case "-r":
			// The vectors have a single rank as a number.
			if ids := r.Ranks(); ids.Len() == 1 {
				return []byte(ids.String()), nil
			}
			return json.Marshal(r.Ranks().String())
		}
	}
	return printed(r)
}

// printed returns r as the command prints it: with elements of R_lite joined, and only the members that it knows.
func printed(r R) ([]byte, error) {
	data, err := json.Marshal(r.SelectRanks(r.Ranks()))
	if err != nil {
		return nil, err
	}
	var top map[string]json.RawMessage
	if err := json.Unmarshal(data, &top); err != nil {
		return nil, err
	}
	var execution map[string]json.RawMessage
	if err := json.Unmarshal(top["execution"], &execution); err != nil {
		return nil, err
	}
	for name := range top {
		if !slices.Contains([]string{"version", "execution", "scheduling"}, name) {
			delete(top, name)
		}
	}
	for name := range execution {
		if !slices.Contains([]string{"R_lite", "starttime", "expiration", "nodelist", "properties", "nslots"}, name) {
			delete(execution, name)
		}
	}
	if top["execution"], err = json.Marshal(execution); err != nil {
		return nil, err
	}
	return json.Marshal(top)
}
