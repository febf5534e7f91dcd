package fluxtest

import (
	"crypto/sha1"
	"encoding/hex"
	"strings"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest/internal/kvs"
)

// KVSFaults is what goes wrong in the key-value store. The zero value is nothing.
type KVSFaults struct {
	// Refuse answers requests with an errno: the keys are topics, such as "kvs.commit" or "kvs-watch.lookup".
	Refuse map[string]uint32
	// Stale are ranks that do not learn of new commits. Commits made there are not answered. A rank that is no longer
	// stale catches up.
	Stale []uint32
	// LoseWatches keeps all watches from hearing anything, even their end, as if kvs-watch had died.
	LoseWatches bool
}

// SetKVSFaults replaces the faults of the key-value store. They end with the instance.
func (b *Broker) SetKVSFaults(f KVSFaults) {
	faults := kvs.Faults{Refuse: f.Refuse, LoseWatches: f.LoseWatches}
	for _, rank := range f.Stale {
		faults.Stale = append(faults.Stale, int(rank))
	}
	inst := b.inst.Load()
	var bt batch
	inst.kvs.SetFaults(faults, kvsOut{inst, &bt})
	bt.flush()
}

// kvsOut sends what the key-value store says.
type kvsOut struct {
	inst *instance
	bt   *batch
}

func (o kvsOut) Respond(rank int, req *codec.Message, errnum uint32, payload []byte) {
	o.inst.ranks[rank].respond(req, errnum, payload, o.bt)
}

func (o kvsOut) Publish(topic string, payload []byte) {
	m := codec.NewEvent(topic)
	m.Flags |= codec.FlagPrivate
	m.UserID, m.Rolemask = o.inst.b.cfg.owner, roleOwner|roleLocal
	m.SetPayload(payload)
	o.inst.publish(m, nil, o.bt)
}

// newKVS returns the key-value store of an instance.
func newKVS(b *Broker) *kvs.Service {
	return kvs.New(b.cfg.owner, b.cfg.size, b.cfg.attrs["content.hash"])
}

// addKVS adds the services kvs, kvs-watch and content of one rank.
func addKVS(services map[string]*service, r *rank) {
	for _, name := range []string{"content", "kvs", "kvs-watch"} {
		services[name] = &service{name: name, defaults: true, methods: make(map[string]method)}
	}
	services["content"].uuid = r.inst.b.uuids.next()
	// The source of identities is left as it is, so that a seed gives the same ones to connections as it always did.
	services["kvs"].uuid = moduleUUID(r.uuid, "kvs")
	services["kvs-watch"].uuid = moduleUUID(r.uuid, "kvs-watch")
	for _, m := range kvs.Methods() {
		name, _, _ := strings.Cut(m.Topic, ".")
		services[name].methods[m.Topic] = method{m.Roles, func(c *call) {
			c.r.inst.kvs.Serve(int(c.r.n), c.m, kvsOut{c.r.inst, c.bt})
		}}
	}
}

// moduleUUID makes an identity of a broker's and of a name.
func moduleUUID(broker, name string) string {
	sum := sha1.Sum([]byte(broker + name))
	id := []byte(broker)
	copy(id, hex.EncodeToString(sum[:4]))
	return string(id)
}
