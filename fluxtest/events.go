package fluxtest

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/flux-sdk/flux/codec"
)

// subscriptions finds who is subscribed to a prefix of a topic. It looks up one
// prefix for each length that somebody uses, so its cost does not grow with the
// number of subscribers that do not match.
type subscriptions struct {
	byTopic map[string]map[*Conn]struct{}
	lengths map[int]int // how many topics have this length
}

func (s *subscriptions) init() {
	s.byTopic = make(map[string]map[*Conn]struct{})
	s.lengths = make(map[int]int)
}

func (s *subscriptions) add(topic string, c *Conn) {
	conns := s.byTopic[topic]
	if conns == nil {
		conns = make(map[*Conn]struct{})
		s.byTopic[topic] = conns
		s.lengths[len(topic)]++
	}
	conns[c] = struct{}{}
}

func (s *subscriptions) remove(topic string, c *Conn) {
	conns := s.byTopic[topic]
	delete(conns, c)
	if len(conns) > 0 {
		return
	}
	delete(s.byTopic, topic)
	if s.lengths[len(topic)]--; s.lengths[len(topic)] == 0 {
		delete(s.lengths, len(topic))
	}
}

// subscribe counts one more use of a topic by the connection.
func (c *Conn) subscribe(m *codec.Message) uint32 {
	topic, ok := decodeObject(m.Payload).str("topic")
	if !ok {
		return ePROTO
	}
	c.inst.evmu.Lock()
	defer c.inst.evmu.Unlock()
	if c.subs == nil {
		c.subs = make(map[string]int)
	}
	if c.subs[topic]++; c.subs[topic] == 1 {
		c.inst.subs.add(topic, c)
	}
	return 0
}

func (c *Conn) unsubscribe(m *codec.Message) uint32 {
	topic, ok := decodeObject(m.Payload).str("topic")
	if !ok {
		return ePROTO
	}
	c.inst.evmu.Lock()
	defer c.inst.evmu.Unlock()
	if c.subs[topic] == 0 {
		return eNOENT
	}
	if c.subs[topic]--; c.subs[topic] == 0 {
		delete(c.subs, topic)
		c.inst.subs.remove(topic, c)
	}
	return 0
}

// publish numbers an event and queues it for all that are to see it. direct is
// the rank whose client sent the event message itself; nil if a service did.
func (inst *instance) publish(m *codec.Message, direct *rank, bt *batch) uint32 {
	from := inst.ranks[0]
	if direct != nil {
		from = direct
	}
	roles := m.Rolemask
	inst.evmu.Lock()
	defer inst.evmu.Unlock()
	inst.seq++
	inst.clearStats(m.Topic)
	m.Sequence, m.Matchtag = inst.seq, 0
	m.Flags |= codec.FlagRoute
	for n := range inst.subs.lengths {
		if n > len(m.Topic) {
			continue
		}
		for c := range inst.subs.byTopic[m.Topic[:n]] {
			if c.lastSeq == inst.seq || c.r.lost.Load() {
				continue
			}
			c.lastSeq = inst.seq
			if m.Flags&codec.FlagPrivate != 0 && c.roles&roleOwner == 0 && c.userid != m.UserID {
				continue
			}
			m.Routes, m.Rolemask = c.r.self, roles
			if c.r == direct && c.r.n == 0 {
				m.Routes = c.r.direct
			}
			if c.r != from || direct != nil && direct.n != 0 {
				m.Rolemask &^= roleLocal
			}
			bt.send(c, m)
		}
	}
	return inst.seq
}

// eventPublish is the service behind event.publish.
func eventPublish(c *call) {
	o := decodeObject(c.m.Payload)
	topic, okTopic := o.str("topic")
	flags, okFlags := o.integer("flags")
	text, okText := "", true
	if o.has("payload") {
		text, okText = o.str("payload")
	}
	switch {
	case !okTopic || !okFlags || !okText:
		c.fail(ePROTO, "")
		return
	case c.r.n != 0:
		c.fail(ePROTO, "this service is only available on rank 0")
		return
	case flags&^int64(codec.FlagPrivate) != 0:
		c.fail(ePROTO, "")
		return
	}
	payload, ok := decodeBase64(text)
	if !ok {
		c.fail(ePROTO, "")
		return
	}
	m := codec.NewEvent(topic)
	m.Flags |= codec.Flags(flags)
	m.UserID, m.Rolemask = c.m.UserID, c.m.Rolemask
	m.SetPayload(payload)
	c.respond(struct {
		Seq uint32 `json:"seq"`
	}{c.r.inst.publish(m, nil, c.bt)})
}

// decodeBase64 takes the standard alphabet with or without padding, and nothing
// between, with the leniency of the broker: of the last group of up to four
// characters all padding goes, and what is left is filled up with zeros. No
// bytes are no payload.
func decodeBase64(s string) ([]byte, bool) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, false // the decoder would skip them
	}
	last := max(0, (len(s)-1)/4*4)
	tail := strings.TrimRight(s[last:], "=")
	b, err := base64.RawStdEncoding.DecodeString(s[:last] + tail)
	if err != nil || len(b) == 0 {
		return nil, err == nil
	}
	return b, true
}

// Emit publishes an event as the instance owner, from rank 0, and returns its
// number. The payload is encoded as by [codec.EncodePayload]: nil is none,
// []byte is sent as it is, a string gets a NUL, anything else is JSON. What
// cannot be encoded panics. When Emit returns the event is queued for all
// subscribers.
func (b *Broker) Emit(topic string, payload any) uint32 {
	p, err := codec.EncodePayload(payload, json.Marshal)
	if err != nil {
		panic("fluxtest: Emit: " + err.Error())
	}
	m := codec.NewEvent(topic)
	m.SetPayload(p)
	return b.EmitMessage(m)
}

// EmitMessage is [Broker.Emit] for an event message made by the caller, who
// can make it private or another user's. The sequence is assigned, unset
// credentials are the owner's, and routes are replaced. m is not changed.
func (b *Broker) EmitMessage(m *codec.Message) uint32 {
	ev := *m
	if ev.UserID == codec.UserIDUnknown {
		ev.UserID = b.cfg.owner
	}
	if ev.Rolemask == codec.RoleNone {
		ev.Rolemask = roleOwner | roleLocal
	}
	var bt batch
	seq := b.inst.Load().publish(&ev, nil, &bt)
	bt.flush()
	return seq
}
