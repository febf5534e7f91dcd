package router

import (
	"strings"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
)

// receive handles one message of the client as its router does.
func (c *Conn) receive(m *codec.Message, b *Batch) {
	if record := c.inst.b.cfg.Received; record != nil {
		record(c, m)
	}
	c.stamp(m)
	if m.Flags&codec.FlagTopic == 0 {
		return
	}
	switch m.Type {
	case codec.TypeRequest:
		c.request(m, b)
	case codec.TypeResponse:
		c.r.Counters.RxResponse.Add(1)
		if len(m.Routes) > len(c.r.hop) && string(m.Routes[:len(c.r.hop)]) == string(c.r.hop) {
			m.Routes = m.Routes[len(c.r.hop):]
			c.r.RouteResponse(m, b)
		}
	case codec.TypeEvent:
		if !c.r.lost.Load() {
			c.inst.publish(m, c.r, b)
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

func (c *Conn) request(m *codec.Message, b *Batch) {
	c.r.Counters.RxRequest.Add(1)
	switch m.Topic {
	case "event.subscribe":
		c.answer(m, c.subscribe(m), b)
		return
	case "event.unsubscribe":
		c.answer(m, c.unsubscribe(m), b)
		return
	case "service.add":
		if errno, answer := c.addService(m); answer {
			c.answer(m, errno, b)
		}
		return
	case "service.remove":
		if errno, answer := c.removeService(m); answer {
			c.answer(m, errno, b)
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
	if !c.r.online.Load() && !early(m.Topic) {
		c.r.fail(m, flux.EAGAIN, "Upstream Flux broker is offline. Try again later.", b)
		return
	}
	c.r.request(m, c, b)
}

// answer is the router's own response: it bears no flags or routes of the
// request, and comes whether one is wanted or not.
func (c *Conn) answer(req *codec.Message, errno flux.Errno, b *Batch) {
	m := codec.Message{
		Type: codec.TypeResponse, Flags: codec.FlagTopic | codec.FlagRoute,
		UserID: codec.UserIDUnknown, Rolemask: roleOwner,
		Errnum: uint32(errno), Matchtag: req.Matchtag, Topic: req.Topic,
	}
	b.send(c, &m)
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
func (c *Conn) fireDisconnect(b *Batch) {
	for _, m := range c.notices {
		m.Flags = m.Flags&^(codec.FlagPayload|codec.FlagStreaming) | codec.FlagNoResponse | codec.FlagRoute
		m.Routes = append(c.atBroker[:len(c.atBroker):len(c.atBroker)], m.Routes...)
		c.r.request(m, c, b)
	}
	c.armed, c.notices = nil, nil
}

// IsDisconnect recognizes a disconnect notice.
func IsDisconnect(topic string) bool {
	return topic == "disconnect" || strings.HasSuffix(topic, ".disconnect")
}
