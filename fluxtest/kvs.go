package fluxtest

import (
	"maps"
	"slices"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest/internal/services/kvs"
)

// KVSFaults is what goes wrong in the key-value store. The zero value is nothing.
type KVSFaults struct {
	// Refuse answers requests with an errno: the keys are topics, such as
	// "kvs.commit" or "kvs-watch.lookup".
	Refuse map[string]flux.Errno
	// Stale are ranks that do not learn of new commits. Commits made there are
	// not answered. A rank that is no longer stale catches up.
	Stale []uint32
	// LoseWatches keeps all watches from hearing anything, even their end, as if
	// kvs-watch had died.
	LoseWatches bool
}

// SetKVSFaults replaces the faults of the key-value store. They end with the
// instance.
func (b *Broker) SetKVSFaults(f KVSFaults) {
	b.inst.Load().kvs.SetFaults(kvs.Faults{Refuse: maps.Clone(f.Refuse), Stale: slices.Clone(f.Stale), LoseWatches: f.LoseWatches})
}
