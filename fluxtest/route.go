package fluxtest

import (
	"bytes"
	"strings"

	"github.com/flux-sdk/flux/codec"
)

// The roles of RFC 12 that the broker itself uses.
const (
	roleOwner = 1
	roleUser  = 2
	roleLocal = 4
	roleAll   = 0xffffffff
)

// Linux errno values that the broker answers with.
const (
	ePERM        = 1
	eNOENT       = 2
	eAGAIN       = 11
	eNOMEM       = 12
	eEXIST       = 17
	eINVAL       = 22
	eNOSYS       = 38
	eNODATA      = 61
	ePROTO       = 71
	eHOSTUNREACH = 113
)

// maxNoService is where the broker cuts the text of an unmatched request.
const maxNoService = 63

// request routes a request that is at the broker of r. Its routes are those of
// the hops before: the connector's and the client's for one made here. src is
// the connection that sent it if it did so on this rank. m is changed.
func (r *rank) request(m *codec.Message, src *Conn, bt *batch) {
	for {
		upstream := m.Flags&codec.FlagUpstream != 0
		var next *rank
		switch {
		case upstream && m.NodeID == r.n:
			if next = r.parent; next == nil {
				r.fail(m, eHOSTUNREACH, "", bt)
				return
			}
		case upstream || m.NodeID == codec.NodeAny:
			if r.deliver(m, src, bt) {
				return
			}
			if next = r.parent; next == nil {
				r.noService(m, bt)
				return
			}
		case m.NodeID == r.n:
			if !r.deliver(m, src, bt) {
				r.noService(m, bt)
			}
			return
		default:
			if next = r.towards(m.NodeID); next == nil {
				next = r.parent
			}
			if next == nil {
				r.fail(m, eHOSTUNREACH, "", bt)
				return
			}
		}
		if !r.link(next).forward(r, m) {
			r.fail(m, eHOSTUNREACH, "", bt)
			return
		}
		m.Routes = m.Routes.Push(r.uuid)
		m.Rolemask &^= roleLocal
		r, src = next, nil
	}
}

// clone copies a message that is about to be changed or read again. Its routes
// and its payload are shared: nobody changes those.
func clone(m *codec.Message) *codec.Message {
	c := *m
	return &c
}

// header is a clone without the payload.
func header(m *codec.Message) *codec.Message {
	c := clone(m)
	c.Payload = nil
	return c
}

// noService answers a request that no service here matches.
func (r *rank) noService(m *codec.Message, bt *batch) {
	text := "No service matching " + m.Topic + " is registered"
	r.fail(m, eNOSYS, text[:min(len(text), maxNoService)], bt)
}

// deliver hands a request to the service of this rank that its topic names, if
// there is one.
func (r *rank) deliver(m *codec.Message, src *Conn, bt *batch) bool {
	scripts := &r.inst.b.scripts
	if sc := scripts.find(m, r.n); sc != nil {
		sc.serve(r, m, bt)
		return true
	}
	name, _, dotted := strings.Cut(m.Topic, ".")
	s := bt.at(r).service(name)
	if scripts.serves(name, r.n) {
		if scripts.notice(m) {
			return true
		}
		if s == nil {
			s = scriptedService(name)
		}
	}
	switch {
	case s == nil:
		return false
	case s.client == nil:
		s.serve(r, m, bt)
	case !dotted:
		r.fail(m, eNOSYS, "", bt)
	default:
		if src != nil && len(m.Routes) == len(src.atBroker) {
			m.Routes = src.atService // the usual case, made once per connection
		} else {
			m.Routes = m.Routes.Push(r.uuid)
		}
		bt.send(s.client, m)
	}
	return true
}

// fail answers a request with an error made by the broker of r.
func (r *rank) fail(req *codec.Message, errnum uint32, text string, bt *batch) {
	if req.Flags&codec.FlagNoResponse == 0 {
		r.reply(failure(req, errnum, text), bt)
	}
}

// failure makes an error of a request.
func failure(req *codec.Message, errnum uint32, text string) *codec.Message {
	m := codec.NewResponse(req)
	m.Errnum = errnum
	if text != "" {
		m.SetPayload(append([]byte(text), 0))
	}
	return m
}

// respond answers a request in the name of a service of r. A nil payload is
// none. Nothing is sent to a request that wants no response.
func (r *rank) respond(req *codec.Message, errnum uint32, payload []byte, bt *batch) {
	if req.Flags&codec.FlagNoResponse != 0 {
		return
	}
	m := codec.NewResponse(req)
	m.Errnum = errnum
	m.SetPayload(payload)
	r.reply(m, bt)
}

// reply sends a response as one of the broker of r, which m becomes.
func (r *rank) reply(m *codec.Message, bt *batch) {
	m.Flags |= codec.FlagRoute
	m.UserID, m.Rolemask = r.inst.b.cfg.owner, roleOwner|roleLocal
	r.counters.txResponse.Add(1)
	r.response(m, bt)
}

// response routes a response that is at the broker of r: its most recent hop is
// where it goes next. One that leads nowhere is dropped. m is changed.
func (r *rank) response(m *codec.Message, bt *batch) {
	for {
		if rest, ok := bytes.CutPrefix(m.Routes, r.conn); ok {
			c, rest := bt.at(r).client(rest)
			if c == nil {
				return
			}
			m.Routes = rest
			bt.send(c, m)
			return
		}
		next := r.neighbour(m.Routes)
		if next == nil || !r.link(next).answered(next, m) {
			return
		}
		m.Routes = m.Routes[len(next.self):]
		m.Rolemask &^= roleLocal
		r = next
	}
}

// neighbour is the parent or child that the first hop of routes names.
func (r *rank) neighbour(routes codec.Routes) *rank {
	if r.parent != nil && bytes.HasPrefix(routes, r.parent.self) {
		return r.parent
	}
	for _, c := range r.children {
		if bytes.HasPrefix(routes, c.self) {
			return c
		}
	}
	return nil
}

// link is the connection to a neighbour.
func (r *rank) link(next *rank) *link {
	if next == r.parent {
		return r.up
	}
	return next.up
}
