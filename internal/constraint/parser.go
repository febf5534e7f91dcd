// Package constraint reads constraint expressions (RFC 35) into constraint objects (RFC 31).
package constraint

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/flux-sdk/flux/internal/jsontree"
)

// Node is one constraint object: an operator with its values, each a string or a *Node.
type Node struct {
	Op   string
	Args []any
}

// Tree returns n as a JSON object with one member.
func (n *Node) Tree() *jsontree.Object {
	args := make([]any, len(n.Args))
	for i, a := range n.Args {
		if c, ok := a.(*Node); ok {
			a = c.Tree()
		}
		args[i] = a
	}
	return jsontree.NewObject(jsontree.Member{Name: n.Op, Value: args})
}

// Parser is a dialect of the expressions. The zero Parser takes only terms that name their operator.
type Parser struct {
	Default  string            // the operator of a term that names none; "" means that each term must name one
	Operator map[string]string // short names of operators
	Split    map[string]string // operators whose value is a list, and what separates it
	Combine  []string          // operators whose values are put together where two of them are and-ed
}

// MaxDepth is how deep an expression may nest. Beyond it the JSON would be too deep for a broker, which counts an
// object and an array for each level.
const MaxDepth = jsontree.MaxDepth/2 - 8

// Parse reads one expression.
func (p *Parser) Parse(expr string) (*Node, error) {
	if !utf8.ValidString(expr) || strings.IndexByte(expr, 0) >= 0 {
		return nil, &SyntaxError{Expr: expr, Reason: "the expression must be UTF-8 without NUL"}
	}
	s := &state{Parser: p, lexer: lexer{expr: expr}}
	if err := s.advance(); err != nil {
		return nil, err
	}
	n, err := s.expression(0)
	if err != nil {
		return nil, err
	}
	if s.ahead.kind != end {
		return nil, s.unexpected()
	}
	return n, nil
}

// state is one parse: an operator precedence parser with one token of look-ahead.
type state struct {
	*Parser
	lexer
	ahead token
	depth int
}

func (s *state) advance() (err error) {
	s.ahead, err = s.next()
	return err
}

func (s *state) unexpected() error {
	switch {
	case s.ahead.kind == end && s.parens > 0:
		return s.fail(s.lastOpen, "Unclosed parenthesis in position %d", s.lastOpen)
	case s.ahead.kind == end:
		return s.fail(s.ahead.at, "Unexpected end of input in '%s'", s.expr)
	case s.parens < 0:
		return s.fail(s.ahead.at, "Mismatched parentheses starting at position %d", s.ahead.at)
	default:
		return s.fail(s.ahead.at, "Invalid token '%s' at position %d", s.ahead.text, s.ahead.at)
	}
}

// Precedences, as the grammar of the Flux commands has them. Two expressions side by side are an AND once both are
// read, but the first token of the second has the precedence of that token: none for a term or a parenthesis, its own
// for "not" and "-". So `a|b c` is (a|b)&c, and `a|b -c` is a|(b&-c).
const (
	levelOr     = 1
	levelAnd    = 2
	levelNot    = 3
	levelNegate = 4
)

// level returns the precedence of the token ahead, and false where it cannot continue an expression.
func (s *state) level() (int, bool) {
	switch s.ahead.kind {
	case or:
		return levelOr, true
	case and:
		return levelAnd, true
	case not:
		return levelNot, true
	case negate:
		return levelNegate, true
	case term, open:
		return 0, true
	default:
		return 0, false
	}
}

// binds tells whether the token ahead belongs to the operand that is being read for an operator of the given
// precedence, rather than to what comes after the operator. Binary operators group to the left, "not" to the right.
func (s *state) binds(level, operator int) bool {
	return level > operator || level == operator && operator >= levelNot
}

// expression reads an operand of an operator with the given precedence; 0 stands for no operator.
func (s *state) expression(operator int) (*Node, error) {
	if s.depth++; s.depth > MaxDepth {
		return nil, s.fail(s.ahead.at, "nested deeper than %d at position %d", MaxDepth, s.ahead.at)
	}
	defer func() { s.depth-- }()
	left, err := s.operand()
	if err != nil {
		return nil, err
	}
	for {
		level, ok := s.level()
		if !ok || operator != 0 && !s.binds(level, operator) {
			return left, nil
		}
		k := s.ahead.kind
		if k == or || k == and {
			if err := s.advance(); err != nil {
				return nil, err
			}
		}
		if k == or {
			right, err := s.expression(levelOr)
			if err != nil {
				return nil, err
			}
			left = anyOf(left, right)
			continue
		}
		right, err := s.expression(levelAnd)
		if err != nil {
			return nil, err
		}
		left = s.Both(left, right)
	}
}

// operand reads a term, what is in parentheses, or what follows a negation.
func (s *state) operand() (*Node, error) {
	t := s.ahead
	switch t.kind {
	case term:
		// What cannot be read after a term is reported before what is wrong with the term.
		if err := s.advance(); err != nil {
			return nil, err
		}
		return s.term(t)
	case not, negate, open:
		if err := s.advance(); err != nil {
			return nil, err
		}
	default:
		return nil, s.unexpected()
	}
	switch t.kind {
	case not:
		n, err := s.expression(levelNot)
		return &Node{"not", []any{n}}, err
	case negate:
		if s.ahead.kind != term {
			return nil, s.unexpected()
		}
		n, err := s.operand()
		return &Node{"not", []any{n}}, err
	}
	n, err := s.expression(0)
	if err != nil {
		return nil, err
	}
	if s.ahead.kind != closing {
		return nil, s.unexpected()
	}
	return n, s.advance()
}

// term turns "operator:value" or "value" into a node.
func (s *state) term(t token) (*Node, error) {
	op, value, named := strings.Cut(t.text, ":")
	switch {
	case !named && s.Default == "":
		return nil, s.fail(t.at, `Missing required operator in "%s"`, t.text)
	case !named:
		op, value = s.Default, t.text
	case s.Operator[op] != "":
		op = s.Operator[op]
	}
	for _, r := range op {
		if !isWord(r) && !strings.ContainsRune(".+@-", r) {
			return nil, s.fail(t.at, "invalid character '%c' in operator '%s:'", r, op)
		}
	}
	n := &Node{Op: op}
	if sep := s.Split[op]; sep != "" {
		for v := range strings.SplitSeq(value, sep) {
			n.Args = append(n.Args, v)
		}
	} else {
		n.Args = []any{value}
	}
	return n, nil
}

func anyOf(a, b *Node) *Node {
	if a.Op == "or" {
		a.Args = append(a.Args, b)
		return a
	}
	return &Node{"or", []any{a, b}}
}

// Both returns the constraint that asks for a and b. It may change a.
func (p *Parser) Both(a, b *Node) *Node {
	switch {
	case a.Op == "and":
		a.Args = append(a.Args, b)
		return a
	case a.Op == b.Op && slices.Contains(p.Combine, a.Op):
		a.Args = append(a.Args, b.Args...)
		return a
	}
	return &Node{"and", []any{a, b}}
}
