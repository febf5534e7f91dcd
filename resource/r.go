package resource

import (
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/flux-sdk/flux/hostlist"
	"github.com/flux-sdk/flux/idset"
	"github.com/flux-sdk/flux/internal/epoch"
	"github.com/flux-sdk/flux/internal/jsontree"
)

// An R is a set of resources: nodes, each with a rank, a host name and the ids of its cores and GPUs (RFC 20). It is
// what a job is allocated and what an instance has. The zero R is empty.
//
// An R is a value: its methods return a new R and never change the one they are called on. It may be used by several
// goroutines at once. Compare with [R.Equal].
//
// Nodes are in order of rank everywhere. The host of a node comes from HostOf, All or NodeOf, not from a position in a
// sorted list of hosts: the order of host names need not be that of ranks.
//
// The cost of a method grows with the groups of consecutive ranks that have the same resources, and with the ranges of
// host names, not with the nodes, unless it says so.
type R struct {
	nodes      segments
	hosts      hostlist.List        // in order of rank; empty if the R has none
	properties map[string]idset.Set // ranks by property, never changed

	top       *jsontree.Object // as read; without the members below if the R was built
	execution *jsontree.Object // as read
	changed   bool             // R_lite, nodelist and properties are no longer those of execution
}

// A Node is one node of an R.
type Node struct {
	Rank  uint32
	Host  string // empty if the R has no host names
	Cores idset.Set
	GPUs  idset.Set

	res children
}

// IDs returns the ids of a type of resource that the node has, such as [Core], [GPU] or one that only a scheduler knows.
func (n Node) IDs(resource string) idset.Set { return n.res.get(resource) }

// IsEmpty reports whether r has no nodes.
func (r R) IsEmpty() bool { return len(r.nodes) == 0 }

// Ranks returns the ranks of the nodes.
func (r R) Ranks() idset.Set { return r.nodes.ranks() }

// Hosts returns the names of the hosts in order of rank, or an empty list if the R has none. A host with several ranks
// is in it several times.
func (r R) Hosts() hostlist.List { return r.hosts }

// Nodes returns the number of nodes: of different ranks, whatever their hosts.
func (r R) Nodes() int { return r.nodes.count() }

// Cores returns the number of cores on all nodes.
func (r R) Cores() int { return r.Count(Core) }

// GPUs returns the number of GPUs on all nodes.
func (r R) GPUs() int { return r.Count(GPU) }

// Count returns the number of resources of a type on all nodes.
func (r R) Count(resource string) int {
	n := 0
	for _, s := range r.nodes {
		n += s.len() * s.res.get(resource).Len()
	}
	return n
}

// All yields each node in order of rank.
func (r R) All() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		if r.hosts.IsEmpty() {
			for _, s := range r.nodes {
				for i := range s.len() {
					if !yield(s.node(s.lo+uint32(i), "")) {
						return
					}
				}
			}
			return
		}
		left := r.nodes // left[0] has the next node
		for i, host := range r.hosts.All() {
			if i == left[0].nodes+left[0].len() {
				left = left[1:]
			}
			if !yield(left[0].node(left[0].lo+uint32(i-left[0].nodes), host)) {
				return
			}
		}
	}
}

func (s segment) node(rank uint32, host string) Node {
	return Node{Rank: rank, Host: host, Cores: s.res.get(Core), GPUs: s.res.get(GPU), res: s.res}
}

// NodeOf returns the node with a rank, and false if there is none.
func (r R) NodeOf(rank uint32) (Node, bool) {
	s := r.nodes.find(rank)
	if s == nil {
		return Node{}, false
	}
	host, _ := r.HostOf(rank)
	return s.node(rank, host), true
}

// HostOf returns the host with a rank, and false if there is no such rank or the R has no host names.
func (r R) HostOf(rank uint32) (string, bool) {
	if r.hosts.IsEmpty() || r.nodes.find(rank) == nil {
		return "", false
	}
	return r.hosts.At(r.nodes.position(rank)), true
}

// RankOf returns the lowest rank of a host, and false if the R does not have the host.
func (r R) RankOf(host string) (uint32, bool) {
	i := r.hosts.Index(host)
	if i < 0 {
		return 0, false
	}
	return r.nodes.at(i), true
}

// Properties returns the names of the properties in order.
func (r R) Properties() []string { return slices.Sorted(maps.Keys(r.properties)) }

// PropertyRanks returns the ranks of the nodes that have a property.
func (r R) PropertyRanks(name string) idset.Set { return r.properties[name] }

// Start returns when the resources are given, and false if the R does not say.
func (r R) Start() (time.Time, bool) { return r.time("starttime") }

// Expiration returns when the resources are taken back, and false if that is never or the R does not say.
func (r R) Expiration() (time.Time, bool) { return r.time("expiration") }

// time returns a time of the execution object. Flux writes 0 for none.
func (r R) time(member string) (time.Time, bool) {
	raw := r.execution.Raw(member)
	if raw == nil {
		return time.Time{}, false
	}
	t, err := epoch.Parse(string(raw))
	if err != nil || t.Equal(time.Unix(0, 0)) {
		return time.Time{}, false
	}
	return t, true
}

// WithStart returns r with another start. The zero Time removes it.
func (r R) WithStart(t time.Time) R { return r.withTime("starttime", t) }

// WithExpiration returns r with another expiration. The zero Time removes it.
func (r R) WithExpiration(t time.Time) R { return r.withTime("expiration", t) }

func (r R) withTime(member string, t time.Time) R {
	if t.IsZero() {
		t = time.Unix(0, 0)
	}
	r.execution = r.execution.Clone()
	r.execution.Set(member, json.RawMessage(epoch.Format(t)))
	return r
}

// Scheduling returns the data of the scheduler, which only it understands, or nil if there is none. The caller must
// not change it.
func (r R) Scheduling() json.RawMessage { return r.top.Raw("scheduling") }

// Equal reports whether r and s have the same nodes, with the same hosts, resources and properties. It does not
// compare times and the data of the scheduler.
func (r R) Equal(s R) bool {
	return r.nodes.equal(s.nodes) && r.hosts.Equal(s.hosts) && maps.EqualFunc(r.properties, s.properties, idset.Set.Equal)
}

// String returns the short form that `flux R decode --short` prints: "rank[0-3]/core[0-3],gpu0". Nodes with the same
// resources are in one part, and parts are separated by a space.
func (r R) String() string {
	var parts []string
	for _, g := range r.groups() {
		parts = append(parts, "rank"+g.ranks.Brackets()+"/"+g.res.String())
	}
	return strings.Join(parts, " ")
}

// A group is all ranks whose nodes have the same resources.
type group struct {
	ranks idset.Set
	res   children
}

// groups returns the groups in order of their first rank.
func (r R) groups() []group {
	var list [][]segment
	index := map[string]int{}
	for _, s := range r.nodes {
		key := s.res.key()
		i, ok := index[key]
		if !ok {
			i = len(list)
			index[key] = i
			list = append(list, nil)
		}
		list[i] = append(list[i], s)
	}
	groups := make([]group, len(list))
	for i, l := range list {
		groups[i] = group{segments(l).ranks(), l[0].res}
	}
	return groups
}
