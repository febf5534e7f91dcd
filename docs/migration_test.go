package docs_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMigrationRows compiles the Go column of every table of migration.md, and
// what code its notes have. The document's own Go block declares the names.
func TestMigrationRows(t *testing.T) {
	d, err := readDocument(filepath.Join(root, "docs", "migration.md"))
	if err != nil {
		t.Fatal(err)
	}
	var names block
	for _, b := range d.blocks {
		if b.lang == "go" {
			names = b
		}
	}
	scope := declared(t, names.text)
	src := &strings.Builder{}
	fmt.Fprintf(src, "//line %s:%d\n%s", d.path, names.line, names.text)
	rows, inTable := 0, false
	for _, l := range d.lines {
		row := cells(l.text)
		switch {
		case row == nil:
			inTable = false
			continue
		case !inTable: // the head
			inTable = len(row) > 1 && row[1] == "Go"
			continue
		case strings.HasPrefix(row[0], "---"):
			continue
		}
		for i, cell := range row[1:] {
			for _, span := range spans(cell) {
				if i > 0 && !rooted(span, scope) {
					continue // a word of the notes
				}
				rows++
				fmt.Fprintf(src, "\nfunc _() {\n//line %s:%d\n%s\n}\n", d.path, l.n, asStatements(span))
			}
		}
	}
	if rows < 80 {
		t.Fatalf("only %d snippets in the tables", rows)
	}
	m := newModule(t)
	m.write("migration/migration.go", src.String())
	m.run("build", "-gcflags=-e", "./...")
}

// declared are the names at package level of a file, imports included.
func declared(t *testing.T, text string) map[string]bool {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "names.go", text, 0)
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, imp := range f.Imports {
		path := strings.Trim(imp.Path.Value, `"`)
		names[path[strings.LastIndexByte(path, '/')+1:]] = true
	}
	for _, decl := range f.Decls {
		if g, ok := decl.(*ast.GenDecl); ok {
			for _, spec := range g.Specs {
				if v, ok := spec.(*ast.ValueSpec); ok {
					for _, name := range v.Names {
						names[name.Name] = true
					}
				}
			}
		}
	}
	return names
}

// rooted reports whether a span is code that begins with one of the names.
func rooted(span string, names map[string]bool) bool {
	first, rest, found := strings.Cut(strings.TrimPrefix(span, "<-"), ".")
	if found && names[first] {
		return true
	}
	return strings.Contains(first+rest, ":=")
}

// asStatements makes a snippet compile by itself: an expression is used, and so
// is what the snippet declares.
func asStatements(snippet string) string {
	if expr, err := parser.ParseExpr(snippet); err == nil {
		if _, call := expr.(*ast.CallExpr); call {
			return snippet
		}
		return "_ = " + snippet
	}
	f, err := parser.ParseFile(token.NewFileSet(), "", "package p\nfunc _() {\n"+snippet+"\n}", 0)
	if err != nil {
		return snippet // the compiler will say
	}
	var used strings.Builder
	for _, stmt := range f.Decls[0].(*ast.FuncDecl).Body.List {
		if a, ok := stmt.(*ast.AssignStmt); ok && a.Tok == token.DEFINE {
			for _, lhs := range a.Lhs {
				if name := lhs.(*ast.Ident).Name; name != "_" {
					fmt.Fprintf(&used, "\n_ = %s", name)
				}
			}
		}
	}
	return snippet + used.String()
}

// TestMigrationCoverage wants a row for every function, flag and variable that
// the manual pages have.
func TestMigrationCoverage(t *testing.T) {
	d, err := readDocument(filepath.Join(root, "docs", "migration.md"))
	if err != nil {
		t.Fatal(err)
	}
	covered := make(map[string]bool)
	for _, l := range d.lines {
		if row := cells(l.text); row != nil {
			for _, span := range spans(row[0]) {
				name, _, _ := strings.Cut(span, " ")
				covered[name] = true
			}
		}
	}
	list, err := os.ReadFile("testdata/libflux-functions.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(list)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		for name := range strings.FieldsSeq(line) {
			if !covered[name] {
				t.Errorf("migration.md has no row for %s", name)
			}
		}
	}
}
