package flux

import (
	"encoding/json"
	"strings"
	"sync"

	"github.com/flux-sdk/flux/codec"
)

// scriptedEvents is the events of a broker with one connection.
type scriptedEvents struct {
	mu   sync.Mutex
	subs map[string]int // use counts
	seq  uint32
	log  []string // the subscribe and unsubscribe requests
}

// eventBroker is a handler that serves events.
func eventBroker() func(p *peer, m *codec.Message) {
	return (&scriptedEvents{subs: make(map[string]int)}).handle
}

func newEventBroker() *scriptedEvents { return &scriptedEvents{subs: make(map[string]int)} }

func (b *scriptedEvents) handle(p *peer, m *codec.Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	payload, _ := codec.JSONPayload(m.Payload)
	var req publishRequest
	json.Unmarshal(payload, &req)
	switch {
	case m.Type == codec.TypeEvent:
		b.deliver(p, m.Topic, m.Payload, m.Flags&codec.FlagPrivate)
	case m.Topic == "event.subscribe":
		b.log = append(b.log, "+"+req.Topic)
		b.subs[req.Topic]++
		p.respond(m, nil)
	case m.Topic == "event.unsubscribe":
		b.log = append(b.log, "-"+req.Topic)
		if b.subs[req.Topic] == 0 {
			p.refuse(m, ENOENT, "")
			return
		}
		if b.subs[req.Topic]--; b.subs[req.Topic] == 0 {
			delete(b.subs, req.Topic)
		}
		p.respond(m, nil)
	case m.Topic == "event.publish":
		b.deliver(p, req.Topic, req.Payload, codec.Flags(req.Flags))
		p.respond(m, map[string]uint32{"seq": b.seq})
	default:
		echo(p, m)
	}
}

func (b *scriptedEvents) deliver(p *peer, topic string, payload []byte, flags codec.Flags) {
	b.seq++
	for prefix := range b.subs {
		if strings.HasPrefix(topic, prefix) {
			p.event(topic, b.seq, payload, flags)
			return
		}
	}
}

// event sends an event as a broker does.
func (p *peer) event(topic string, seq uint32, payload []byte, flags codec.Flags) {
	m := codec.NewEvent(topic)
	m.Flags |= flags
	m.UserID, m.Rolemask, m.Sequence = 0, 5, seq
	m.Routes = codec.MakeRoutes("63c2cf00-a775-487a-8128-7f1c7fc9eef0")
	m.Payload = payload
	p.send(m)
}

// requests returns the log of subscribe and unsubscribe requests and empties it.
func (b *scriptedEvents) requests() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	log := b.log
	b.log = nil
	return log
}
