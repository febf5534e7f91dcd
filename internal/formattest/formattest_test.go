package formattest

import (
	"os"
	"path/filepath"
	"testing"
)

func TestVectors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "v.jsonl")
	if err := os.WriteFile(file, []byte("{\"in\":1}\n{\"in\":2}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	sum, last := 0, ""
	for v, line := range Vectors[struct{ In int }](t, file) {
		sum, last = sum+v.In, line
	}
	if sum != 3 || last != `{"in":2}` {
		t.Errorf("sum %d, last line %s", sum, last)
	}
}

func TestMutate(t *testing.T) {
	random := Random(t)
	seen := map[string]bool{}
	for range 1000 {
		seen[Mutate(random, "é1", "a")] = true
	}
	for _, want := range []string{"é1", "é", "1", "a1", "éa", "aé1", "éa1"} {
		if !seen[want] {
			t.Errorf("%q was not made", want)
		}
	}
}

func TestMaxDigits(t *testing.T) {
	for text, want := range map[string]int{"": 0, "a": 0, "1-22,x333": 3} {
		if got := MaxDigits(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}
