package job

import (
	"encoding/json"
	"testing"

	"github.com/flux-sdk/flux/internal/formattest"
)

// A vector is one line of a file of testdata: what the tools of flux-core 0.88 did with an input.
type vector struct {
	Op    string          `json:"op"`
	In    json.RawMessage `json:"in"`
	Out   json.RawMessage `json:"out"`
	Error *struct {
		Errno string `json:"errno"`
		Text  string `json:"text"`
	} `json:"error"`
}

// text returns the input that is one string.
func (v vector) text(t *testing.T) string {
	t.Helper()
	var s string
	decodeJSON(t, v.In, &s)
	return s
}

func decodeJSON(t *testing.T, data []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
}

// forEachVector calls f for each line of a file. The differences are the inputs, by operation, that this package
// refuses on purpose although Flux takes them, with the reason: for these, f must say that they are refused.
// The values of want are the number of vectors by operation, so that a lost line is noticed.
func forEachVector(t *testing.T, file string, want map[string]int, differences map[string]string,
	f func(t *testing.T, v vector) (refused bool)) {
	t.Helper()
	got, used, total := map[string]int{}, map[string]bool{}, 0
	for v, line := range formattest.Vectors[vector](t, "testdata/"+file) {
		total++
		got[v.Op]++
		refused := f(t, v)
		key := v.Op + " " + string(v.In)
		switch reason, different := differences[key]; {
		case different:
			used[key] = true
			if !refused || v.Error != nil {
				t.Errorf("%s: refused %t, refused by Flux %t; listed as refused here only: %s",
					key, refused, v.Error != nil, reason)
			}
		case refused != (v.Error != nil):
			t.Errorf("%s: refused %t; Flux has %s", key, refused, line)
		}
	}
	for op, n := range want {
		if got[op] != n {
			t.Errorf("%s: %d vectors of %s; want %d", file, got[op], op, n)
		}
	}
	for key := range differences {
		if !used[key] {
			t.Errorf("%s: listed difference %q is not in the file", file, key)
		}
	}
	t.Logf("%s: %d vectors, %d of them differ on purpose", file, total, len(used))
}
