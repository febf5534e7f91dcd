package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var member = regexp.MustCompile(`^(\w+)\.(\w+)$`)

// TestArchitectureNames looks up what architecture.md names as type.method or
// type.field, such as conn.begin, and the type names alone.
func TestArchitectureNames(t *testing.T) {
	d, err := readDocument(filepath.Join(root, "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	members, types := declarations(t, ".", "transport", "internal/framing", "internal/session",
		"internal/outbox", "internal/ctxwatch", "internal/mtag", "fluxtest")
	seen := 0
	for _, l := range d.lines {
		for _, span := range spans(l.text) {
			m := member.FindStringSubmatch(span)
			if m == nil || !types[m[1]] {
				continue // flux.ErrClosed is another test's, event.publish a topic
			}
			seen++
			if !members[span] {
				t.Errorf("%s:%d: there is no %s", d.path, l.n, span)
			}
		}
	}
	if seen < 15 {
		t.Errorf("only %d names found", seen)
	}
}

// declarations lists the types of some packages, and their methods and fields
// as type.name.
func declarations(t *testing.T, dirs ...string) (members, types map[string]bool) {
	t.Helper()
	members, types = make(map[string]bool), make(map[string]bool)
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, error %v", dir, len(files), err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.FuncDecl:
					if n.Recv != nil {
						members[typeName(n.Recv.List[0].Type)+"."+n.Name.Name] = true
					}
					return false
				case *ast.TypeSpec:
					types[n.Name.Name] = true
					if s, ok := n.Type.(*ast.StructType); ok {
						for _, field := range s.Fields.List {
							for _, name := range field.Names {
								members[n.Name.Name+"."+name.Name] = true
							}
						}
					}
				}
				return true
			})
		}
	}
	return members, types
}

// typeName is the name of a receiver's type.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.IndexExpr:
		return typeName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}
