// Package toml reads TOML 1.0, in which configurations of Flux are written, as JSON trees.
//
// JSON has no dates and no infinite numbers, so that these are errors.
package toml

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/flux-sdk/flux/internal/jsontree"
)

// depthMax is how deep arrays and inline tables may nest, and how many names a key may have.
const depthMax = 200

// Parse reads a document.
func Parse(text []byte) (*jsontree.Object, error) {
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("invalid TOML: not UTF-8")
	}
	p := &parser{
		text: strings.ReplaceAll(string(text), "\r\n", "\n"), root: &jsontree.Object{},
		kinds: map[*jsontree.Object]kind{}, open: map[*jsontree.Object]bool{},
	}
	p.table = p.root
	for p.skipLines(); p.at < len(p.text); p.skipLines() {
		if err := p.line(); err != nil {
			return nil, err
		}
	}
	resolve(p.root)
	return p.root, nil
}

// kind tells how a table came to be, which decides what may still be added to it.
type kind int

const (
	implied kind = iota // by the header of a table below it
	header              // by a header of its own
	dotted              // by a dotted key
	inline              // in braces, or a table of an array in brackets: closed
)

// list is an array of tables while it grows.
type list struct{ tables []any }

type parser struct {
	text  string
	at    int
	root  *jsontree.Object
	table *jsontree.Object // that key lines go to
	kinds map[*jsontree.Object]kind
	// open has the dotted tables that were made under the present header.
	open map[*jsontree.Object]bool
}

func (p *parser) fail(format string, args ...any) error {
	line := 1 + strings.Count(p.text[:min(p.at, len(p.text))], "\n")
	return fmt.Errorf("invalid TOML at line %d: %s", line, fmt.Sprintf(format, args...))
}

func (p *parser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

func (p *parser) take(s string) bool {
	if strings.HasPrefix(p.text[p.at:], s) {
		p.at += len(s)
		return true
	}
	return false
}

func (p *parser) blanks() {
	for p.peek() == ' ' || p.peek() == '\t' {
		p.at++
	}
}

// comment skips a comment.
func (p *parser) comment() {
	if p.peek() == '#' {
		for p.at < len(p.text) && p.text[p.at] != '\n' {
			p.at++
		}
	}
}

// skipLines skips blanks, comments and line ends.
func (p *parser) skipLines() {
	for {
		p.blanks()
		p.comment()
		if !p.take("\n") {
			return
		}
	}
}

// endLine expects nothing more on the line.
func (p *parser) endLine() error {
	p.blanks()
	p.comment()
	if p.at < len(p.text) && !p.take("\n") {
		return p.fail("expected the end of the line, got %q", p.text[p.at])
	}
	return nil
}

func (p *parser) line() error {
	switch {
	case p.take("[["):
		return p.tableOfArray()
	case p.take("["):
		return p.tableHeader()
	}
	if err := p.keyValue(p.table, 0); err != nil {
		return err
	}
	return p.endLine()
}

func (p *parser) headerKey(closing string) ([]string, error) {
	p.blanks()
	key, err := p.key()
	if err != nil {
		return nil, err
	}
	if !p.take(closing) {
		return nil, p.fail("expected %q after the name of a table", closing)
	}
	return key, p.endLine()
}

// walk follows the names of a header and makes tables that are missing.
func (p *parser) walk(names []string) (*jsontree.Object, error) {
	at := p.root
	for _, name := range names {
		v, ok := at.Get(name)
		if !ok {
			next := &jsontree.Object{}
			at.Set(name, next)
			at = next
			continue
		}
		if l, isList := v.(*list); isList {
			v = l.tables[len(l.tables)-1]
		}
		next, isTable := v.(*jsontree.Object)
		if !isTable || p.kinds[next] == inline {
			return nil, p.fail("%q is no table that can be extended", name)
		}
		at = next
	}
	return at, nil
}

func (p *parser) tableHeader() error {
	key, err := p.headerKey("]")
	if err != nil {
		return err
	}
	parent, err := p.walk(key[:len(key)-1])
	if err != nil {
		return err
	}
	name := key[len(key)-1]
	v, ok := parent.Get(name)
	if !ok {
		v = &jsontree.Object{}
		parent.Set(name, v)
	}
	t, isTable := v.(*jsontree.Object)
	if !isTable || p.kinds[t] != implied {
		return p.fail("the table %q is there already", strings.Join(key, "."))
	}
	p.kinds[t] = header
	p.table = t
	clear(p.open)
	return nil
}

func (p *parser) tableOfArray() error {
	key, err := p.headerKey("]]")
	if err != nil {
		return err
	}
	parent, err := p.walk(key[:len(key)-1])
	if err != nil {
		return err
	}
	name := key[len(key)-1]
	v, ok := parent.Get(name)
	if !ok {
		v = &list{}
		parent.Set(name, v)
	}
	l, isList := v.(*list)
	if !isList {
		return p.fail("%q is no array of tables", strings.Join(key, "."))
	}
	t := &jsontree.Object{}
	p.kinds[t] = header
	l.tables = append(l.tables, t)
	p.table = t
	clear(p.open)
	return nil
}

// keyValue reads "key = value" into a table.
func (p *parser) keyValue(into *jsontree.Object, depth int) error {
	key, err := p.key()
	if err != nil {
		return err
	}
	if !p.take("=") {
		return p.fail("expected '=' after a key")
	}
	p.blanks()
	at := into
	for _, name := range key[:len(key)-1] {
		v, ok := at.Get(name)
		if !ok {
			next := &jsontree.Object{}
			p.kinds[next] = dotted
			p.open[next] = true
			at.Set(name, next)
			at = next
			continue
		}
		next, isTable := v.(*jsontree.Object)
		if !isTable || p.kinds[next] != dotted || !p.open[next] {
			return p.fail("%q is no table that a dotted key can extend", name)
		}
		at = next
	}
	value, err := p.value(depth)
	if err != nil {
		return err
	}
	name := key[len(key)-1]
	if _, ok := at.Get(name); ok {
		return p.fail("the key %q is there already", strings.Join(key, "."))
	}
	at.Set(name, value)
	return nil
}

// key reads a key and the blanks after it.
func (p *parser) key() ([]string, error) {
	var names []string
	for {
		var name string
		var err error
		switch c := p.peek(); {
		case c == '"':
			p.at++
			name, err = p.basic()
		case c == '\'':
			p.at++
			name, err = p.literal()
		default:
			from := p.at
			for bare(p.peek()) {
				p.at++
			}
			if name = p.text[from:p.at]; name == "" {
				err = p.fail("expected a key")
			}
		}
		if err != nil {
			return nil, err
		}
		if names = append(names, name); len(names) > depthMax {
			return nil, p.fail("a key has more than %d names", depthMax)
		}
		p.blanks()
		if !p.take(".") {
			return names, nil
		}
		p.blanks()
	}
}

func bare(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// resolve turns growing arrays of tables into arrays.
func resolve(v any) {
	switch v := v.(type) {
	case *jsontree.Object:
		for _, m := range v.Members() {
			if l, ok := m.Value.(*list); ok {
				v.Set(m.Name, l.tables)
				resolve(l.tables)
				continue
			}
			resolve(m.Value)
		}
	case []any:
		for _, e := range v {
			resolve(e)
		}
	}
}
