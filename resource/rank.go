package resource

import (
	"fmt"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/hostlist"
	"github.com/flux-sdk/flux/idset"
)

// Remap returns r with ranks counted from 0, and on each node the ids of cores and other types, but not of GPUs, which
// stay the numbers of the devices. The nodes keep their order, hosts and properties. This is how an instance that runs
// as a job sees the resources of the job.
func (r R) Remap() R {
	list := make([]segment, 0, len(r.nodes))
	for _, s := range r.nodes {
		list = append(list, segment{lo: uint32(s.nodes), hi: uint32(s.nodes + s.len() - 1), res: s.res.renumber()})
	}
	properties := make(map[string]idset.Set)
	for name, ids := range r.properties {
		properties[name] = r.positions(ids)
	}
	return r.replace(newSegments(list), r.hosts, properties)
}

// Rerank returns r with the ranks that hosts give: the first host has rank 0. Nodes keep their resources and
// properties. A host with several nodes must be in the list as many times; its nodes keep their order.
//
// An error matches [flux.EINVAL] if there are not as many hosts as nodes, and [flux.ENOENT] if r does not have a host.
// Its cost grows with the nodes.
func (r R) Rerank(hosts hostlist.List) (R, error) {
	if hosts.Len() != r.Nodes() {
		return R{}, fmt.Errorf("resource: rerank: %d hosts for %d nodes: %w", hosts.Len(), r.Nodes(), flux.EINVAL)
	}
	nodes := make(map[string][]Node)
	for node := range r.All() {
		nodes[node.Host] = append(nodes[node.Host], node)
	}
	list := make([]segment, 0, hosts.Len())
	newRank := make(map[uint32]uint32, hosts.Len())
	for i, host := range hosts.All() {
		left := nodes[host]
		if len(left) == 0 {
			return R{}, fmt.Errorf("resource: rerank: the R has no host %s, or not as many times: %w", host, flux.ENOENT)
		}
		nodes[host] = left[1:]
		newRank[left[0].Rank] = uint32(i)
		list = append(list, segment{lo: uint32(i), hi: uint32(i), res: left[0].res})
	}
	properties := make(map[string]idset.Set)
	for name, ids := range r.properties {
		properties[name] = idset.Collect(func(yield func(uint32) bool) {
			for rank := range ids.All() {
				if !yield(newRank[rank]) {
					return
				}
			}
		})
	}
	return r.replace(newSegments(list), hosts, properties), nil
}
