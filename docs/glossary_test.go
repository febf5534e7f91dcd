package docs_test

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestGlossary wants the words in order, each once and with a meaning.
func TestGlossary(t *testing.T) {
	d, err := readDocument(filepath.Join(root, "docs", "glossary.md"))
	if err != nil {
		t.Fatal(err)
	}
	last, count := "", 0
	for _, l := range d.lines {
		row := cells(l.text)
		if row == nil || row[0] == "Word" || strings.HasPrefix(row[0], "---") {
			continue
		}
		count++
		word := strings.ToLower(row[0])
		if word <= last {
			t.Errorf("%s:%d: %q comes after %q", d.path, l.n, word, last)
		}
		if len(row) != 2 || row[1] == "" {
			t.Errorf("%s:%d: %q has no meaning", d.path, l.n, word)
		}
		last = word
	}
	for _, word := range []string{"rank", "instance", "owner", "guest", "topic", "matchtag"} {
		found := false
		for _, l := range d.lines {
			found = found || strings.HasPrefix(l.text, "| "+word+" |")
		}
		if !found {
			t.Errorf("%s has no %q", d.path, word)
		}
	}
	if count < 40 {
		t.Errorf("only %d words", count)
	}
}
