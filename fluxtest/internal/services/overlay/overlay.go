// Package overlay is the service that tells of the tree of brokers
// (overlay.topology, overlay.health and so on).
package overlay

import (
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest/internal/router"
	"github.com/flux-sdk/flux/fluxtest/internal/service"
)

type overlay struct{ inst *router.Instance }

// Service returns what is to be registered.
func Service(inst *router.Instance) *service.Service {
	o := overlay{inst}
	return &service.Service{Name: "overlay", Module: true, Methods: map[string]service.Method{
		"topology":   {Allow: flux.RoleUser, Serve: o.topology},
		"health":     {Allow: flux.RoleUser, Serve: service.NoArgs(o.health)},
		"stats-get":  {Allow: flux.RoleUser, Serve: service.NoArgs(o.stats)},
		"disconnect": {Allow: flux.RoleUser, Serve: func(*service.Request) {}},
	}}
}

type topology struct {
	Rank     uint32     `json:"rank"`
	Size     int        `json:"size"`
	Children []topology `json:"children"`
}

func topologyOf(r *router.Rank) topology {
	t := topology{Rank: r.Number(), Size: r.SubtreeSize(), Children: []topology{}}
	for _, c := range r.Children() {
		t.Children = append(t.Children, topologyOf(c))
	}
	return t
}

func (o overlay) topology(r *service.Request) {
	at := o.inst.Ranks()[r.Rank()]
	n, ok := r.Object().Int("rank")
	if !ok {
		r.Fail(flux.EPROTO, "")
		return
	}
	if n == int64(r.Rank()) {
		r.Respond(topologyOf(at))
		return
	}
	for _, child := range at.Children() {
		if n == int64(child.Number()) {
			r.Respond(topologyOf(child))
			return
		}
	}
	r.Fail(flux.ENOENT, "requested rank is not this broker or its direct child")
}

// healthOf is the status of the subtree of r.
func healthOf(r *router.Rank) string {
	if r.Lost() {
		return "lost"
	}
	for _, c := range r.Children() {
		if healthOf(c) != "full" {
			return "degraded"
		}
	}
	return "full"
}

func (o overlay) health(r *service.Request) {
	at := o.inst.Ranks()[r.Rank()]
	type child struct {
		Rank     uint32  `json:"rank"`
		Status   string  `json:"status"`
		Duration float64 `json:"duration"`
		Error    string  `json:"error,omitempty"`
	}
	up := time.Since(o.inst.Started()).Seconds()
	children := []child{}
	for _, c := range at.Children() {
		ch := child{Rank: c.Number(), Status: healthOf(c), Duration: up}
		if ch.Status == "lost" {
			ch.Error = "lost connection"
		}
		children = append(children, ch)
	}
	r.Respond(struct {
		Rank     uint32  `json:"rank"`
		Status   string  `json:"status"`
		Duration float64 `json:"duration"`
		Children []child `json:"children"`
	}{r.Rank(), healthOf(at), up, children})
}

func (o overlay) stats(r *service.Request) {
	at := o.inst.Ranks()[r.Rank()]
	type queues struct {
		Send int `json:"sendq"`
		Recv int `json:"recvq"`
	}
	stats := struct {
		Children    int    `json:"child-count"`
		Connected   int    `json:"child-connected"`
		Parents     int    `json:"parent-count"`
		ParentRPC   int    `json:"parent-rpc"`
		ChildRPC    int    `json:"child-rpc"`
		Interthread queues `json:"interthread"`
	}{Children: len(at.Children())}
	for _, c := range at.Children() {
		if !c.Lost() {
			stats.Connected++
		}
		_, n := c.Pending()
		stats.ChildRPC += n
	}
	if at.Parent() != nil {
		stats.Parents = 1
		stats.ParentRPC, _ = at.Pending()
	}
	r.Respond(stats)
}
