package docs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// maxColumns is the longest line that Markdown files may have.
const maxColumns = 120

// wide has what may be wider, and why. A row of a table is one line of Markdown
// and cannot be broken.
var wide = map[string]struct {
	codeRows bool // only rows with code in the second column or after it
	why      string
}{
	"internal/capture/golden/testdata/README.md": {false, "kept as it was recorded"},

	"docs/migration.md": {true, "a row has the names of libflux and the Go code that a test compiles"},
}

// TestLineWidth wants no line over 120 columns in any Markdown file, code and
// tables included.
func TestLineWidth(t *testing.T) {
	for _, file := range markdown(t) {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		exempt, found := wide[file]
		used := false
		for i, line := range strings.Split(string(text), "\n") {
			if utf8.RuneCountInString(line) <= maxColumns {
				continue
			}
			used = true
			if !found || exempt.codeRows && !isCodeRow(line) {
				t.Errorf("%s:%d: a line of %d columns, want at most %d", file, i+1, utf8.RuneCountInString(line), maxColumns)
			}
		}
		if found && !used {
			t.Errorf("%s has no line over %d columns any more: take it out of the list of this test", file, maxColumns)
		}
	}
}

// markdown lists all Markdown files, those of test data included.
func markdown(t *testing.T) (list []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) == ".md" {
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			list = append(list, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil || len(list) == 0 {
		t.Fatalf("%d files, error %v", len(list), err)
	}
	return list
}

// isCodeRow reports whether a line is a row of a table that has code in a column
// other than the first.
func isCodeRow(line string) bool {
	row := cells(line)
	return len(row) > 1 && len(spans(strings.Join(row[1:], " "))) > 0
}
