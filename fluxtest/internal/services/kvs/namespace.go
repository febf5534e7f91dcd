package kvs

import (
	"maps"
	"math"
	"slices"

	"github.com/flux-sdk/flux"
)

func namespaceCreate(r *request) {
	name, okName := r.args.text("namespace")
	ref, okRef := r.args.text("rootref")
	owner, okOwner := r.args.integer("owner")
	flags, okFlags := r.args.integer("flags")
	if !okName || !okRef || !okOwner || !okFlags {
		r.Fail(flux.EPROTO, "")
		return
	}
	s := r.s
	if s.namespaces[name] != nil {
		r.Fail(flux.EEXIST, "")
		return
	}
	ns := &root{name: name, ref: ref, owner: uint32(owner), flags: flags}
	if ns.owner == math.MaxUint32 {
		ns.owner = s.broker.Owner()
	}
	s.namespaces[name] = ns
	s.viewAt(0, name)
	r.s.publish("kvs.namespace-"+name+"-created", struct {
		Namespace string `json:"namespace"`
		RootSeq   int64  `json:"rootseq"`
		RootRef   string `json:"rootref"`
		Owner     int32  `json:"owner"`
	}{name, 0, ref, int32(ns.owner)})
	r.OK()
	for at, rank := range s.ranks {
		if m := rank.monitors[name]; m != nil && m.commit == nil {
			m.commit, m.owner = &change{ref: ref}, ns.owner
			s.notify(at, m)
		}
	}
}

func namespaceRemove(r *request) {
	name, ok := r.args.text("namespace")
	switch {
	case !ok:
		r.Fail(flux.EPROTO, "")
		return
	case primaryName(name):
		r.Fail(flux.EOPNOTSUPP, "")
		return
	case r.s.namespaces[name] == nil:
		r.OK()
		return
	}
	s := r.s
	delete(s.namespaces, name)
	r.s.publish("kvs.namespace-"+name+"-removed", map[string]string{"namespace": name})
	r.OK()
	for at, rank := range s.ranks {
		if v := rank.views[name]; v != nil {
			delete(rank.views, name)
			for _, sr := range v.queue {
				if sr.req != nil && int(sr.req.Rank()) == at {
					sr.req.Fail(flux.EOPNOTSUPP, "")
				}
			}
			for _, w := range v.waiters {
				w.req.Fail(flux.EOPNOTSUPP, "")
			}
		}
		if m := rank.monitors[name]; m != nil {
			s.endAll(at, m, flux.EOPNOTSUPP)
		}
	}
}

// namespaceList lists what this rank knows of.
func namespaceList(r *request) {
	type info struct {
		Namespace string `json:"namespace"`
		Owner     int32  `json:"owner"`
		Flags     int64  `json:"flags"`
	}
	list := []info{}
	if r.at == 0 {
		r.s.viewAt(0, "primary")
	}
	for _, name := range slices.Sorted(maps.Keys(r.rank.views)) {
		v := r.rank.views[name]
		list = append(list, info{name, int32(v.owner), v.flags})
	}
	r.Respond(struct {
		Namespaces []info `json:"namespaces"`
	}{list})
}
