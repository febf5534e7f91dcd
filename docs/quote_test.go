package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestQuotes wants a block that is said to be from a file to be in it. Such a
// file is compiled where it is.
func TestQuotes(t *testing.T) {
	seen := 0
	for _, d := range documents(t) {
		for _, b := range d.blocks {
			name, quoted := strings.CutPrefix(b.file, "from:")
			if !quoted {
				continue
			}
			seen++
			text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
			if err != nil || !strings.Contains(string(text), b.text) {
				t.Errorf("%s:%d: the block is not in %s, error %v", d.path, b.line, name, err)
			}
		}
	}
	if seen == 0 {
		t.Error("no quotes found")
	}
}

var intoAny = regexp.MustCompile(`\b(?:CallAs|StreamAs|GetAs)\[(?:any|map\[string\]any|\[\]any)\]`)

// TestNoLossyDecoding wants no page to teach the decoding of responses into
// interface values, where job ids of 64 bits may lose their last digits.
func TestNoLossyDecoding(t *testing.T) {
	for _, d := range documents(t) {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(d.path)))
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range intoAny.FindAllString(string(text), -1) {
			t.Errorf("%s has %s: decode into a struct, json.Number or json.RawMessage", d.path, found)
		}
	}
}
