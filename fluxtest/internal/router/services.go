package router

import (
	"strings"
	"sync/atomic"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest/internal/service"
)

// registration is what a name of a service stands for on one rank: a client, or
// one of the broker's own services.
type registration struct {
	name   string
	client *Conn // that registered it; nil for one of the broker's own

	// Of one of the broker's own.
	methods  map[string]service.Method
	defaults bool
	terse    bool
	uuid     string // of the module that it is; "" if it is the broker itself
	debug    atomic.Int32
}

// Add registers services on all ranks that they are for. It is to be called
// before Listen.
func (inst *Instance) Add(services ...*service.Service) {
	inst.mu.Lock()
	defer inst.mu.Unlock()
	for _, s := range services {
		inst.services = append(inst.services, s)
		for _, r := range inst.ranks {
			if s.Ranks != nil && !s.Ranks(r.n) {
				continue
			}
			reg := &registration{name: s.Name, methods: s.Methods, defaults: s.Module || s.Defaults, terse: s.Terse}
			if s.Module {
				reg.uuid = inst.b.uuids.next()
			}
			r.names[s.Name] = reg
		}
	}
	inst.gen.Add(1)
}

// DefaultMethod is a method that every module has.
type DefaultMethod struct {
	Allow flux.Role
	Serve func(*Call)
}

// Call is a request at one of the broker's own services. It is the responder of
// the request until the method returns.
type Call struct {
	service.Request
	r   *Rank
	reg *registration
	b   *Batch // nil once the method has returned
}

// At is the rank where the request is served.
func (c *Call) At() *Rank { return c.r }

// Debug are the debug bits of the service.
func (c *Call) Debug() *atomic.Int32 { return &c.reg.debug }

// Route is the path of the request, its origin first and this end last, in the
// form that ping shows.
func (c *Call) Route() string {
	routes, end := c.Message().Routes, c.r.uuid
	if c.reg.uuid != "" {
		routes, end = routes.Push(c.r.uuid), c.reg.uuid
	}
	return strings.Trim(routes.String(), "|") + "!" + end[:8]
}

// SendResponse sends a response, written with what else the reader of the
// requester's connection has to send.
func (c *Call) SendResponse(m *codec.Message) {
	if c.b == nil {
		c.r.SendResponse(m)
		return
	}
	c.r.reply(m, c.b)
}

// SendEvent publishes an event, written with what else the reader of the
// requester's connection has to send.
func (c *Call) SendEvent(m *codec.Message) uint32 {
	if c.b == nil {
		return c.r.SendEvent(m)
	}
	return c.r.inst.publishService(m, c.b)
}

// Later returns the rank.
func (c *Call) Later() service.Responder { return c.r }

// FlushSent has what was sent so far written.
func (c *Call) FlushSent() {
	if c.b != nil {
		c.b.flush()
	}
}

// dispatch gives a request to a method of one of the broker's own services.
func (s *registration) dispatch(r *Rank, m *codec.Message, b *Batch) {
	c := &Call{r: r, reg: s, b: b}
	c.Request = service.MakeRequest(*m, r.n, c)
	method := strings.TrimPrefix(m.Topic[len(s.name):], ".")
	if me, ok := s.methods[method]; ok {
		if c.admit(me.Allow) {
			me.Serve(&c.Request)
		}
	} else if me, ok := r.inst.b.cfg.Defaults[method]; ok && s.defaults {
		if c.admit(me.Allow) {
			me.Serve(c)
		}
	} else {
		c.unknownMethod()
	}
	c.b = nil
}

// admit reports whether the sender may use a method, and refuses it otherwise.
func (c *Call) admit(allow flux.Role) bool {
	switch {
	case c.Roles()&(allow|flux.RoleOwner) != 0:
		return true
	case allow == 0:
		c.Fail(flux.EPERM, "Request requires owner credentials")
	default:
		c.Fail(flux.EPERM, "Request rejected due to insufficient privilege")
	}
	return false
}

func (c *Call) unknownMethod() {
	if c.reg.terse {
		c.Fail(flux.ENOSYS, "")
		return
	}
	text := "Unknown service method '" + c.Topic() + "'"
	c.Fail(flux.ENOSYS, text[:min(len(text), 255)])
}

// scriptedService serves what no script has of a service that has scripts: to
// clients it is a module.
func scriptedService(name string) *registration {
	return &registration{name: name, defaults: true, uuid: "5c217070-0000-4000-8000-000000000000"}
}

// Owns reports whether the service of a topic is one of the broker's own.
func (r *Rank) Owns(topic string) bool {
	name, _, _ := strings.Cut(topic, ".")
	r.inst.mu.RLock()
	defer r.inst.mu.RUnlock()
	s := r.names[name]
	return s != nil && s.client == nil
}

// Modules lists the modules of the rank and the services that scripts stand in
// for, in no order and possibly twice.
func (r *Rank) Modules() []string {
	names := r.inst.b.cfg.Scripts.Services(r.n)
	r.inst.mu.RLock()
	defer r.inst.mu.RUnlock()
	for name, s := range r.names {
		if s.uuid != "" {
			names = append(names, name)
		}
	}
	return names
}

// clearCounters is what an event with the topic SERVICE.stats-clear does.
func (inst *Instance) clearCounters(topic string) {
	name, ok := strings.CutSuffix(topic, ".stats-clear")
	if !ok {
		return
	}
	for _, r := range inst.ranks {
		for _, module := range r.Modules() {
			if module == name {
				r.Counters.Clear()
			}
		}
	}
}
