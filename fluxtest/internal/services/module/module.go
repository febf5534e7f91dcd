// Package module is the service that lists the modules of a broker (module.list
// and so on).
package module

import (
	"slices"
	"strings"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest/internal/router"
	"github.com/flux-sdk/flux/fluxtest/internal/service"
)

type modules struct{ inst *router.Instance }

// Service returns what is to be registered.
func Service(inst *router.Instance) *service.Service {
	m := modules{inst}
	return &service.Service{Name: "module", Methods: map[string]service.Method{
		"list":       {Allow: flux.RoleUser, Serve: service.NoArgs(m.list)},
		"load":       {Serve: m.load},
		"remove":     {Serve: m.remove},
		"disconnect": {Serve: func(*service.Request) {}},
	}}
}

func (m modules) exists(r *service.Request, name string) bool {
	return slices.Contains(m.inst.Ranks()[r.Rank()].Modules(), name)
}

// load finds no module that is not there already.
func (m modules) load(r *service.Request) {
	o := r.Object()
	path, ok := o.Str("path")
	if !ok || !o.Has("args") {
		r.Fail(flux.EPROTO, "")
		return
	}
	slash := strings.Contains(path, "/")
	switch {
	case m.exists(r, path):
		r.Fail(flux.EEXIST, "")
	case slash && strings.HasSuffix(path, ".so"):
		r.Fail(flux.ENOENT, path+": cannot open shared object file: No such file or directory")
	case slash:
		r.Fail(flux.ENOENT, "could not determine loader from path suffix")
	default:
		r.Fail(flux.ENOENT, "module not found in search path")
	}
}

// remove removes nothing: the modules are part of the broker.
func (m modules) remove(r *service.Request) {
	name, ok := r.Object().Str("name")
	switch {
	case !ok:
		r.Fail(flux.EPROTO, "")
	case m.exists(r, name):
		r.Fail(flux.EPERM, "fluxtest: the modules of this broker stay")
	default:
		r.Fail(flux.ENOENT, "")
	}
}

func (m modules) list(r *service.Request) {
	type module struct {
		Name     string   `json:"name"`
		Path     string   `json:"path"`
		Idle     int      `json:"idle"`
		Status   int      `json:"status"`
		Services []string `json:"services"`
		Sendq    int      `json:"sendqueue"`
		Recvq    int      `json:"recvqueue"`
	}
	names := m.inst.Ranks()[r.Rank()].Modules()
	slices.Sort(names)
	idle := int(time.Since(m.inst.Started()) / time.Second)
	mods := []module{}
	for _, name := range slices.Compact(names) {
		if strings.ContainsAny(name, "*?[") {
			continue
		}
		mods = append(mods, module{Name: name, Path: "builtin", Idle: idle, Status: 1, Services: []string{name}})
	}
	r.Respond(struct {
		Mods []module `json:"mods"`
	}{mods})
}
