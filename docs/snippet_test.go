package docs_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"slices"
	"strings"
)

// importable are the packages that a block without a package clause may use.
var importable = []string{
	"context", "encoding/base64", "encoding/json", "errors", "fmt", "io", "io/fs", "iter", "log", "log/slog", "maps",
	"net/http", "os", "os/exec", "os/signal", "slices", "strings", "sync", "sync/atomic", "syscall", "testing",
	"testing/synctest", "time",
	"golang.org/x/sync/errgroup",
	"github.com/flux-sdk/flux", "github.com/flux-sdk/flux/codec", "github.com/flux-sdk/flux/fluxtest",
	"github.com/flux-sdk/flux/hostlist", "github.com/flux-sdk/flux/idset", "github.com/flux-sdk/flux/job",
	"github.com/flux-sdk/flux/jobspec", "github.com/flux-sdk/flux/resource", "github.com/flux-sdk/flux/transport",
}

// completed returns what goes before and after a block that has declarations
// only, to make it a file: the package clause and the imports that a reader can
// do without. Statements become the body of a function that has a ctx and a
// client.
func completed(text string) (before, after string, err error) {
	const pkg = "package page\n"
	open := ""
	f, err := parser.ParseFile(token.NewFileSet(), "", pkg+text, 0)
	if err != nil {
		open, after = "func _(ctx context.Context, client *flux.Client) error {\n", "}\n"
		if !strings.Contains(lastLine(text), "return ") {
			after = "return nil\n}\n"
		}
		if f, err = parser.ParseFile(token.NewFileSet(), "", pkg+open+text+after, 0); err != nil {
			return "", "", err
		}
	}
	byName := make(map[string]string)
	for _, p := range importable {
		byName[path.Base(p)] = p
	}
	used := make(map[string]bool)
	for _, id := range f.Unresolved {
		if p, ok := byName[id.Name]; ok && qualifies(f, id) {
			used[p] = true
		}
	}
	var head strings.Builder
	head.WriteString(pkg)
	for _, p := range slices.Sorted(maps.Keys(used)) {
		fmt.Fprintf(&head, "import %q\n", p)
	}
	return head.String() + open, after, nil
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// qualifies reports whether a name stands before a period.
func qualifies(f *ast.File, id *ast.Ident) bool {
	found := false
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && s.X == id {
			found = true
		}
		return !found
	})
	return found
}
