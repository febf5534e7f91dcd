package flux

// accepted are the requests that a server has taken and whose handlers have not
// returned. They are found by their sender, whose cancel and disconnect
// messages are dealt with on the reader however many requests there are.
type accepted struct {
	n     int
	peers map[string]map[uint32]*inflight // by origin and matchtag; further ones of the same tag are linked
}

func (a *accepted) add(f *inflight) {
	if a.peers == nil {
		a.peers = make(map[string]map[uint32]*inflight)
	}
	tags := a.peers[f.origin]
	if tags == nil {
		tags = make(map[uint32]*inflight)
		a.peers[f.origin] = tags
	}
	tag := f.req.msg.Matchtag
	if f.next = tags[tag]; f.next != nil {
		f.next.prev = f
	}
	tags[tag] = f
	a.n++
}

func (a *accepted) remove(f *inflight) {
	tags := a.peers[f.origin]
	switch {
	case f.prev != nil:
		f.prev.next = f.next
	case f.next != nil:
		tags[f.req.msg.Matchtag] = f.next
	default:
		delete(tags, f.req.msg.Matchtag)
		if len(tags) == 0 {
			delete(a.peers, f.origin)
		}
	}
	if f.next != nil {
		f.next.prev = f.prev
	}
	f.prev, f.next = nil, nil
	a.n--
}

// tagged lists the requests of one sender with one matchtag: more than one if
// the tag was used again after a response and before the handler's return.
func (a *accepted) tagged(origin string, tag uint32) (list []*inflight) {
	for f := a.peers[origin][tag]; f != nil; f = f.next {
		list = append(list, f)
	}
	return list
}

// of lists the requests of one sender.
func (a *accepted) of(origin string) []*inflight {
	return appendTags(nil, a.peers[origin])
}

// all lists every request.
func (a *accepted) all() []*inflight {
	list := make([]*inflight, 0, a.n)
	for _, tags := range a.peers {
		list = appendTags(list, tags)
	}
	return list
}

func appendTags(list []*inflight, tags map[uint32]*inflight) []*inflight {
	for _, f := range tags {
		for ; f != nil; f = f.next {
			list = append(list, f)
		}
	}
	return list
}
