// Package broker is the service of the broker itself (broker.getenv and so on).
package broker

import (
	"maps"
	"os"
	"sync"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest/internal/service"
)

type brokers struct {
	envs []environ // by rank
}

// Service returns what is to be registered.
func Service(b service.Broker) *service.Service {
	s := &brokers{envs: make([]environ, b.Size())}
	return &service.Service{Name: "broker", Defaults: true, Methods: map[string]service.Method{
		"getenv":       {Serve: s.getenv},
		"setenv":       {Serve: s.setenv},
		"conf-builtin": {Allow: flux.RoleAll, Serve: confBuiltin},
		"disconnect":   {Serve: func(*service.Request) {}},
	}}
}

// environ is the environment of one rank's broker: that of this process, with
// what clients changed on top. The process itself is left alone.
type environ struct {
	mu      sync.Mutex
	changed map[string]*string // nil for what was unset; guarded by mu
}

func (e *environ) get(name string) (string, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if v, ok := e.changed[name]; ok {
		if v == nil {
			return "", false
		}
		return *v, true
	}
	return os.LookupEnv(name)
}

func (s *brokers) getenv(r *service.Request) {
	o := r.Object()
	if !o.Has("names") {
		r.Fail(flux.EPROTO, "")
		return
	}
	var names []string
	o.Unmarshal("names", &names) // what is no array of names has none
	env := make(map[string]string)
	for _, name := range names {
		if v, ok := s.envs[r.Rank()].get(name); ok {
			env[name] = v
		}
	}
	r.Respond(struct {
		Env map[string]string `json:"env"`
	}{env})
}

func (s *brokers) setenv(r *service.Request) {
	var env map[string]*string
	if !r.Object().Unmarshal("env", &env) || env == nil {
		r.Fail(flux.EPROTO, "")
		return
	}
	e := &s.envs[r.Rank()]
	e.mu.Lock()
	if e.changed == nil {
		e.changed = make(map[string]*string)
	}
	maps.Copy(e.changed, env)
	e.mu.Unlock()
	r.OK()
}

func confBuiltin(r *service.Request) {
	var keys []string
	if !r.Object().Unmarshal("keys", &keys) {
		r.Fail(flux.EPROTO, "")
		return
	}
	values := make(map[string]string)
	for _, key := range keys {
		if key != "rundir" {
			r.Fail(flux.EINVAL, key+": invalid key")
			return
		}
		values[key] = "/run/flux"
	}
	r.Respond(struct {
		Values map[string]string `json:"values"`
	}{values})
}
