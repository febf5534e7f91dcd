package jobspec

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/flux-sdk/flux/internal/constraint"
	"github.com/flux-sdk/flux/internal/jsontree"
)

// Constraint says on which nodes a job may run (RFC 31): an operator with values, which are strings, or constraints
// for "and", "or" and "not". The zero Constraint asks for nothing; it has no JSON.
type Constraint struct{ node *constraint.Node }

// requires is the dialect of `flux submit --requires`.
var requires = &constraint.Parser{
	Default:  "properties",
	Operator: map[string]string{"host": "hostlist", "hosts": "hostlist", "rank": "ranks"},
	Split:    map[string]string{"properties": ","},
	Combine:  []string{"properties"},
}

// ConstraintSyntaxError tells where a constraint expression stops being one.
type ConstraintSyntaxError struct {
	Expr   string // the whole expression
	Offset int    // in bytes, of what is wrong
	Reason string // what is wrong, in the words of the Flux commands
}

// Error returns the expression and the reason. It shows only the part at Offset of an expression that is long.
func (e *ConstraintSyntaxError) Error() string {
	const exprMax, reasonMax, before = 200, 300, 20
	expr, reason := e.Expr, e.Reason
	if len(expr) > exprMax {
		begin := max(0, min(e.Offset, len(expr))-before)
		part := expr[begin:min(begin+exprMax, len(expr))]
		expr = "..." + strings.ToValidUTF8(part, "") + "..."
		// The Flux commands repeat the expression in the reason.
		reason = strings.ReplaceAll(reason, e.Expr, "...")
	}
	if len(reason) > reasonMax {
		reason = strings.ToValidUTF8(reason[:reasonMax], "") + "..."
	}
	return fmt.Sprintf("jobspec: constraint %q: %s", expr, reason)
}

// ParseConstraint reads a constraint expression (RFC 35) as `flux submit --requires` does. "gpu,big" asks for both
// properties, "host:node[1-4]" for hosts and "rank:0-3" for broker ranks; terms are put together by "and" or a
// space, by "or", "not" and parentheses, and "-" negates one term.
//
// The operators that a broker knows are properties, hostlist (host, hosts), ranks (rank), and, or and not. Others
// parse; [Spec.Validate] refuses them.
func ParseConstraint(expr string) (Constraint, error) {
	n, err := requires.Parse(expr)
	if err != nil {
		var syntax *constraint.SyntaxError
		if errors.As(err, &syntax) {
			return Constraint{}, &ConstraintSyntaxError{Expr: syntax.Expr, Offset: syntax.Offset, Reason: syntax.Reason}
		}
		return Constraint{}, err
	}
	return Constraint{n}, nil
}

// Properties asks for nodes that have all of the named properties. A name that begins with "^" asks for nodes
// without it.
func Properties(names ...string) Constraint { return values("properties", names) }

// Hosts asks for hosts in any of the given hostlists (RFC 29), such as "node[1-4]".
func Hosts(hostlists ...string) Constraint { return values("hostlist", hostlists) }

// Ranks asks for broker ranks in any of the given idsets (RFC 22), such as "0-3,7".
func Ranks(idsets ...string) Constraint { return values("ranks", idsets) }

func values(op string, texts []string) Constraint {
	n := &constraint.Node{Op: op}
	for _, t := range texts {
		n.Args = append(n.Args, t)
	}
	return Constraint{n}
}

// AllOf asks for nodes that meet all of the constraints.
func AllOf(cs ...Constraint) Constraint { return combination("and", cs) }

// AnyOf asks for nodes that meet one of the constraints or more.
func AnyOf(cs ...Constraint) Constraint { return combination("or", cs) }

// Not asks for nodes that do not meet a constraint.
func Not(c Constraint) Constraint { return combination("not", []Constraint{c}) }

func combination(op string, cs []Constraint) Constraint {
	n := &constraint.Node{Op: op}
	for _, c := range cs {
		if c.node == nil {
			c.node = &constraint.Node{}
		}
		n.Args = append(n.Args, c.node)
	}
	return Constraint{n}
}

// IsZero reports whether c asks for nothing.
func (c Constraint) IsZero() bool { return c.node == nil }

// MarshalJSON returns the constraint object (RFC 31). The zero Constraint, also inside another, is an error, because a
// scheduler that meets an empty object ends its instance. So is text that is not UTF-8 or has a NUL.
func (c Constraint) MarshalJSON() ([]byte, error) {
	if c.node == nil || hasEmpty(c.node) {
		return nil, errors.New("jobspec: a zero Constraint has no JSON")
	}
	if err := checkTexts(c.node); err != nil {
		return nil, err
	}
	return jsontree.Append(nil, c.node.Tree()), nil
}

func hasEmpty(n *constraint.Node) bool {
	for _, a := range n.Args {
		if c, ok := a.(*constraint.Node); ok && (c.Op == "" && c.Args == nil || hasEmpty(c)) {
			return true
		}
	}
	return false
}

// checkTexts tells which value of a constraint Flux could not read.
func checkTexts(n *constraint.Node) error {
	for _, a := range n.Args {
		var err error
		switch a := a.(type) {
		case string:
			if err = jsontree.CheckString(a); err != nil {
				err = fmt.Errorf("jobspec: constraint: a value of %s %w", n.Op, err)
			}
		case *constraint.Node:
			err = checkTexts(a)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// UnmarshalJSON reads a constraint object. null is an error.
func (c *Constraint) UnmarshalJSON(data []byte) error {
	tree, err := jsontree.Parse(data)
	if err != nil {
		return fmt.Errorf("jobspec: constraint: %w", err)
	}
	n, err := nodeOf(tree)
	if err != nil {
		return fmt.Errorf("jobspec: constraint: %w", err)
	}
	c.node = n
	return nil
}

func nodeOf(v any) (*constraint.Node, error) {
	o, ok := v.(*jsontree.Object)
	if !ok || o.Len() != 1 {
		return nil, fmt.Errorf("expected an object with one member, got %s", jsontree.Text(v))
	}
	m := o.Members()[0]
	list, ok := m.Value.([]any)
	if !ok {
		return nil, fmt.Errorf("values of %q must be an array, got %s", m.Name, jsontree.Text(m.Value))
	}
	n := &constraint.Node{Op: m.Name}
	for _, e := range list {
		if _, isText := e.(string); isText {
			n.Args = append(n.Args, e)
			continue
		}
		c, err := nodeOf(e)
		if err != nil {
			return nil, err
		}
		n.Args = append(n.Args, c)
	}
	return n, nil
}

// String returns the constraint object as text.
func (c Constraint) String() string {
	if c.node == nil {
		return ""
	}
	return jsontree.Text(c.node.Tree())
}

// Constraint limits the nodes on which the job may run to those that an expression asks for, as `flux submit
// --requires` does; see [ParseConstraint]. A second one must be met as well. See [Spec.Require].
func (s *Spec) Constraint(expr string) *Spec {
	c, err := ParseConstraint(expr)
	if err != nil {
		s.errs = append(s.errs, err)
		return s
	}
	return s.require("Constraint", c)
}

// Require limits the nodes on which the job may run. A second constraint must be met as well. The zero Constraint
// changes nothing.
func (s *Spec) Require(c Constraint) *Spec {
	if c.IsZero() {
		return s
	}
	return s.require("Require", c)
}

func (s *Spec) require(method string, c Constraint) *Spec {
	if hasEmpty(c.node) {
		return s.fail(method, "must not contain a zero Constraint", c)
	}
	node := c.node
	if old, ok := s.lookup(system("constraints")...); ok {
		before, err := nodeOf(old)
		if err != nil {
			return s.fail(method, "cannot be added to the constraints: "+err.Error(), nil)
		}
		node = requires.Both(before, node)
	}
	return s.put(method, node.Tree(), system("constraints"))
}

// Constraints returns what the job asks of its nodes, and whether it is a well formed constraint.
func (s *Spec) Constraints() (Constraint, bool) {
	v, _ := s.lookup(system("constraints")...)
	n, err := nodeOf(v)
	return Constraint{n}, err == nil
}

var (
	_ json.Marshaler   = Constraint{}
	_ json.Unmarshaler = (*Constraint)(nil)
)
