package fluxtest

import (
	"strings"

	"github.com/flux-sdk/flux/codec"
)

// receive handles one message of the client as its router does.
func (c *Conn) receive(m *codec.Message, bt *batch) {
	c.inst.b.record.add(c, m)
	c.stamp(m)
	if m.Flags&codec.FlagTopic == 0 {
		return
	}
	switch m.Type {
	case codec.TypeRequest:
		c.request(m, bt)
	case codec.TypeResponse:
		c.r.counters.rxResponse.Add(1)
		if len(m.Routes) > len(c.r.self) && string(m.Routes[:len(c.r.self)]) == string(c.r.self) {
			m.Routes = m.Routes[len(c.r.self):]
			c.r.response(m, bt)
		}
	case codec.TypeEvent:
		if !c.r.lost.Load() {
			c.inst.publish(m, c.r, bt)
		}
	}
}

// stamp fills in the credentials. Only an owner may state others than its own,
// each field by itself.
func (c *Conn) stamp(m *codec.Message) {
	owner := c.roles&roleOwner != 0
	if !owner || m.UserID == codec.UserIDUnknown {
		m.UserID = c.userid
	}
	if !owner || m.Rolemask == codec.RoleNone {
		m.Rolemask = c.roles
	}
}

func (c *Conn) request(m *codec.Message, bt *batch) {
	c.r.counters.rxRequest.Add(1)
	switch m.Topic {
	case "event.subscribe":
		c.answer(m, c.subscribe(m), bt)
		return
	case "event.unsubscribe":
		c.answer(m, c.unsubscribe(m), bt)
		return
	case "service.add":
		if errnum, answer := c.addService(m); answer {
			c.answer(m, errnum, bt)
		}
		return
	case "service.remove":
		if errnum, answer := c.removeService(m); answer {
			c.answer(m, errnum, bt)
		}
		return
	}
	if !c.arm(m) {
		return
	}
	if len(m.Routes) == 0 {
		m.Routes = c.atBroker
	} else {
		m.Routes = append(c.atBroker[:len(c.atBroker):len(c.atBroker)], m.Routes...)
	}
	m.Flags |= codec.FlagRoute
	if c.r.state.offline() && !early(m.Topic) {
		c.r.fail(m, eAGAIN, "Upstream Flux broker is offline. Try again later.", bt)
		return
	}
	c.r.request(m, c, bt)
}

// answer is the router's own response: it bears no flags or routes of the
// request, and comes whether one is wanted or not.
func (c *Conn) answer(req *codec.Message, errnum uint32, bt *batch) {
	m := codec.Message{
		Type: codec.TypeResponse, Flags: codec.FlagTopic | codec.FlagRoute,
		UserID: codec.UserIDUnknown, Rolemask: roleOwner,
		Errnum: errnum, Matchtag: req.Matchtag, Topic: req.Topic,
	}
	bt.send(c, &m)
}

// early tells the requests that a broker takes before it is online.
func early(topic string) bool {
	switch topic {
	case "state-machine.wait", "state-machine.get", "attr.get", "log.dmesg":
		return true
	}
	return false
}

// armKey is what a disconnect notice is sent for once.
type armKey struct {
	prefix   string // the topic up to its last period
	dotted   bool
	nodeid   uint32
	upstream bool
}

// arm notes where a disconnect notice must go when the connection ends. It
// reports false for a request that the router drops because no notice could be
// made of it.
func (c *Conn) arm(m *codec.Message) bool {
	if m.Flags&codec.FlagNoResponse != 0 {
		return true
	}
	key := armKey{nodeid: m.NodeID, upstream: m.Flags&codec.FlagUpstream != 0}
	if i := strings.LastIndexByte(m.Topic, '.'); i >= 0 {
		key.prefix, key.dotted = m.Topic[:i], true
	}
	if key == c.lastArm {
		return true
	}
	if len(key.prefix) > codec.MaxService {
		return false
	}
	c.lastArm = key
	if c.armed[key] == nil {
		first := header(m)
		first.Topic = key.notice()
		c.armed[key] = first
		c.notices = append(c.notices, first)
	}
	return true
}

// notice is the topic of the disconnect notice.
func (k armKey) notice() string {
	if !k.dotted {
		return "disconnect"
	}
	return k.prefix + ".disconnect"
}

// fireDisconnect sends the notices: clones of the first request of each kind,
// matchtag included.
func (c *Conn) fireDisconnect(bt *batch) {
	for _, m := range c.notices {
		m.Flags = m.Flags&^(codec.FlagPayload|codec.FlagStreaming) | codec.FlagNoResponse | codec.FlagRoute
		m.Routes = append(c.atBroker[:len(c.atBroker):len(c.atBroker)], m.Routes...)
		c.r.request(m, c, bt)
	}
	c.armed, c.notices = nil, nil
}

// isDisconnect recognizes a disconnect notice.
func isDisconnect(topic string) bool {
	return topic == "disconnect" || strings.HasSuffix(topic, ".disconnect")
}
