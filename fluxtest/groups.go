package fluxtest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/flux-sdk/flux/codec"
)

// groups are the groups of the instance: sets of ranks.
type groups struct {
	mu     sync.Mutex
	byName map[string]*group
}

type group struct {
	members  map[uint32]bool
	joined   map[uint32]*codec.Message // the request that made a rank join
	watchers requests                  // at rank 0
}

func (g *groups) init(size int) {
	g.byName = make(map[string]*group)
	online := g.get("broker.online")
	for i := range size {
		online.members[uint32(i)] = true
	}
	g.get("broker.torpid")
}

func (g *groups) get(name string) *group {
	gr := g.byName[name]
	if gr == nil {
		gr = &group{members: make(map[uint32]bool), joined: make(map[uint32]*codec.Message)}
		g.byName[name] = gr
	}
	return gr
}

func (gr *group) payload() []byte {
	var ranks []uint32
	for r := range gr.members {
		ranks = append(ranks, r)
	}
	return encodeJSON(struct {
		Members string `json:"members"`
	}{idset(ranks)})
}

// change sets the membership of a rank and tells the watchers.
func (gr *group) change(root *rank, n uint32, in bool, bt *batch) {
	if gr.members[n] == in {
		return
	}
	if in {
		gr.members[n] = true
	} else {
		delete(gr.members, n)
	}
	for _, req := range gr.watchers {
		root.respond(req, 0, gr.payload(), bt)
	}
}

// drop takes a rank that is lost out of all groups.
func (g *groups) drop(r *rank) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var bt batch
	for _, gr := range g.byName {
		delete(gr.joined, r.n)
		gr.change(r.inst.ranks[0], r.n, false, &bt)
	}
	bt.flush()
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

var groupMethods = map[string]method{
	"groups.get":        {roleUser, groupGet},
	"groups.join":       {0, groupJoin},
	"groups.leave":      {0, groupLeave},
	"groups.stats-get":  {roleUser, noArgs(groupStats)},
	"groups.disconnect": {roleUser, groupDisconnect},
}

func groupGet(c *call) {
	name, ok := decodeObject(c.m.Payload).str("name")
	switch {
	case !ok:
		c.fail(ePROTO, "")
		return
	case c.r.n != 0:
		c.fail(ePROTO, "this RPC is only available on rank 0")
		return
	}
	g := &c.r.inst.groups
	g.mu.Lock()
	defer g.mu.Unlock()
	gr := g.get(name)
	c.respondRaw(gr.payload())
	if c.streaming() {
		gr.watchers = append(gr.watchers, c.keep())
	}
}

func groupJoin(c *call)  { c.member("join", true) }
func groupLeave(c *call) { c.member("leave", false) }

// member makes the rank join or leave a group, which only its own clients ask.
func (c *call) member(verb string, in bool) {
	name, ok := decodeObject(c.m.Payload).str("name")
	switch {
	case !ok:
		c.fail(ePROTO, "")
		return
	case c.m.Rolemask&roleLocal == 0:
		c.fail(ePROTO, "groups."+verb+" is restricted to the local broker")
		return
	}
	g := &c.r.inst.groups
	g.mu.Lock()
	defer g.mu.Unlock()
	gr := g.get(name)
	switch joined := gr.joined[c.r.n] != nil; {
	case in && joined:
		c.fail(eEXIST, fmt.Sprintf("rank %d is already a member of %s", c.r.n, name))
		return
	case !in && !joined:
		c.fail(eNOENT, fmt.Sprintf("rank %d is not a member of %s", c.r.n, name))
		return
	}
	if in {
		gr.joined[c.r.n] = c.keep()
	} else {
		delete(gr.joined, c.r.n)
	}
	gr.change(c.r.inst.ranks[0], c.r.n, in, c.bt)
	c.ok()
}

func groupStats(c *call) {
	g := &c.r.inst.groups
	g.mu.Lock()
	defer g.mu.Unlock()
	subtree := make(map[string]string)
	for name, gr := range g.byName {
		var ranks []uint32
		c.r.subtree(func(r *rank) {
			if gr.members[r.n] {
				ranks = append(ranks, r.n)
			}
		})
		subtree[name] = idset(ranks)
	}
	c.respond(struct {
		Subtree map[string]string `json:"subtree"`
	}{subtree})
}

func groupDisconnect(c *call) {
	g := &c.r.inst.groups
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, gr := range g.byName {
		if req := gr.joined[c.r.n]; req != nil && sameClient(c.m, req) {
			delete(gr.joined, c.r.n)
			gr.change(c.r.inst.ranks[0], c.r.n, false, c.bt)
		}
		if c.r.n == 0 {
			gr.watchers.disconnect(c.m)
		}
	}
}
