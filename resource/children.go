package resource

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/flux-sdk/flux/idset"
)

// The types of resources that Flux itself assigns.
const (
	Core = "core"
	GPU  = "gpu"
)

// children is the resources of one node by type, in order of the names. It is never changed once it is in an R. No
// type has an empty set.
type children []child

type child struct {
	name string
	ids  idset.Set
}

// newChildren sorts list and drops types without ids.
func newChildren(list ...child) children {
	list = slices.DeleteFunc(list, func(c child) bool { return c.ids.IsEmpty() })
	slices.SortFunc(list, func(a, b child) int { return cmp.Compare(a.name, b.name) })
	return list
}

func (c children) get(name string) idset.Set {
	i, found := slices.BinarySearchFunc(c, name, func(c child, name string) int { return cmp.Compare(c.name, name) })
	if !found {
		return idset.Set{}
	}
	return c[i].ids
}

// combine returns the result of f for each type that c or d has.
func (c children) combine(d children, f func(x, y idset.Set) idset.Set) children {
	var out children
	for len(c) > 0 || len(d) > 0 {
		var x, y child
		var order int
		switch {
		case len(c) == 0:
			order = 1
		case len(d) == 0:
			order = -1
		default:
			order = cmp.Compare(c[0].name, d[0].name)
		}
		if order <= 0 {
			x, c = c[0], c[1:]
		}
		if order >= 0 {
			y, d = d[0], d[1:]
		}
		if ids := f(x.ids, y.ids); !ids.IsEmpty() {
			out = append(out, child{cmp.Or(x.name, y.name), ids})
		}
	}
	return out
}

func (c children) union(d children) children      { return c.combine(d, idset.Set.Union) }
func (c children) difference(d children) children { return c.combine(d, idset.Set.Difference) }
func (c children) intersect(d children) children  { return c.combine(d, idset.Set.Intersect) }

func (c children) equal(d children) bool {
	return slices.EqualFunc(c, d, func(x, y child) bool { return x.name == y.name && x.ids.Equal(y.ids) })
}

// renumber returns the children with the ids of each type but GPUs counted from 0.
func (c children) renumber() children {
	out := slices.Clone(c)
	for i := range out {
		if out[i].name != GPU {
			out[i].ids = idset.Range(0, uint32(out[i].ids.Len()-1))
		}
	}
	return out
}

// key returns a text that is the same for equal children only. String is not, for a type whose name ends in a digit.
func (c children) key() string {
	var b []byte
	for _, child := range c {
		b = strconv.AppendQuote(b, child.name)
		b = append(b, child.ids.String()...)
	}
	return string(b)
}

// String returns the short form, such as "core[0-3],gpu0".
func (c children) String() string {
	var parts []string
	for _, child := range c {
		parts = append(parts, child.name+child.ids.Brackets())
	}
	return strings.Join(parts, ",")
}
