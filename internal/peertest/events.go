package peertest

import (
	"encoding/json"
	"maps"
	"strings"
	"sync"

	"github.com/flux-sdk/flux/codec"
)

// EventBroker is the events of a broker with one connection. Its Handle is a
// handler for Serve.
type EventBroker struct {
	// Guarded by mu.
	mu       sync.Mutex
	subs     map[string]int // use counts
	seq      uint32
	requests []string // to subscribe and unsubscribe
}

// NewEventBroker returns a broker without subscriptions.
func NewEventBroker() *EventBroker { return &EventBroker{subs: make(map[string]int)} }

// errnoNotFound is ENOENT on the wire.
const errnoNotFound = 2

// Handle answers the requests about events, passes on the events that were
// published, and answers any other request with its payload.
func (b *EventBroker) Handle(p *Peer, m *codec.Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	payload, _ := codec.JSONPayload(m.Payload)
	var req struct {
		Topic   string
		Flags   int
		Payload []byte
	}
	json.Unmarshal(payload, &req)
	switch {
	case m.Type == codec.TypeEvent:
		b.deliverLocked(p, m.Topic, m.Payload, m.Flags&codec.FlagPrivate)
	case m.Topic == "event.subscribe":
		b.requests = append(b.requests, "+"+req.Topic)
		b.subs[req.Topic]++
		p.Respond(m, nil)
	case m.Topic == "event.unsubscribe":
		b.requests = append(b.requests, "-"+req.Topic)
		if b.subs[req.Topic] == 0 {
			p.Refuse(m, errnoNotFound, "")
			return
		}
		if b.subs[req.Topic]--; b.subs[req.Topic] == 0 {
			delete(b.subs, req.Topic)
		}
		p.Respond(m, nil)
	case m.Topic == "event.publish":
		b.deliverLocked(p, req.Topic, req.Payload, codec.Flags(req.Flags))
		p.Respond(m, map[string]uint32{"seq": b.seq})
	default:
		Echo(p, m)
	}
}

func (b *EventBroker) deliverLocked(p *Peer, topic string, payload []byte, flags codec.Flags) {
	b.seq++
	for prefix := range b.subs {
		if strings.HasPrefix(topic, prefix) {
			p.Event(topic, b.seq, payload, flags)
			return
		}
	}
}

// TakeRequests returns the subscribe and unsubscribe requests since the last time,
// as "+prefix" and "-prefix".
func (b *EventBroker) TakeRequests() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.requests
	b.requests = nil
	return list
}

// Subscriptions returns the prefixes that are subscribed to, with use counts.
func (b *EventBroker) Subscriptions() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.subs)
}

// Seq returns the number of the last event.
func (b *EventBroker) Seq() uint32 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seq
}
