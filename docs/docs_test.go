// Package docs_test holds the documentation to the code: every program and test
// in it is compiled and run, every name and link checked.
package docs_test

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestCodeBlocks builds each Go block that is a whole file, in a module of its
// own, and runs the tests among them. A block is put where the word after "go"
// says, else into a package of its own. One that says where may leave out its
// package clause and imports, or be statements.
func TestCodeBlocks(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}
	m := newModule(t)
	count := 0
	for _, d := range documents(t) {
		for i, b := range d.blocks {
			isFile := strings.HasPrefix(strings.TrimLeft(stripComments(b.text), "\n"), "package ")
			if b.lang != "go" || strings.HasPrefix(b.file, "from:") { // TestQuotes looks at these
				continue
			}
			if !isFile && b.file == "" {
				t.Errorf("%s:%d: a Go block that is not compiled: say in which file it belongs", d.path, b.line)
				continue
			}
			before, after := "", ""
			if !isFile {
				var err error
				if before, after, err = completed(b.text); err != nil {
					t.Errorf("%s:%d: %v", d.path, b.line, err)
					continue
				}
			}
			if formatted, err := format.Source([]byte(b.text)); err == nil && string(formatted) != b.text {
				t.Errorf("%s:%d: gofmt would change the block", d.path, b.line)
			}
			dir := strings.NewReplacer("/", "_", ".", "_").Replace(d.path)
			file := b.file
			if file == "" {
				file = fmt.Sprintf("block%d/block.go", i)
			}
			if strings.Contains(b.text, `"github.com/flux-sdk/flux/internal/`) {
				t.Errorf("%s:%d: users cannot import internal packages", d.path, b.line)
			}
			m.write(path.Join(dir, file), fmt.Sprintf("%s//line %s:%d\n%s%s", before, d.path, b.line, b.text, after))
			count++
		}
	}
	if count < 5 {
		t.Errorf("only %d programs found in the documents", count)
	}
	m.run("vet", "./...")
	reportSkipped(t, m.run("test", "-v", "./..."))
}

var skipped = regexp.MustCompile(`(?m)^\s*--- SKIP: (\S+)`)

// reportSkipped skips a test for each that was skipped in another module, so
// that it is seen here, with its reason.
func reportSkipped(t *testing.T, output string) {
	for _, m := range skipped.FindAllStringSubmatch(output, -1) {
		_, reason, _ := strings.Cut(output, "=== RUN   "+m[1]+"\n")
		reason, _, _ = strings.Cut(reason, "\n")
		t.Run(m[1], func(t *testing.T) { t.Skip("compiled but not run: ", strings.TrimSpace(reason)) })
	}
}

// stripComments drops the comment lines before a package clause.
func stripComments(text string) string {
	for strings.HasPrefix(text, "//") {
		_, text, _ = strings.Cut(text, "\n")
	}
	return text
}

// TestLinks follows the links between files, and to headings in them.
func TestLinks(t *testing.T) {
	docs := make(map[string]*document)
	for _, d := range documents(t) {
		docs[d.path] = d
	}
	for _, d := range docs {
		for _, l := range d.lines {
			for _, target := range links(l.text) {
				if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
					continue
				}
				file, anchor, _ := strings.Cut(target, "#")
				to := d.path
				if file != "" {
					to = path.Join(path.Dir(d.path), file)
				}
				if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(to))); err != nil {
					t.Errorf("%s:%d: link to %s: no such file", d.path, l.n, target)
				} else if doc := docs[to]; anchor != "" && doc != nil && !doc.anchors()[anchor] {
					t.Errorf("%s:%d: link to %s: no such heading", d.path, l.n, target)
				}
			}
		}
	}
}

// packages are those whose names the pages use.
var packages = []string{"flux", "codec", "transport", "fluxtest", "job", "jobspec", "resource", "idset", "hostlist"}

var qualified = regexp.MustCompile(`\b(` + strings.Join(packages, "|") + `)\.([A-Z]\w*)(?:\.([A-Z]\w*))?`)

// TestNames looks up every name of a package, such as flux.Dial or
// fluxtest.Broker.Emit, that the text has in a code span.
func TestNames(t *testing.T) {
	names, types := make(map[string]bool), make(map[string]bool)
	for _, pkg := range packages {
		dir := pkg
		if pkg == "flux" {
			dir = "."
		}
		exported(t, names, types, pkg, filepath.Join(root, dir))
	}
	seen := 0
	for _, d := range documents(t) {
		for _, l := range d.lines {
			for _, span := range spans(l.text) {
				for _, m := range qualified.FindAllStringSubmatch(span, -1) {
					seen++
					name := m[1] + "." + m[2]
					if !names[name] || m[3] != "" && types[name] && !names[m[0]] {
						t.Errorf("%s:%d: there is no %s", d.path, l.n, m[0])
					}
				}
			}
		}
	}
	if seen == 0 {
		t.Error("no names found in the documents")
	}
}

// exported adds the exported names of a package, and of its types' methods and
// fields.
func exported(t *testing.T, names, types map[string]bool, pkg, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".go" || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, filepath.Join(dir, e.Name()), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	p, err := doc.NewFromFiles(fset, files, "github.com/flux-sdk/flux/"+pkg)
	if err != nil {
		t.Fatal(err)
	}
	add := func(parts ...string) { names[strings.Join(append([]string{pkg}, parts...), ".")] = true }
	values := append(p.Consts, p.Vars...)
	funcs := p.Funcs
	for _, typ := range p.Types {
		add(typ.Name)
		types[pkg+"."+typ.Name] = true
		values = append(append(values, typ.Consts...), typ.Vars...)
		funcs = append(funcs, typ.Funcs...)
		for _, method := range typ.Methods {
			add(typ.Name, method.Name)
		}
		for _, member := range members(typ) {
			add(typ.Name, member)
		}
	}
	for _, v := range values {
		for _, name := range v.Names {
			add(name)
		}
	}
	for _, f := range funcs {
		add(f.Name)
	}
}

// members are the fields of a struct or the methods of an interface.
func members(typ *doc.Type) (names []string) {
	for _, spec := range typ.Decl.Specs {
		s, ok := spec.(*ast.TypeSpec)
		if !ok || s.Name.Name != typ.Name {
			continue
		}
		var list *ast.FieldList
		switch u := s.Type.(type) {
		case *ast.StructType:
			list = u.Fields
		case *ast.InterfaceType:
			list = u.Methods
		default:
			continue
		}
		for _, field := range list.List {
			for _, name := range field.Names {
				names = append(names, name.Name)
			}
		}
	}
	return names
}
