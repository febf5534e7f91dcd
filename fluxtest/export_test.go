package fluxtest

import (
	"fmt"
	"strings"

	"github.com/flux-sdk/flux/fluxtest/internal/router"
)

// FlushEvery is how many messages of a batch are passed on before they are
// written.
const FlushEvery = router.FlushEvery

// Residue describes what is in the tables of the broker that only connections
// and their requests put there; "" is nothing.
func (b *Broker) Residue() string {
	inst := b.inst.Load()
	left := inst.Leftover()
	add := func(n int, what string) {
		if n > 0 {
			left = append(left, fmt.Sprintf("%d %s", n, what))
		}
	}
	b.scripts.mu.Lock()
	add(len(b.scripts.active), "scripted requests")
	add(len(b.scripts.running), "scripts")
	b.scripts.mu.Unlock()
	add(inst.groups.Waiting(), "group members and watchers")
	add(inst.config.Waiting(), "config.get watchers")
	add(inst.log.Waiting(), "log.dmesg followers")
	add(inst.states.Waiting(), "state-machine waiters")
	return strings.Join(left, ", ")
}
