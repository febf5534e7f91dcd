package flux

import (
	"bytes"

	"github.com/flux-sdk/flux/codec"
)

// accepted are the requests that a server has taken and whose handlers have not
// returned. They are found by their sender, whose cancel and disconnect
// messages are dealt with on the reader however many requests there are.
type accepted struct {
	n     int
	peers map[string]*sender // by origin
	last  *sender            // of the newest request, which the next one often has too
	route []byte             // of that request
}

// sender is the connection that requests came over, and those of them that are
// being handled, by matchtag; further ones of the same tag are linked.
type sender struct {
	origin string
	tags   map[uint32]*inflight
}

func (a *accepted) add(f *inflight) {
	a.n++
	if a.last == nil || !bytes.Equal(a.route, f.req.msg.Routes) {
		a.find(f.req.msg.Routes)
	}
	f.from = a.last
	if len(f.from.tags) == 0 {
		a.peers[f.from.origin] = f.from
	}
	tag := f.req.msg.Matchtag
	if f.next = f.from.tags[tag]; f.next != nil {
		f.next.prev = f
	}
	f.from.tags[tag] = f
}

// find makes the sender with these routes the last one.
func (a *accepted) find(routes codec.Routes) {
	if a.peers == nil {
		a.peers = make(map[string]*sender)
	}
	a.route = append(a.route[:0], routes...)
	origin := routes.Origin()
	if a.last = a.peers[origin]; a.last == nil {
		a.last = &sender{origin, make(map[uint32]*inflight)}
	}
}

func (a *accepted) remove(f *inflight) {
	a.n--
	tags := f.from.tags
	switch {
	case f.prev != nil:
		f.prev.next = f.next
	case f.next != nil:
		tags[f.req.msg.Matchtag] = f.next
	default:
		delete(tags, f.req.msg.Matchtag)
		if len(tags) == 0 {
			delete(a.peers, f.from.origin)
		}
	}
	if f.next != nil {
		f.next.prev = f.prev
	}
	f.prev, f.next = nil, nil
}

// tagged lists the requests of one sender with one matchtag: more than one if
// the tag was used again after a response and before the handler's return.
func (a *accepted) tagged(origin string, tag uint32) (list []*inflight) {
	if p := a.peers[origin]; p != nil {
		for f := p.tags[tag]; f != nil; f = f.next {
			list = append(list, f)
		}
	}
	return list
}

// of lists the requests of one sender.
func (a *accepted) of(origin string) (list []*inflight) {
	if p := a.peers[origin]; p != nil {
		list = p.appendTo(list)
	}
	return list
}

// all lists every request.
func (a *accepted) all() []*inflight {
	list := make([]*inflight, 0, a.n)
	for _, p := range a.peers {
		list = p.appendTo(list)
	}
	return list
}

func (p *sender) appendTo(list []*inflight) []*inflight {
	for _, f := range p.tags {
		for ; f != nil; f = f.next {
			list = append(list, f)
		}
	}
	return list
}
