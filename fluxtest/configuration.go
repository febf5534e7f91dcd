package fluxtest

import (
	"encoding/json"
	"sync"

	"github.com/flux-sdk/flux/codec"
)

// configuration is that of the instance, the same on all ranks.
type configuration struct {
	mu      sync.Mutex
	value   json.RawMessage // an object
	getters map[*rank]*requests
}

// init configures what the options did.
func (g *configuration) init(inst *instance) {
	access := make(map[string]bool)
	if inst.b.cfg.guests {
		access["allow-guest-user"] = true
	}
	if inst.b.cfg.rootOwner {
		access["allow-root-owner"] = true
	}
	all := make(map[string]any)
	if len(access) > 0 {
		all["access"] = access
	}
	b := encodeJSON(all)
	g.value = b[:len(b)-1]
	g.getters = make(map[*rank]*requests)
}

func (g *configuration) payload() []byte { return append([]byte(g.value), 0) }

var configMethods = map[string]method{
	"config.get":        {roleUser, noArgs(configGet)},
	"config.load":       {0, configLoad},
	"config.reload":     {0, configReload},
	"config.disconnect": {roleUser, configDisconnect},
}

func configGet(c *call) {
	g := &c.r.inst.config
	g.mu.Lock()
	defer g.mu.Unlock()
	c.respondRaw(g.payload())
	if c.streaming() {
		if g.getters[c.r] == nil {
			g.getters[c.r] = new(requests)
		}
		*g.getters[c.r] = append(*g.getters[c.r], c.keep())
	}
}

const notHere = "configuration can only be changed on rank 0"

// configLoad replaces the configuration, as far as config.get shows it.
func configLoad(c *call) {
	var v map[string]any
	b, err := codec.JSONPayload(c.m.Payload)
	switch {
	case err != nil || hasBadNumber(b) || json.Unmarshal(b, &v) != nil:
		c.fail(ePROTO, "error decoding config.load request")
		return
	case c.r.n != 0:
		c.fail(eINVAL, notHere)
		return
	}
	g := &c.r.inst.config
	g.mu.Lock()
	defer g.mu.Unlock()
	next := encodeJSON(json.RawMessage(b))
	if next = next[:len(next)-1]; string(next) != string(g.value) {
		g.value = next
		for r, list := range g.getters {
			for _, req := range *list {
				r.respond(req, 0, g.payload(), c.bt)
			}
		}
	}
	c.ok()
}

// configReload has no files to read.
func configReload(c *call) {
	if c.r.n != 0 {
		c.fail(eINVAL, notHere)
		return
	}
	c.ok()
}

func configDisconnect(c *call) {
	g := &c.r.inst.config
	g.mu.Lock()
	defer g.mu.Unlock()
	if list := g.getters[c.r]; list != nil {
		list.disconnect(c.m)
	}
}
