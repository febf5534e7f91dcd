package resource

import (
	"fmt"
	"math"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/hostlist"
	"github.com/flux-sdk/flux/idset"
)

// A Uniform describes nodes that all have the same resources, as `flux R encode` does. Sets of different nodes are put
// together with [R.Append].
type Uniform struct {
	Ranks      idset.Set            // if empty, counted from 0 for Hosts
	Hosts      hostlist.List        // in order of Ranks; if empty, the R has no host names
	Cores      idset.Set            // on each node
	GPUs       idset.Set            // on each node
	Properties map[string]idset.Set // ranks by property
	Start      time.Time            // none if zero
	Expiration time.Time            // none if zero
}

// R returns the resources. An error matches [flux.EINVAL] or, for more than [MaxNodes] nodes, [flux.ERANGE]: no nodes,
// neither cores nor GPUs, not as many hosts as ranks, or a property that is not valid.
func (u Uniform) R() (R, error) {
	ranks := u.Ranks
	if ranks.IsEmpty() && !u.Hosts.IsEmpty() && u.Hosts.Len() <= math.MaxInt32 {
		ranks = idset.Range(0, uint32(u.Hosts.Len()-1))
	}
	switch {
	case ranks.IsEmpty():
		return R{}, fmt.Errorf("resource: neither ranks nor hosts: %w", flux.EINVAL)
	case ranks.Len() > MaxNodes:
		return R{}, fmt.Errorf("resource: %d nodes are more than %d: %w", ranks.Len(), MaxNodes, flux.ERANGE)
	case u.Cores.IsEmpty() && u.GPUs.IsEmpty():
		return R{}, fmt.Errorf("resource: neither cores nor GPUs: %w", flux.EINVAL)
	case !u.Hosts.IsEmpty() && u.Hosts.Len() != ranks.Len():
		return R{}, fmt.Errorf("resource: %d hosts in %.200s for %d ranks: %w", u.Hosts.Len(), u.Hosts, ranks.Len(),
			flux.EINVAL)
	}
	res := newChildren(child{Core, u.Cores}, child{GPU, u.GPUs})
	var list []segment
	for lo, hi := range ranks.Ranges() {
		list = append(list, segment{lo: lo, hi: hi, res: res})
	}
	r := R{nodes: newSegments(list), hosts: u.Hosts, changed: true}
	if !u.Start.IsZero() {
		r = r.WithStart(u.Start)
	}
	if !u.Expiration.IsZero() {
		r = r.WithExpiration(u.Expiration)
	}
	for name, ids := range u.Properties {
		var err error
		if r, err = r.SetProperty(name, ids); err != nil {
			return R{}, err
		}
	}
	return r, nil
}

// New returns the resources of hosts with ranks from 0, each with cores and GPUs counted from 0. It is for values in
// the program and panics where [Uniform.R] returns an error, or if cores or gpus is negative.
func New(hosts hostlist.List, cores, gpus int) R {
	first := func(n int) idset.Set {
		if n < 0 || n > math.MaxInt32 {
			panic(fmt.Sprintf("resource: %d cores or GPUs", n))
		}
		if n == 0 {
			return idset.Set{}
		}
		return idset.Range(0, uint32(n-1))
	}
	r, err := Uniform{Hosts: hosts, Cores: first(cores), GPUs: first(gpus)}.R()
	if err != nil {
		panic(err)
	}
	return r
}
