package resource

import (
	"fmt"
	"iter"
	"maps"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/hostlist"
	"github.com/flux-sdk/flux/idset"
)

// derive returns r with other nodes and hosts. It restricts properties to the ranks that are left.
func (r R) derive(nodes segments, hosts hostlist.List, properties map[string]idset.Set) R {
	ranks := nodes.ranks()
	left := make(map[string]idset.Set)
	for name, ids := range properties {
		if ids = ids.Intersect(ranks); !ids.IsEmpty() {
			left[name] = ids
		}
	}
	out := R{nodes: nodes, hosts: hosts, properties: left, top: r.top, execution: r.execution.Clone(), changed: true}
	if !nodes.equal(r.nodes) {
		out.execution.Delete("nslots")
	}
	return out
}

// keep returns r with these nodes, whose ranks are all ranks of r.
func (r R) keep(list []segment) R {
	nodes := newSegments(list)
	return r.derive(nodes, r.hostsOf(nodes), r.properties)
}

// hostsOf returns the hosts of ranks of r, or none if r has none.
func (r R) hostsOf(nodes segments) hostlist.List {
	if r.hosts.IsEmpty() {
		return hostlist.List{}
	}
	return r.hosts.Select(r.positions(nodes.ranks()))
}

// positions returns the positions of ranks, all of which are ranks of r, among the nodes of r.
func (r R) positions(ranks idset.Set) idset.Set {
	return idset.CollectRanges(func(yield func(lo, hi uint32) bool) {
		for lo, hi := range ranks.Ranges() {
			// Ranks that follow each other and are all in r have positions that follow each other.
			first := uint32(r.nodes.position(lo))
			if !yield(first, first+(hi-lo)) {
				return
			}
		}
	})
}

// Difference returns the resources of r that are not in s: of each node, the ids that the node of s with its rank does
// not have, whatever the hosts.
func (r R) Difference(s R) R {
	var list []segment
	for p := range pairs(r.nodes, s.nodes) {
		switch {
		case p.a == nil:
		case p.b == nil:
			list = append(list, segment{lo: p.lo, hi: p.hi, res: p.a.res})
		default:
			if res := p.a.res.difference(p.b.res); len(res) > 0 {
				list = append(list, segment{lo: p.lo, hi: p.hi, res: res})
			}
		}
	}
	return r.keep(list)
}

// Intersect returns the resources of r that are also in s, on nodes that also have the same host if both sets have
// host names. Unlike `flux R intersect` it keeps the properties that nodes have in r.
func (r R) Intersect(s R) R {
	var list []segment
	for p := range r.pairs(s) {
		if p.a == nil || p.b == nil {
			continue
		}
		if res := p.a.res.intersect(p.b.res); len(res) > 0 {
			list = append(list, segment{lo: p.lo, hi: p.hi, res: res})
		}
	}
	return r.keep(list)
}

// pairs yields the ranks of r and s. Where the hosts of a rank differ it yields the rank twice, once for each.
func (r R) pairs(s R) iter.Seq[pair] {
	all := pairs(r.nodes, s.nodes)
	if r.hosts.IsEmpty() || s.hosts.IsEmpty() || r.hosts.Equal(s.hosts) && r.Ranks().Equal(s.Ranks()) {
		return all
	}
	return func(yield func(pair) bool) {
		for p := range all {
			if p.a == nil || p.b == nil {
				if !yield(p) {
					return
				}
				continue
			}
			for part, same := range r.sameHosts(s, p) {
				if same {
					if !yield(part) {
						return
					}
					continue
				}
				if !yield(pair{part.lo, part.hi, part.a, nil}) || !yield(pair{part.lo, part.hi, nil, part.b}) {
					return
				}
			}
		}
	}
}

// sameHosts cuts a pair into parts whose hosts are the same in r and s, or differ at each rank.
func (r R) sameHosts(s R, p pair) iter.Seq2[pair, bool] {
	return func(yield func(pair, bool) bool) {
		n := int(p.hi-p.lo) + 1
		i, j := r.nodes.position(p.lo), s.nodes.position(p.lo)
		mine, theirs := r.hosts.Slice(i, i+n), s.hosts.Slice(j, j+n)
		if mine.Equal(theirs) {
			yield(p, true)
			return
		}
		part, partSame := p, false
		for k, host := range mine.All() {
			if same := host == theirs.At(k); k == 0 {
				partSame = same
			} else if same != partSame {
				part.hi = p.lo + uint32(k) - 1
				if !yield(part, partSame) {
					return
				}
				part.lo, part.hi, partSame = p.lo+uint32(k), p.hi, same
			}
		}
		yield(part, partSame)
	}
}

// Union returns the resources of r and s together. Of a node in both, with whatever hosts, the host in r is kept;
// [R.Append] is for sets that must not overlap and refuses different hosts. If only one of r and s has host names, the
// result has names if all nodes without one are also in the set that has names; otherwise it has none, because an R
// has names for all its nodes or none.
func (r R) Union(s R) R {
	var list []segment
	for p := range pairs(r.nodes, s.nodes) {
		switch {
		case p.a == nil:
			list = append(list, segment{lo: p.lo, hi: p.hi, res: p.b.res})
		case p.b == nil:
			list = append(list, segment{lo: p.lo, hi: p.hi, res: p.a.res})
		default:
			list = append(list, segment{lo: p.lo, hi: p.hi, res: p.a.res.union(p.b.res)})
		}
	}
	properties := maps.Clone(s.properties)
	if properties == nil {
		properties = make(map[string]idset.Set)
	}
	for name, ids := range r.properties {
		properties[name] = ids.Union(properties[name])
	}
	base := r
	if r.IsEmpty() && r.top == nil && r.execution == nil {
		base = s // r is the zero R
	}
	return base.derive(newSegments(list), joinHosts(r, s), properties)
}

// joinHosts returns the hosts of the union of r and s.
func joinHosts(r, s R) hostlist.List {
	var lists []hostlist.List
	for p := range pairs(r.nodes, s.nodes) {
		from, n := r, int(p.hi-p.lo)+1
		if p.a == nil || r.hosts.IsEmpty() && p.b != nil {
			from = s
		}
		if from.hosts.IsEmpty() {
			return hostlist.List{}
		}
		i := from.nodes.position(p.lo)
		lists = append(lists, from.hosts.Slice(i, i+n))
	}
	return concat(lists)
}

// Append returns the union of r and s, which must not have a resource in common. An error matches [flux.EEXIST] if
// they have, and [flux.EINVAL] if a rank has different hosts or only one set has host names that all nodes need.
func (r R) Append(s R) (R, error) {
	for p := range pairs(r.nodes, s.nodes) {
		if p.a == nil || p.b == nil {
			continue
		}
		if both := p.a.res.intersect(p.b.res); len(both) > 0 {
			common := group{idset.Range(p.lo, p.hi), both}
			return R{}, fmt.Errorf("resource: sets %.200s and %.200s overlap in rank%s/%s: %w", r, s, common.ranks.Brackets(),
				common.res, flux.EEXIST)
		}
		if r.hosts.IsEmpty() || s.hosts.IsEmpty() {
			continue
		}
		for part, same := range r.sameHosts(s, p) {
			if !same {
				mine, _ := r.HostOf(part.lo)
				theirs, _ := s.HostOf(part.lo)
				return R{}, fmt.Errorf("resource: rank %d is host %s in one set and %s in the other: %w", part.lo, mine, theirs,
					flux.EINVAL)
			}
		}
	}
	out := r.Union(s)
	if out.hosts.IsEmpty() && !(r.hosts.IsEmpty() && s.hosts.IsEmpty()) {
		return R{}, fmt.Errorf("resource: only one of the sets %.200s and %.200s has host names: %w", r, s, flux.EINVAL)
	}
	return out, nil
}
