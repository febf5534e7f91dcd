package fluxtest

import (
	"github.com/flux-sdk/flux/fluxtest/internal/router"
	"github.com/flux-sdk/flux/fluxtest/internal/service"
	"github.com/flux-sdk/flux/fluxtest/internal/services/attr"
	"github.com/flux-sdk/flux/fluxtest/internal/services/broker"
	"github.com/flux-sdk/flux/fluxtest/internal/services/config"
	"github.com/flux-sdk/flux/fluxtest/internal/services/connector"
	"github.com/flux-sdk/flux/fluxtest/internal/services/content"
	"github.com/flux-sdk/flux/fluxtest/internal/services/event"
	"github.com/flux-sdk/flux/fluxtest/internal/services/groups"
	"github.com/flux-sdk/flux/fluxtest/internal/services/log"
	"github.com/flux-sdk/flux/fluxtest/internal/services/module"
	"github.com/flux-sdk/flux/fluxtest/internal/services/overlay"
	"github.com/flux-sdk/flux/fluxtest/internal/services/state"
)

// instance is one life of a Broker, with those of its services that a test can
// reach by methods of Broker.
type instance struct {
	*router.Instance
	attrs  *attr.Attributes
	log    *log.Log
	states *state.States
	groups *groups.Groups
	config *config.Config
}

// newInstance makes an instance with all its services. It does not run yet.
func (b *Broker) newInstance() *instance {
	r := b.router.NewInstance()
	inst := &instance{
		Instance: r,
		attrs: attr.New(r, attr.Settings{
			Version: Version, FanOut: b.cfg.fanout, RunDir: b.runDir(), URI: b.URIOf,
			Log: log.Attributes(), More: b.cfg.attrs,
		}),
		log:    log.New(r),
		states: state.New(r, b.cfg.state),
		groups: groups.New(r),
		config: config.New(r),
	}
	inst.Add(
		broker.Service(r),
		inst.attrs.Service(),
		inst.log.Service(),
		event.Service(),
		inst.states.Service(),
		module.Service(r),
		inst.config.Service(),
		inst.groups.Service(),
		overlay.Service(r),
		content.Service(),
		connector.Service(r),
	)
	// These are there in a real broker, but have nothing that works here.
	for _, name := range []string{"service", "heaptrace", "bootstrap", "runat", "shutdown"} {
		inst.Add(&service.Service{Name: name})
	}
	return inst
}
