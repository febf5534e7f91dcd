package jobspec_test

import (
	"encoding/json"
	"testing"

	"github.com/flux-sdk/flux/internal/formattest"
	"github.com/flux-sdk/flux/jobspec"
)

// stricter has the jobspecs that a broker takes, with or without queues, and Validate refuses, and why. What happens
// to them was seen on an instance of flux-core 0.88.
var stricter = map[string]string{
	"resources empty":       "exception alloc: jobspec has no resources",
	"two resources":         "takes the count of one and the size of the other (RFC 25 allows one)",
	"no with":               "exception alloc: Unable to determine slot size",
	"with empty":            "exception alloc: Unable to determine slot size",
	"with object":           "exception alloc: Unable to determine slot size",
	"unknown type":          "exception alloc: Unable to determine slot count",
	"core at top":           "exception alloc: Unable to determine slot count",
	"slot with socket":      "exception alloc: Unable to determine slot size (no core in the slot)",
	"slot with gpu only":    "exception alloc: Unable to determine slot size",
	"exclusive int":         "refused where queues are configured; job-list cannot read it elsewhere",
	"tasks empty":           "job shell: error parsing jobspec",
	"other label":           "runs under Flux's own scheduler, against RFC 14; others resolve the label",
	"task slot wrong":       "runs under Flux's own scheduler, against RFC 14; others resolve the label",
	"duration -1":           "runs without limit, which nobody meant",
	"cwd int":               "job shell: error parsing jobspec",
	"environment list":      "job shell: environment is not object type",
	"environment int value": "the job shell leaves out the variable",
	"bank int":              "job-list cannot read it",
	"job.name int":          "job-list cannot read it",
	"constraint string":     "refused where queues are configured; unsatisfiable elsewhere",
	"constraint empty":      "ends the instance where queues are configured",
	"constraint two keys":   "one of the two is not looked at",
	"shell list":            "job shell: error parsing jobspec",
	"shell options list":    "job-list cannot read it",
	"files list":            "no file is written (RFC 37 wants an object)",
	"file bad":              "exception exec: plugin files failed",
}

// configured has the jobspecs that Validate takes and one of the brokers refuses because of its configuration or
// state.
var configured = map[string]string{
	"unknown queue":             "names of queues",
	"dep unknown scheme":        "plugins can add schemes",
	"dep unknown job":           "jobs of the instance",
	"constraint host missing":   "hosts of the instance",
	"duration over limit debug": "queues and limits",
	"urgency -1":                "the urgency is not in the jobspec",
	"urgency 32":                "the urgency is not in the jobspec",
}

func TestValidateVectors(t *testing.T) {
	used := map[string]bool{}
	for file, want := range map[string]int{"jobspec_single.jsonl": 105, "jobspec_queues.jsonl": 104} {
		count, same := 0, 0
		readLines(t, file, func(line []byte) {
			count++
			var v struct {
				Name  string
				Error *struct{ Text string }
			}
			if err := json.Unmarshal(line, &v); err != nil {
				t.Fatal(err)
			}
			_, text := vectorText(t, line)
			spec, err := jobspec.Parse([]byte(text))
			if err == nil {
				err = spec.Validate()
			}
			switch {
			case (err != nil) == (v.Error != nil):
				same++
			case err != nil:
				if stricter[v.Name] == "" {
					t.Errorf("%s: %s: a broker takes it; Validate: %v", file, v.Name, err)
				}
				used[v.Name] = true
			default:
				if configured[v.Name] == "" {
					t.Errorf("%s: %s: a broker says %q; Validate takes it", file, v.Name, v.Error.Text)
				}
				used[v.Name] = true
			}
		})
		if count != want {
			t.Errorf("%s: %d vectors, want %d", file, count, want)
		}
		t.Logf("%s: %d vectors, %d with the same verdict", file, count, same)
	}
	for _, list := range []map[string]string{stricter, configured} {
		for name := range list {
			if !used[name] {
				t.Errorf("%s is listed as different and is not", name)
			}
		}
	}
}

// runs has those of stricter that run on an instance without queues, though not as they say.
var runs = map[string]bool{
	"two resources": true, "exclusive int": true, "other label": true, "task slot wrong": true, "duration -1": true,
	"environment int value": true, "bank int": true, "shell options list": true, "files list": true,
}

// vectorText returns the name of a vector and the text that was submitted.
func vectorText(t testing.TB, line []byte) (name, text string) {
	t.Helper()
	var v struct {
		Name string
		In   json.RawMessage
	}
	if err := json.Unmarshal(line, &v); err != nil {
		t.Fatal(err)
	}
	if json.Unmarshal(v.In, &text) != nil {
		text = string(v.In)
	}
	return v.Name, text
}

func readLines(t testing.TB, name string, each func([]byte)) {
	t.Helper()
	for line := range formattest.Vectors[json.RawMessage](t, "testdata/"+name) {
		each(line)
	}
}
