// Package groups is the service of the groups of ranks (groups.get and so on).
package groups

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest/internal/jansson"
	"github.com/flux-sdk/flux/fluxtest/internal/router"
	"github.com/flux-sdk/flux/fluxtest/internal/service"
)

// Groups is the service: the groups of the instance, which are sets of ranks.
type Groups struct {
	inst *router.Instance

	mu     sync.Mutex
	byName map[string]*group // guarded by mu, and all of each group
}

type group struct {
	members  map[uint32]bool
	joined   map[uint32]*service.Request // the request that made a rank join
	watchers service.Pending             // at rank 0
}

// New makes the service for an instance, all of whose ranks are online.
func New(inst *router.Instance) *Groups {
	g := &Groups{inst: inst, byName: make(map[string]*group)}
	online := g.getLocked("broker.online")
	for i := range inst.Size() {
		online.members[uint32(i)] = true
	}
	g.getLocked("broker.torpid")
	return g
}

// Service is what is to be registered.
func (g *Groups) Service() *service.Service {
	return &service.Service{Name: "groups", Module: true, RankLost: g.drop, Methods: map[string]service.Method{
		"get":        {Allow: flux.RoleUser, Serve: g.get},
		"join":       {Serve: func(r *service.Request) { g.change(r, "join", true) }},
		"leave":      {Serve: func(r *service.Request) { g.change(r, "leave", false) }},
		"stats-get":  {Allow: flux.RoleUser, Serve: service.NoArgs(g.stats)},
		"disconnect": {Allow: flux.RoleUser, Serve: g.disconnect},
	}}
}

// Waiting is the number of members that clients made join, and of requests that
// watch a group. It is for tests.
func (g *Groups) Waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for _, gr := range g.byName {
		n += gr.watchers.Len() + len(gr.joined)
	}
	return n
}

func (g *Groups) getLocked(name string) *group {
	gr := g.byName[name]
	if gr == nil {
		gr = &group{members: make(map[uint32]bool), joined: make(map[uint32]*service.Request)}
		g.byName[name] = gr
	}
	return gr
}

func (gr *group) payload() []byte {
	var ranks []uint32
	for r := range gr.members {
		ranks = append(ranks, r)
	}
	return jansson.Payload(struct {
		Members string `json:"members"`
	}{idset(ranks)})
}

// set sets the membership of a rank and tells the watchers.
func (gr *group) set(rank uint32, member bool) {
	if gr.members[rank] == member {
		return
	}
	if member {
		gr.members[rank] = true
	} else {
		delete(gr.members, rank)
	}
	for r := range gr.watchers.All() {
		r.RespondBytes(gr.payload())
	}
}

// drop takes a rank that is lost out of all groups.
func (g *Groups) drop(rank uint32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, gr := range g.byName {
		delete(gr.joined, rank)
		gr.set(rank, false)
	}
}

// idset writes a set of numbers as RFC 22 does, without brackets.
func idset(ids []uint32) string {
	slices.Sort(ids)
	var parts []string
	for i := 0; i < len(ids); {
		j := i
		for j+1 < len(ids) && ids[j+1] == ids[j]+1 {
			j++
		}
		s := strconv.FormatUint(uint64(ids[i]), 10)
		if j > i {
			s += "-" + strconv.FormatUint(uint64(ids[j]), 10)
		}
		parts = append(parts, s)
		i = j + 1
	}
	return strings.Join(parts, ",")
}

func (g *Groups) get(r *service.Request) {
	name, ok := r.Object().Str("name")
	switch {
	case !ok:
		r.Fail(flux.EPROTO, "")
		return
	case r.Rank() != 0:
		r.Fail(flux.EPROTO, "this RPC is only available on rank 0")
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	gr := g.getLocked(name)
	r.RespondBytes(gr.payload())
	if r.Streaming() {
		gr.watchers.Add(r.KeepHeader())
	}
}

// change makes the rank join or leave a group, which only its own clients ask.
func (g *Groups) change(r *service.Request, verb string, join bool) {
	name, ok := r.Object().Str("name")
	switch {
	case !ok:
		r.Fail(flux.EPROTO, "")
		return
	case r.Roles()&flux.RoleLocal == 0:
		r.Fail(flux.EPROTO, "groups."+verb+" is restricted to the local broker")
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	gr := g.getLocked(name)
	switch joined := gr.joined[r.Rank()] != nil; {
	case join && joined:
		r.Fail(flux.EEXIST, fmt.Sprintf("rank %d is already a member of %s", r.Rank(), name))
		return
	case !join && !joined:
		r.Fail(flux.ENOENT, fmt.Sprintf("rank %d is not a member of %s", r.Rank(), name))
		return
	}
	if join {
		gr.joined[r.Rank()] = r.KeepHeader()
	} else {
		delete(gr.joined, r.Rank())
	}
	gr.set(r.Rank(), join)
	r.OK()
}

func (g *Groups) stats(r *service.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	subtree := make(map[string]string)
	for name, gr := range g.byName {
		var ranks []uint32
		g.inst.Ranks()[r.Rank()].Subtree(func(r *router.Rank) {
			if gr.members[r.Number()] {
				ranks = append(ranks, r.Number())
			}
		})
		subtree[name] = idset(ranks)
	}
	r.Respond(struct {
		Subtree map[string]string `json:"subtree"`
	}{subtree})
}

func (g *Groups) disconnect(r *service.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, gr := range g.byName {
		if req := gr.joined[r.Rank()]; req != nil && service.SameClient(r.Message(), req.Message()) {
			delete(gr.joined, r.Rank())
			gr.set(r.Rank(), false)
		}
		if r.Rank() == 0 {
			gr.watchers.Disconnect(r)
		}
	}
}
