package kvs

import (
	"container/list"

	"github.com/flux-sdk/flux/codec"
)

// monitor is a namespace that is watched at one rank.
type monitor struct {
	name     string
	commit   *change // the newest; nil while the namespace does not exist
	owner    uint32
	watchers *list.List // of *watcher, in the order of their requests
}

// change is what watchers are told of a commit.
type change struct {
	ref  string
	seq  int64
	keys map[string]any // nil before the first commit that is seen
}

// watchKey names a watcher in its client's words.
type watchKey struct {
	client string
	tag    uint32
}

// watcher is one request to kvs-watch.lookup.
type watcher struct {
	req    *codec.Message
	user   user
	path   string
	flags  int
	mon    *monitor
	inList *list.Element

	seq        int64 // of the last commit that was looked at; -1 before the first
	initialSeq int64 // of the root that the first lookup was at
	responded  bool
	marked     bool    // the marker of the beginning was sent
	prev       *object // to compare with
	pieces     int     // of the value that were sent; -1 before the first
	finished   bool
}

func (w *watcher) is(flags int) bool { return w.flags&flags != 0 }

func watch(r *request) {
	namespace, okNamespace := r.args.text("namespace")
	key, okKey := r.args.text("key")
	flags, okFlags := r.args.integer("flags")
	if !okNamespace || !okKey || !okFlags {
		r.fail(ePROTO, "")
		return
	}
	w := &watcher{
		req: kept(r.m), user: r.user, path: normalize(key), flags: int(flags), seq: -1, initialSeq: -1, pieces: -1,
	}
	if errno, text := w.check(); errno != 0 {
		r.fail(errno, text)
		return
	}
	id := watchKey{r.m.Routes.Origin(), r.m.Matchtag}
	if r.rank.watchers[id] != nil {
		r.fail(eINVAL, "")
		return
	}
	mon := r.rank.monitors[namespace]
	if mon == nil {
		mon = &monitor{name: namespace, watchers: list.New()}
		if at := r.s.viewAt(r.at, namespace); at != nil {
			mon.commit, mon.owner = &change{ref: at.ref, seq: at.seq}, at.owner
		} else if !w.is(flagWaitCreate) {
			r.fail(eOPNOTSUPP, "")
			return
		}
		r.rank.monitors[namespace] = mon
	}
	w.mon, w.inList = mon, mon.watchers.PushBack(w)
	r.rank.watchers[id] = w
	if mon.commit != nil {
		r.s.look(r.at, w, r.out)
	}
}

// check refuses flags that do not go together.
func (w *watcher) check() (errno uint32, text string) {
	streaming := w.req.Flags&codec.FlagStreaming != 0
	switch {
	case w.is(flagWatch) && !streaming:
		return ePROTO, "KVS watch request rejected without streaming RPC flag"
	case w.is(flagStream) && !streaming:
		return ePROTO, "KVS stream request rejected without streaming RPC flag"
	case w.is(flagWatch) && w.is(flagStream):
		return eINVAL, "Cannot KVS watch and stream at the same time"
	case !w.is(flagWatch) && w.is(flagWatchFull|flagWatchUnique|flagWatchAppend|flagWatchSentinel):
		return eINVAL, "Must set KVS watch flag with other watch flags"
	case !w.is(flagWatchAppend) && w.is(flagWatchSentinel):
		return eINVAL, "Must set KVS watch append flag with initial sentinel flag"
	}
	return 0, ""
}

// notify makes the watchers of a namespace look at its newest commit.
func (s *Service) notify(at int, m *monitor, out Out) {
	for e := m.watchers.Front(); e != nil; {
		next := e.Next()
		s.look(at, e.Value.(*watcher), out)
		e = next
	}
}

// endAll ends the watchers of a namespace.
func (s *Service) endAll(at int, m *monitor, errno uint32, out Out) {
	for e := m.watchers.Front(); e != nil; {
		next := e.Next()
		w := e.Value.(*watcher)
		s.tell(at, w, errno, nil, "", out)
		s.forget(at, w)
		e = next
	}
}

// forget takes a watcher out of the tables.
func (s *Service) forget(at int, w *watcher) {
	r := s.ranks[at]
	delete(r.watchers, watchKey{w.req.Routes.Origin(), w.req.Matchtag})
	w.mon.watchers.Remove(w.inList)
	if w.mon.watchers.Len() == 0 {
		delete(r.monitors, w.mon.name)
	}
}

// tell answers a watcher: with an object, nothing, or an error, which is the last answer.
func (s *Service) tell(at int, w *watcher, errno uint32, o *object, text string, out Out) {
	w.finished = w.finished || errno != 0
	switch {
	case s.faults.LoseWatches:
	case errno != 0:
		fail(out, at, w.req, errno, text)
	case o == nil:
		out.Respond(at, w.req, 0, nil)
	default:
		out.Respond(at, w.req, 0, encode(struct {
			Val *object `json:"val"`
		}{o}))
	}
}

// look makes a watcher look at the newest commit, if that concerns it.
func (s *Service) look(at int, w *watcher, out Out) {
	c := w.mon.commit
	if c.seq <= w.seq {
		return
	}
	if !w.user.may(w.mon.owner) {
		s.tell(at, w, ePERM, nil, "", out)
		s.forget(at, w)
		return
	}
	first := w.seq < 0
	_, named := c.keys[w.path]
	if !first && !named && !w.is(flagWatchFull) {
		return
	}
	w.seq = c.seq
	ref, seq := c.ref, c.seq
	if first {
		current, errno := s.rootAt(at, w.mon.name, w.user)
		if errno != 0 {
			s.tell(at, w, errno, nil, "", out)
			s.forget(at, w)
			return
		}
		ref, seq = current.ref, current.seq
	}
	flags := w.flags
	if w.is(flagWatchAppend | flagStream) {
		flags |= flagTreeObject
	}
	o, errno := (&reader{s, at, w.user, out}).find(ref, w.path, flags)
	s.found(at, w, o, errno, seq, first, out)
	if w.responded && w.is(flagWaitCreate) && !w.is(flagWatch|flagStream) {
		w.finished = true
	}
	if w.finished {
		s.forget(at, w)
	}
}

// found tells a watcher what a lookup found.
func (s *Service) found(at int, w *watcher, o *object, errno uint32, seq int64, first bool, out Out) {
	switch {
	case errno != 0:
		s.tell(at, w, errno, nil, "", out)
	case o == nil && first && w.is(flagWaitCreate):
		w.initialSeq = seq
		s.mark(at, w, out)
	case o == nil:
		s.tell(at, w, eNOENT, nil, "", out)
	case first:
		if w.is(flagWatchFull | flagWatchUnique) {
			w.prev = o
		}
		w.initialSeq = seq
		if w.is(flagWatchAppend | flagStream) {
			s.sendPieces(at, w, o, out)
		} else {
			w.responded = true
			s.tell(at, w, 0, o, "", out)
		}
		if !w.finished {
			s.mark(at, w, out)
		}
	case seq <= w.initialSeq:
		return
	case w.is(flagWatchFull | flagWatchUnique):
		if w.responded && w.prev != nil && w.prev.equal(o) {
			return
		}
		w.prev, w.responded = o, true
		s.tell(at, w, 0, o, "", out)
	case w.is(flagWatchAppend | flagStream):
		s.sendPieces(at, w, o, out)
	default:
		w.responded = true
		s.tell(at, w, 0, o, "", out)
	}
	if w.is(flagStream) && w.responded && !w.finished {
		s.tell(at, w, eNODATA, nil, "", out)
	}
}

// mark sends the marker behind what was there at the beginning.
func (s *Service) mark(at int, w *watcher, out Out) {
	if w.is(flagWatchSentinel) && !w.marked {
		w.marked = true
		s.tell(at, w, 0, nil, "", out)
	}
}

// sendPieces sends what a value has more than before.
func (s *Service) sendPieces(at int, w *watcher, o *object, out Out) {
	if w.is(flagStream) && w.responded {
		return
	}
	switch {
	case o.isDir(), o.kind == typeSymlink:
		errno, text := uint32(eINVAL), o.kind+" cannot be streamed"
		if o.isDir() {
			errno = eISDIR
		}
		if w.is(flagWatchAppend) {
			text = o.kind + " cannot be watched with WATCH_APPEND"
		}
		if w.responded {
			errno, text = eINVAL, overwritten
		}
		s.tell(at, w, errno, nil, text, out)
		return
	case o.kind == typeVal && w.responded:
		s.tell(at, w, eINVAL, nil, overwritten, out)
		return
	case o.kind == typeVal:
		w.pieces, w.responded = 1, true
		s.tell(at, w, 0, o, "", out)
		return
	case len(o.refs) < w.pieces:
		s.tell(at, w, eINVAL, nil, "key watched with WATCH_APPEND shortened", out)
		return
	}
	for _, ref := range o.refs[max(w.pieces, 0):] {
		blob, ok := s.content.blobs[ref]
		if !ok {
			s.tell(at, w, eNOENT, nil, "failed to load content data", out)
			return
		}
		w.responded = true
		s.tell(at, w, 0, newVal(blob), "", out)
	}
	w.pieces = len(o.refs)
}

const overwritten = "value of key watched with WATCH_APPEND overwritten"

func watchCancel(r *request) {
	tag, ok := r.args.integer("matchtag")
	if !ok {
		return
	}
	w := r.rank.watchers[watchKey{r.m.Routes.Origin(), uint32(tag)}]
	if w != nil && sameClient(r.m, w.req) {
		r.s.tell(r.at, w, eNODATA, nil, "", r.out)
		r.s.forget(r.at, w)
	}
}

func watchDisconnect(r *request) {
	for _, w := range r.rank.watchers {
		if sameClient(r.m, w.req) {
			r.s.forget(r.at, w)
		}
	}
}
