package resource

import (
	"fmt"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/hostlist"
	"github.com/flux-sdk/flux/idset"
)

// SelectRanks returns the nodes with these ranks. Ranks that r does not have change nothing.
func (r R) SelectRanks(ranks idset.Set) R {
	var wanted []segment
	for lo, hi := range ranks.Ranges() {
		wanted = append(wanted, segment{lo: lo, hi: hi})
	}
	var list []segment
	for p := range pairs(r.nodes, wanted) {
		if p.a != nil && p.b != nil {
			list = append(list, segment{lo: p.lo, hi: p.hi, res: p.a.res})
		}
	}
	return r.keep(list)
}

// RanksOf returns the ranks of hosts, all of them for a host with several. An error matches [flux.ENOENT] and names
// the hosts that r does not have. Its cost grows with the nodes of r and with the hosts.
func (r R) RanksOf(hosts hostlist.List) (idset.Set, error) {
	ranks, missing := r.ranksOf(hosts)
	if !missing.IsEmpty() {
		return idset.Set{}, fmt.Errorf("resource: hosts %.200s are not in the R: %w", missing, flux.ENOENT)
	}
	return ranks, nil
}

// ranksOf returns the ranks of the hosts that r has, and the hosts that it does not have.
func (r R) ranksOf(hosts hostlist.List) (ranks idset.Set, missing hostlist.List) {
	found := make(map[string]bool)
	for _, host := range hosts.All() {
		found[host] = false
	}
	ranks = idset.Collect(func(yield func(uint32) bool) {
		for node := range r.All() {
			if _, wanted := found[node.Host]; !wanted {
				continue
			}
			found[node.Host] = true
			if !yield(node.Rank) {
				return
			}
		}
	})
	absent := func(yield func(uint32) bool) {
		for i, host := range hosts.All() {
			if !found[host] && !yield(uint32(i)) {
				return
			}
		}
	}
	return ranks, hosts.Select(idset.Collect(absent))
}

// SelectHosts returns the nodes on these hosts. Hosts that r does not have change nothing; [R.RanksOf] tells them. Its
// cost grows with the nodes of r and with the hosts.
func (r R) SelectHosts(hosts hostlist.List) R {
	ranks, _ := r.ranksOf(hosts)
	return r.SelectRanks(ranks)
}

// SelectProperty returns the nodes that have all of these properties. A name that begins with ^ selects the nodes that
// do not have the property, as in constraints (RFC 31). Without names it returns all nodes.
func (r R) SelectProperty(names ...string) R {
	return r.SelectRanks(r.withProperties(names))
}

// Queue returns the nodes of a queue, given the properties that the configuration of the queue requires. It does what
// SelectProperty does, because an R does not know the queues of an instance.
func (r R) Queue(requires ...string) R { return r.SelectProperty(requires...) }

// SetProperty returns r with a property added to the nodes with these ranks. An error matches [flux.EINVAL] for a name
// that is empty or has one of the characters & ' " ^ ` | ( ), or ranks that r does not have.
func (r R) SetProperty(name string, ranks idset.Set) (R, error) {
	if err := checkProperty(name); err != nil {
		return R{}, fmt.Errorf("resource: %w: %w", err, flux.EINVAL)
	}
	if unknown := ranks.Difference(r.Ranks()); !unknown.IsEmpty() {
		return R{}, fmt.Errorf("resource: property %.60q: %w: %w", name, unknownRanks(unknown), flux.EINVAL)
	}
	properties := map[string]idset.Set{name: r.properties[name].Union(ranks)}
	for other, ids := range r.properties {
		if other != name {
			properties[other] = ids
		}
	}
	return r.replace(r.nodes, r.hosts, properties), nil
}

// replace returns r with other nodes that have the same resources in all, so that nslots stays.
func (r R) replace(nodes segments, hosts hostlist.List, properties map[string]idset.Set) R {
	nslots := r.execution.Raw("nslots")
	out := r.derive(nodes, hosts, properties)
	if nslots != nil {
		out.execution.Set("nslots", nslots)
	}
	return out
}
