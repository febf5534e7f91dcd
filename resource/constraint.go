package resource

import (
	"errors"
	"fmt"
	"strings"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/hostlist"
	"github.com/flux-sdk/flux/idset"
	"github.com/flux-sdk/flux/internal/jsontree"
	"github.com/flux-sdk/flux/jobspec"
)

// Select returns the nodes that meet a constraint (RFC 31), which are those that a job with this constraint may run on.
// The zero Constraint selects all nodes.
//
// An error matches [flux.EINVAL]: an operator other than properties, hostlist, ranks, and, or and not; a value of the
// wrong type or that is not an idset or a hostlist; "not" of other than one constraint; and "or" of none, which the C
// library of Flux takes for true and its Python class for false.
//
// The cost of hostlist grows with the nodes of r times the ranges of the list.
func (r R) Select(c jobspec.Constraint) (R, error) {
	if c.IsZero() {
		return r, nil
	}
	data, err := c.MarshalJSON()
	if err != nil {
		return R{}, fmt.Errorf("resource: %w: %w", err, flux.EINVAL)
	}
	tree, err := jsontree.ParseObject(data)
	if err != nil {
		return R{}, fmt.Errorf("resource: constraint: %w: %w", err, flux.EINVAL)
	}
	ranks, err := r.matching(tree)
	if err != nil {
		return R{}, fmt.Errorf("resource: constraint: %w: %w", err, flux.EINVAL)
	}
	return r.SelectRanks(ranks), nil
}

// matching returns the ranks of r that meet a constraint.
func (r R) matching(constraint any) (idset.Set, error) {
	o, ok := constraint.(*jsontree.Object)
	if !ok || o.Len() != 1 {
		return idset.Set{}, fmt.Errorf("expected an object with one member, got %.80s", jsontree.Text(constraint))
	}
	op := o.Members()[0].Name
	values, ok := o.Members()[0].Value.([]any)
	if !ok {
		return idset.Set{}, fmt.Errorf("values of %.60q must be an array", op)
	}
	switch op {
	case "and", "or", "not":
		return r.matchingAll(op, values)
	case "properties", "hostlist", "ranks":
	default:
		return idset.Set{}, fmt.Errorf("%.60q is not an operator (and, or, not, properties, hostlist, ranks)", op)
	}
	texts := make([]string, len(values))
	for i, v := range values {
		if texts[i], ok = v.(string); !ok {
			return idset.Set{}, fmt.Errorf("values of %q must be strings, got %s", op, jsontree.Kind(v))
		}
	}
	switch op {
	case "properties":
		return r.withProperties(texts), nil
	case "hostlist":
		return r.onHosts(texts)
	default:
		return unionOf(texts)
	}
}

// matchingAll returns the ranks that a combination of constraints selects.
func (r R) matchingAll(op string, constraints []any) (idset.Set, error) {
	switch {
	case op == "not" && len(constraints) != 1:
		return idset.Set{}, fmt.Errorf("not needs one constraint, got %d", len(constraints))
	case op == "or" && len(constraints) == 0:
		return idset.Set{}, errors.New("or needs a constraint")
	}
	result := r.Ranks()
	if op == "or" {
		result = idset.Set{}
	}
	for _, c := range constraints {
		ranks, err := r.matching(c)
		if err != nil {
			return idset.Set{}, err
		}
		switch op {
		case "and":
			result = result.Intersect(ranks)
		case "or":
			result = result.Union(ranks)
		case "not":
			result = result.Difference(ranks)
		}
	}
	return result, nil
}

// withProperties returns the ranks that have all of the named properties, or with ^ before a name do not have it.
func (r R) withProperties(names []string) idset.Set {
	ranks := r.Ranks()
	for _, name := range names {
		if name, not := strings.CutPrefix(name, "^"); not {
			ranks = ranks.Difference(r.properties[name])
		} else {
			ranks = ranks.Intersect(r.properties[name])
		}
	}
	return ranks
}

// onHosts returns the ranks whose hosts are in any of the lists.
func (r R) onHosts(texts []string) (idset.Set, error) {
	lists := make([]hostlist.List, len(texts))
	for i, text := range texts {
		var err error
		if lists[i], err = hostlist.Parse(text); err != nil {
			return idset.Set{}, err
		}
	}
	all := concat(lists)
	return idset.Collect(func(yield func(uint32) bool) {
		for node := range r.All() {
			if node.Host != "" && all.Index(node.Host) >= 0 && !yield(node.Rank) {
				return
			}
		}
	}), nil
}

// unionOf returns the ids that are in any of the idsets.
func unionOf(texts []string) (idset.Set, error) {
	var ranks idset.Set
	for _, text := range texts {
		ids, err := idset.Parse(text)
		if err != nil {
			return idset.Set{}, err
		}
		ranks = ranks.Union(ids)
	}
	return ranks, nil
}
