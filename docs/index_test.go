package docs_test

import (
	"path/filepath"
	"testing"
)

// TestIndex wants every page of this directory in its index.
func TestIndex(t *testing.T) {
	d, err := readDocument(filepath.Join(root, "docs", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	linked := make(map[string]bool)
	for _, l := range d.lines {
		for _, target := range links(l.text) {
			linked[target] = true
		}
	}
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if page != "README.md" && !linked[page] {
			t.Errorf("docs/README.md does not link to %s", page)
		}
	}
}
