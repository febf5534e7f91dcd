package docs_test

import (
	"go/parser"
	"go/scanner"
	"go/token"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// mention is a topic that a page names.
type mention struct {
	topic string
	page  *document
	line  int
}

var (
	topicForm = regexp.MustCompile(`^[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)+$`)
	shellCall = regexp.MustCompile(`\b(?:call|stream|notify|ping) ([a-z][a-z0-9-]*(?:\.[a-z][a-z0-9-]*)+)`)
)

// mentions lists the words of all pages that have the form of a topic: in code
// spans, in string literals of Go code, and after the verbs of flux-rpc.
func mentions(t *testing.T) []mention {
	t.Helper()
	var list []mention
	add := func(d *document, line int, word string) {
		if topicForm.MatchString(word) {
			list = append(list, mention{word, d, line})
		}
	}
	for _, d := range documents(t) {
		for _, l := range d.lines {
			for _, span := range spans(l.text) {
				add(d, l.n, span)
				if _, err := parser.ParseExpr("func() {" + span + "\n}"); err == nil {
					for _, s := range literals(span) {
						add(d, l.n, s)
					}
				}
				for _, m := range shellCall.FindAllStringSubmatch(span, -1) {
					add(d, l.n, m[1])
				}
			}
		}
		for _, b := range d.blocks {
			for i, line := range strings.Split(b.text, "\n") {
				if b.lang == "go" {
					for _, s := range literals(line) {
						add(d, b.line+i, s)
					}
				} else if b.lang != "" {
					for _, m := range shellCall.FindAllStringSubmatch(line, -1) {
						add(d, b.line+i, m[1])
					}
				}
			}
		}
	}
	return list
}

// literals are the strings of a line of Go.
func literals(line string) (list []string) {
	var s scanner.Scanner
	fset := token.NewFileSet()
	s.Init(fset.AddFile("", fset.Base(), len(line)), []byte(line), func(token.Position, string) {}, 0)
	for {
		_, tok, lit := s.Scan()
		if tok == token.EOF {
			return list
		}
		if tok == token.STRING {
			if text, err := strconv.Unquote(lit); err == nil {
				list = append(list, text)
			}
		}
	}
}

// TestTopicsKnown wants every topic that a page names in the table of calls, or
// with the reason why it is not called; and every entry of the table in a page.
func TestTopicsKnown(t *testing.T) {
	services := make(map[string]bool)
	for topic := range calls {
		service, _, _ := strings.Cut(topic, ".")
		services[service] = true
	}
	named := make(map[string]bool)
	for _, m := range mentions(t) {
		service, _, _ := strings.Cut(m.topic, ".")
		named[m.topic], named[service] = true, true
		_, called := calls[m.topic]
		_, excused := notCalled[m.topic]
		_, own := notServices[service]
		switch {
		case called, excused, own, isFile(m.topic):
		case m.page.path == "docs/architecture.md" && !services[service]: // a function or field
		case m.page.serves(service):
		default:
			t.Errorf("%s:%d: %s is not in the table of topics that are called", m.page.path, m.line, m.topic)
		}
	}
	for topic := range calls {
		if !named[topic] {
			t.Errorf("no page names %s any more", topic)
		}
	}
	for name := range notCalled {
		if !named[name] {
			t.Errorf("no page names %s any more", name)
		}
	}
}

// serves reports whether a page shows how flux-rpc serves a name.
func (d *document) serves(service string) bool {
	for _, b := range d.blocks {
		if strings.Contains(b.text, "flux-rpc serve "+service+" ") {
			return true
		}
	}
	return false
}

// isFile reports whether a word is the name of a file.
func isFile(word string) bool {
	switch path.Ext(word) {
	case ".go", ".md", ".svg", ".mod", ".sum", ".work", ".sh", ".txt", ".json", ".jsonl", ".html":
		return true
	}
	return false
}
