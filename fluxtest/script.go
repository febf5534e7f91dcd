package fluxtest

import "github.com/flux-sdk/flux/codec"

// Handle makes f serve the requests for a topic, on every rank, as a module
// loaded everywhere would. The topic may be a glob by the rules of
// [codec.Match]; a literal topic goes before a glob, and of globs the newest.
// Scripts go before the broker's own services and before those of clients, whose
// names they take. A later Handle for the same topic replaces f, and a nil f
// removes it.
//
// f runs in a goroutine of its own for each request; see [Request] for what it
// can do, which includes nothing at all.
func (b *Broker) Handle(topic string, f func(*Request)) {
	b.scripts.set(&script{b: b, topic: topic, f: f, rank: anyRank})
}

// HandleAt is [Broker.Handle] for one rank, so that a request reaches it only
// from that rank and those below, or when addressed there.
func (b *Broker) HandleAt(rank uint32, topic string, f func(*Request)) {
	b.scripts.set(&script{b: b, topic: topic, f: f, rank: rank})
}

// HandleInline is [Broker.Handle] with f run by the reader of the connection
// that sent the request: requests of one connection are served in order, and
// nothing else of it is read meanwhile. f must not wait for anything.
func (b *Broker) HandleInline(topic string, f func(*Request)) {
	b.scripts.set(&script{b: b, topic: topic, f: f, rank: anyRank, inline: true})
}

const anyRank = codec.NodeAny
