package fluxtest

import (
	"fmt"
	"strings"
)

// FlushEvery is flushEvery.
const FlushEvery = flushEvery

// Residue describes what is in the tables of the broker that only connections
// and their requests put there; "" is nothing.
func (b *Broker) Residue() string {
	var left []string
	add := func(n int, what string) {
		if n > 0 {
			left = append(left, fmt.Sprintf("%d %s", n, what))
		}
	}
	b.scripts.mu.Lock()
	add(len(b.scripts.active), "scripted requests")
	add(len(b.scripts.running), "scripts")
	b.scripts.mu.Unlock()
	inst := b.inst.Load()
	inst.evmu.Lock()
	add(len(inst.subs.byTopic)+len(inst.subs.lengths), "subscriptions")
	inst.evmu.Unlock()
	inst.groups.mu.Lock()
	for _, gr := range inst.groups.byName {
		add(len(gr.watchers)+len(gr.joined), "group members and watchers")
	}
	inst.groups.mu.Unlock()
	inst.config.mu.Lock()
	for _, list := range inst.config.getters {
		add(len(*list), "config.get watchers")
	}
	inst.config.mu.Unlock()
	for _, r := range inst.ranks {
		r.log.mu.Lock()
		add(len(r.log.followers), "log.dmesg followers")
		r.log.mu.Unlock()
		r.state.mu.Lock()
		add(len(r.state.waiters)+len(r.state.monitors), "state-machine waiters")
		r.state.mu.Unlock()
		if r.up != nil {
			down, up := r.up.pending()
			add(down+up, "requests pending across a link")
		}
	}
	inst.mu.RLock()
	defer inst.mu.RUnlock()
	add(len(inst.conns), "connections")
	for _, r := range inst.ranks {
		add(len(r.held), "names held")
		for _, s := range r.services {
			if s.client != nil {
				add(1, "service "+s.name)
			}
		}
	}
	return strings.Join(left, ", ")
}
