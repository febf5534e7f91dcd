package router

import (
	"bytes"
	"strings"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
)

// maxNoService is where the broker cuts the text of an unmatched request.
const maxNoService = 63

// request routes a request that is at the broker of r. Its routes are those of
// the hops before: the connector's and the client's for one made here. src is
// the connection that sent it if it did so on this rank. m is changed.
func (r *Rank) request(m *codec.Message, src *Conn, b *Batch) {
	for {
		upstream := m.Flags&codec.FlagUpstream != 0
		var next *Rank
		switch {
		case upstream && m.NodeID == r.n:
			if next = r.parent; next == nil {
				r.fail(m, flux.EHOSTUNREACH, "", b)
				return
			}
		case upstream || m.NodeID == codec.NodeAny:
			if r.deliver(m, src, b) {
				return
			}
			if next = r.parent; next == nil {
				r.noService(m, b)
				return
			}
		case m.NodeID == r.n:
			if !r.deliver(m, src, b) {
				r.noService(m, b)
			}
			return
		default:
			if next = r.towards(m.NodeID); next == nil {
				next = r.parent
			}
			if next == nil {
				r.fail(m, flux.EHOSTUNREACH, "", b)
				return
			}
		}
		if !r.link(next).forward(r, m) {
			r.fail(m, flux.EHOSTUNREACH, "", b)
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

// noService answers a request that no service here matches.
func (r *Rank) noService(m *codec.Message, b *Batch) {
	text := "No service matching " + m.Topic + " is registered"
	r.fail(m, flux.ENOSYS, text[:min(len(text), maxNoService)], b)
}

// deliver hands a request to the script or the service of this rank that its
// topic names, if there is one.
func (r *Rank) deliver(m *codec.Message, src *Conn, b *Batch) bool {
	scripts := r.inst.b.cfg.Scripts
	if scripts.Take(r, m, b) {
		return true
	}
	name, _, dotted := strings.Cut(m.Topic, ".")
	s := b.at(r).registered(name)
	if scripts.HasService(name, r.n) {
		if scripts.Notice(m) {
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
		s.dispatch(r, owned(m), b)
	case !dotted:
		r.fail(m, flux.ENOSYS, "", b)
	default:
		if src != nil && len(m.Routes) == len(src.atBroker) {
			m.Routes = src.atService // the usual case, made once per connection
		} else {
			m.Routes = m.Routes.Push(r.uuid)
		}
		b.pass(s.client, m)
	}
	return true
}

// fail answers a request with an error made by the broker of r.
func (r *Rank) fail(req *codec.Message, errno flux.Errno, text string, b *Batch) {
	if req.Flags&codec.FlagNoResponse == 0 {
		r.reply(failure(req, errno, text), b)
	}
}

// failure makes an error of a request.
func failure(req *codec.Message, errno flux.Errno, text string) *codec.Message {
	m := codec.NewResponse(req)
	m.Errnum = uint32(errno)
	if text != "" {
		m.SetPayload(append([]byte(text), 0))
	}
	return m
}

// reply sends a response as one of the broker of r, which m becomes.
func (r *Rank) reply(m *codec.Message, b *Batch) {
	m.Flags |= codec.FlagRoute
	m.UserID, m.Rolemask = r.inst.b.cfg.Owner, roleOwner|roleLocal
	r.Counters.TxResponse.Add(1)
	r.RouteResponse(m, b)
}

// RouteResponse routes a response that is at the broker of r: its most recent hop
// is where it goes next. One that leads nowhere is dropped. m is changed.
func (r *Rank) RouteResponse(m *codec.Message, b *Batch) {
	for {
		if rest, ok := bytes.CutPrefix(m.Routes, r.connectorHop); ok {
			c, rest := b.at(r).client(rest)
			if c == nil {
				return
			}
			m.Routes = rest
			b.pass(c, m)
			return
		}
		next := r.neighbour(m.Routes)
		if next == nil || !r.link(next).answered(next, m) {
			return
		}
		m.Routes = m.Routes[len(next.hop):]
		m.Rolemask &^= roleLocal
		r = next
	}
}

// neighbour is the parent or child that the first hop of routes names.
func (r *Rank) neighbour(routes codec.Routes) *Rank {
	if r.parent != nil && bytes.HasPrefix(routes, r.parent.hop) {
		return r.parent
	}
	for _, c := range r.children {
		if bytes.HasPrefix(routes, c.hop) {
			return c
		}
	}
	return nil
}

// link is the connection to a neighbour.
func (r *Rank) link(next *Rank) *link {
	if next == r.parent {
		return r.up
	}
	return next.up
}
