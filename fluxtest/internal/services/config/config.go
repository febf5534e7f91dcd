// Package config is the service of the instance's configuration (config.get and
// so on).
package config

import (
	"encoding/json"
	"sync"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest/internal/jansson"
	"github.com/flux-sdk/flux/fluxtest/internal/router"
	"github.com/flux-sdk/flux/fluxtest/internal/service"
)

// Config is the service. The configuration is the same on all ranks.
type Config struct {
	inst *router.Instance

	mu      sync.Mutex
	payload []byte            // of the answer to config.get; guarded by mu
	getters []service.Pending // that want to hear of changes, by rank; guarded by mu
}

// New makes the service for an instance, and configures what its options did.
func New(inst *router.Instance) *Config {
	access := make(map[string]bool)
	guests, rootOwner := inst.Access()
	if guests {
		access["allow-guest-user"] = true
	}
	if rootOwner {
		access["allow-root-owner"] = true
	}
	all := make(map[string]any)
	if len(access) > 0 {
		all["access"] = access
	}
	g := &Config{inst: inst, getters: make([]service.Pending, inst.Size())}
	g.setLocked(jansson.Payload(all))
	return g
}

// Waiting is the number of requests that want to hear of changes. It is for
// tests.
func (g *Config) Waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for i := range g.getters {
		n += g.getters[i].Len()
	}
	return n
}

// Service is what is to be registered.
func (g *Config) Service() *service.Service {
	return &service.Service{Name: "config", Module: true, Methods: map[string]service.Method{
		"get":        {Allow: flux.RoleUser, Serve: service.NoArgs(g.get)},
		"load":       {Serve: g.load},
		"reload":     {Serve: g.reload},
		"disconnect": {Allow: flux.RoleUser, Serve: g.disconnect},
	}}
}

// setLocked replaces the configuration by the JSON object in a payload.
func (g *Config) setLocked(payload []byte) {
	g.payload = payload
	g.inst.SetConfig(jansson.Decode(payload))
}

func (g *Config) get(r *service.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r.RespondBytes(g.payload)
	if r.Streaming() {
		g.getters[r.Rank()].Add(r.KeepHeader())
	}
}

const onlyAtRoot = "configuration can only be changed on rank 0"

// load replaces the configuration, as far as config.get shows it.
func (g *Config) load(r *service.Request) {
	var v map[string]any
	b, err := codec.JSONPayload(r.Payload())
	switch {
	case err != nil || jansson.HasBadNumber(b) || json.Unmarshal(b, &v) != nil:
		r.Fail(flux.EPROTO, "error decoding config.load request")
		return
	case r.Rank() != 0:
		r.Fail(flux.EINVAL, onlyAtRoot)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if next := jansson.Payload(json.RawMessage(b)); string(next) != string(g.payload) {
		g.setLocked(next)
		for i := range g.getters {
			for getter := range g.getters[i].All() {
				getter.RespondBytes(g.payload)
			}
		}
	}
	r.OK()
}

// reload has no files to read.
func (g *Config) reload(r *service.Request) {
	if r.Rank() != 0 {
		r.Fail(flux.EINVAL, onlyAtRoot)
		return
	}
	r.OK()
}

func (g *Config) disconnect(r *service.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.getters[r.Rank()].Disconnect(r)
}
