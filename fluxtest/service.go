package fluxtest

import (
	"sync/atomic"

	"github.com/flux-sdk/flux/codec"
)

// service is what a first word of topics is registered for on one rank.
type service struct {
	name     string
	client   *Conn             // that registered it; nil for one of the broker's own
	methods  map[string]method // by topic
	defaults bool              // ping, stats-get and so on are there too
	uuid     string            // of the module that it is; "" if it is the broker itself
	terse    bool              // an unknown method is refused without a text
	debug    atomic.Int32
}

// method is one topic of a service of the broker.
type method struct {
	allow uint32 // roles let in besides the owner
	serve func(*call)
}

// call is one request at a service of the broker. It belongs to the goroutine
// that serves it; what is to be answered later keeps the message.
type call struct {
	r  *rank
	s  *service
	m  *codec.Message
	bt *batch
}

func (c *call) fail(errnum uint32, text string) { c.r.fail(c.m, errnum, text, c.bt) }
func (c *call) ok()                             { c.r.respond(c.m, 0, nil, c.bt) }
func (c *call) respond(v any)                   { c.r.respond(c.m, 0, encodeJSON(v), c.bt) }
func (c *call) respondRaw(p []byte)             { c.r.respond(c.m, 0, p, c.bt) }
func (c *call) streaming() bool                 { return c.m.Flags&codec.FlagStreaming != 0 }

// keep returns the request in memory of its own, without the payload.
func (c *call) keep() *codec.Message {
	m := header(c.m)
	m.Flags &^= codec.FlagPayload
	return m
}

// noArgs is a method that takes no arguments: any text will do for a payload,
// but it must be one.
func noArgs(serve func(*call)) func(*call) {
	return func(c *call) {
		if c.m.HasPayload() {
			if _, err := codec.TextPayload(c.m.Payload); err != nil {
				c.fail(ePROTO, "")
				return
			}
		}
		serve(c)
	}
}

// serve dispatches a request to a method of the broker's own service.
func (s *service) serve(r *rank, m *codec.Message, bt *batch) {
	me, ok := s.methods[m.Topic]
	if !ok && s.defaults {
		if i := len(s.name) + 1; i < len(m.Topic) {
			me, ok = defaultMethods[m.Topic[i:]]
		}
	}
	c := &call{r: r, s: s, m: clone(m), bt: bt}
	switch {
	case !ok:
		unknownMethod(c)
	case m.Rolemask&(me.allow|roleOwner) != 0:
		me.serve(c)
	case me.allow == 0:
		c.fail(ePERM, "Request requires owner credentials")
	default:
		c.fail(ePERM, "Request rejected due to insufficient privilege")
	}
}

func unknownMethod(c *call) {
	if c.s.terse {
		c.fail(eNOSYS, "")
		return
	}
	text := "Unknown service method '" + c.m.Topic + "'"
	c.fail(eNOSYS, text[:min(len(text), 255)])
}

// scriptedService serves what no script has of a service that has scripts: to
// clients it is a module.
func scriptedService(name string) *service {
	return &service{name: name, defaults: true, uuid: "5c217070-0000-4000-8000-000000000000"}
}

// builtinServices are the broker's own, of one rank.
func builtinServices(r *rank) map[string]*service {
	services := make(map[string]*service)
	add := func(name string, module, defaults bool, methods map[string]method) {
		s := &service{name: name, methods: methods, defaults: defaults}
		if module {
			s.uuid = r.inst.b.uuids.next()
		}
		services[name] = s
	}
	add("broker", false, true, brokerMethods)
	add("attr", false, false, attrMethods)
	add("log", false, false, logMethods)
	add("event", false, false, eventMethods)
	add("state-machine", false, false, stateMethods)
	add("module", false, false, moduleMethods)
	for _, name := range []string{"service", "heaptrace", "bootstrap", "runat", "shutdown"} {
		add(name, false, false, nil)
	}
	add("config", true, true, configMethods)
	add("groups", true, true, groupMethods)
	add("overlay", true, true, overlayMethods)
	addKVS(services, r)
	add("connector-local", true, true, connectorMethods)
	services["connector-local"].terse = true // it takes such requests for its clients'
	return services
}

var eventMethods = map[string]method{"event.publish": {roleUser, eventPublish}}

// counters are the messages that a broker has sent and received.
type counters struct {
	txResponse, rxRequest, rxResponse atomic.Int64
}

func (n *counters) clear() {
	n.txResponse.Store(0)
	n.rxRequest.Store(0)
	n.rxResponse.Store(0)
}
