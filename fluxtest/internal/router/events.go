package router

import (
	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest/internal/jansson"
)

// subscriptions finds the connections that are subscribed to a prefix of a topic.
// It looks up one prefix for each length in use, so its cost does not grow with
// the number of subscribers that do not match.
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
func (c *Conn) subscribe(m *codec.Message) flux.Errno {
	topic, ok := jansson.Decode(m.Payload).Str("topic")
	if !ok {
		return flux.EPROTO
	}
	c.inst.eventMu.Lock()
	defer c.inst.eventMu.Unlock()
	if c.subs == nil {
		c.subs = make(map[string]int)
	}
	if c.subs[topic]++; c.subs[topic] == 1 {
		c.inst.subs.add(topic, c)
		c.inst.b.subscribed.notify()
	}
	return 0
}

func (c *Conn) unsubscribe(m *codec.Message) flux.Errno {
	topic, ok := jansson.Decode(m.Payload).Str("topic")
	if !ok {
		return flux.EPROTO
	}
	c.inst.eventMu.Lock()
	defer c.inst.eventMu.Unlock()
	if c.subs[topic] == 0 {
		return flux.ENOENT
	}
	if c.subs[topic]--; c.subs[topic] == 0 {
		delete(c.subs, topic)
		c.inst.subs.remove(topic, c)
	}
	return 0
}

// Publish publishes an event of a service, from rank 0. Unset credentials are the
// owner's. m is not changed.
func (inst *Instance) Publish(m *codec.Message) uint32 {
	ev := *m
	var b Batch
	seq := inst.publishService(&ev, &b)
	b.flush()
	return seq
}

// publishService queues an event of a service. m is changed.
func (inst *Instance) publishService(m *codec.Message, b *Batch) uint32 {
	if m.UserID == codec.UserIDUnknown {
		m.UserID = inst.b.cfg.Owner
	}
	if m.Rolemask == codec.RoleNone {
		m.Rolemask = roleOwner | roleLocal
	}
	return inst.publish(m, nil, b)
}

// publish numbers an event and queues it for all that are to see it. direct is
// the rank whose client sent the event message itself; nil if a service did.
func (inst *Instance) publish(m *codec.Message, direct *Rank, b *Batch) uint32 {
	from := inst.ranks[0]
	if direct != nil {
		from = direct
	}
	roles := m.Rolemask
	inst.eventMu.Lock()
	defer inst.eventMu.Unlock()
	inst.seq++
	inst.clearCounters(m.Topic)
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
			m.Routes, m.Rolemask = c.r.hop, roles
			if c.r == direct && c.r.n == 0 {
				m.Routes = c.r.directRoutes
			}
			if c.r != from || direct != nil && direct.n != 0 {
				m.Rolemask &^= roleLocal
			}
			b.send(c, m)
		}
	}
	return inst.seq
}
