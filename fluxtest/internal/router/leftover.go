package router

import "fmt"

// Leftover lists what is in the tables of the instance that only connections and
// their requests put there. It is for tests.
func (inst *Instance) Leftover() []string {
	var left []string
	add := func(n int, what string) {
		if n > 0 {
			left = append(left, fmt.Sprintf("%d %s", n, what))
		}
	}
	inst.eventMu.Lock()
	add(len(inst.subs.byTopic)+len(inst.subs.lengths), "subscriptions")
	inst.eventMu.Unlock()
	for _, r := range inst.ranks {
		here, atParent := r.Pending()
		add(here+atParent, "requests pending across a link")
	}
	inst.mu.RLock()
	defer inst.mu.RUnlock()
	add(len(inst.conns), "connections")
	for _, r := range inst.ranks {
		add(len(r.held), "names held")
		for _, s := range r.names {
			if s.client != nil {
				add(1, "service "+s.name)
			}
		}
	}
	return left
}
