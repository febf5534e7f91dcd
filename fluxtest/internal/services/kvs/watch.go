package kvs

import (
	"container/list"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest/internal/service"
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
	req    *service.Request
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
		r.Fail(flux.EPROTO, "")
		return
	}
	w := &watcher{
		req: r.KeepHeader(), user: r.user, path: normalize(key), flags: int(flags), seq: -1, initialSeq: -1, pieces: -1,
	}
	if errno, text := w.check(); errno != 0 {
		r.Fail(errno, text)
		return
	}
	id := watchKey{r.Message().Routes.Origin(), r.Message().Matchtag}
	if r.rank.watchers[id] != nil {
		r.Fail(flux.EINVAL, "")
		return
	}
	mon := r.rank.monitors[namespace]
	if mon == nil {
		mon = &monitor{name: namespace, watchers: list.New()}
		if at := r.s.viewAt(r.at, namespace); at != nil {
			mon.commit, mon.owner = &change{ref: at.ref, seq: at.seq}, at.owner
		} else if !w.is(flagWaitCreate) {
			r.Fail(flux.EOPNOTSUPP, "")
			return
		}
		r.rank.monitors[namespace] = mon
	}
	w.mon, w.inList = mon, mon.watchers.PushBack(w)
	r.rank.watchers[id] = w
	if mon.commit != nil {
		r.s.look(r.at, w)
	}
}

// check refuses flags that do not go together.
func (w *watcher) check() (errno flux.Errno, text string) {
	streaming := w.req.Streaming()
	switch {
	case w.is(flagWatch) && !streaming:
		return flux.EPROTO, "KVS watch request rejected without streaming RPC flag"
	case w.is(flagStream) && !streaming:
		return flux.EPROTO, "KVS stream request rejected without streaming RPC flag"
	case w.is(flagWatch) && w.is(flagStream):
		return flux.EINVAL, "Cannot KVS watch and stream at the same time"
	case !w.is(flagWatch) && w.is(flagWatchFull|flagWatchUnique|flagWatchAppend|flagWatchSentinel):
		return flux.EINVAL, "Must set KVS watch flag with other watch flags"
	case !w.is(flagWatchAppend) && w.is(flagWatchSentinel):
		return flux.EINVAL, "Must set KVS watch append flag with initial sentinel flag"
	}
	return 0, ""
}

// notify makes the watchers of a namespace look at its newest commit.
func (s *Store) notify(at int, m *monitor) {
	for e := m.watchers.Front(); e != nil; {
		next := e.Next()
		s.look(at, e.Value.(*watcher))
		e = next
	}
}

// endAll ends the watchers of a namespace.
func (s *Store) endAll(at int, m *monitor, errno flux.Errno) {
	for e := m.watchers.Front(); e != nil; {
		next := e.Next()
		w := e.Value.(*watcher)
		s.tell(at, w, errno, nil, "")
		s.forget(at, w)
		e = next
	}
}

// forget takes a watcher out of the tables.
func (s *Store) forget(at int, w *watcher) {
	r := s.ranks[at]
	delete(r.watchers, watchKey{w.req.Message().Routes.Origin(), w.req.Message().Matchtag})
	w.mon.watchers.Remove(w.inList)
	if w.mon.watchers.Len() == 0 {
		delete(r.monitors, w.mon.name)
	}
}

// tell answers a watcher: with an object, nothing, or an error, which is the last answer.
func (s *Store) tell(at int, w *watcher, errno flux.Errno, o *object, text string) {
	w.finished = w.finished || errno != 0
	switch {
	case s.faults.LoseWatches:
	case errno != 0:
		w.req.Fail(errno, text)
	case o == nil:
		w.req.OK()
	default:
		w.req.Respond(struct {
			Val *object `json:"val"`
		}{o})
	}
}

// look makes a watcher look at the newest commit, if that concerns it.
func (s *Store) look(at int, w *watcher) {
	c := w.mon.commit
	if c.seq <= w.seq {
		return
	}
	if !w.user.may(w.mon.owner) {
		s.tell(at, w, flux.EPERM, nil, "")
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
			s.tell(at, w, errno, nil, "")
			s.forget(at, w)
			return
		}
		ref, seq = current.ref, current.seq
	}
	flags := w.flags
	if w.is(flagWatchAppend | flagStream) {
		flags |= flagTreeObject
	}
	o, errno := (&reader{s, at, w.user}).find(ref, w.path, flags)
	s.found(at, w, o, errno, seq, first)
	if w.responded && w.is(flagWaitCreate) && !w.is(flagWatch|flagStream) {
		w.finished = true
	}
	if w.finished {
		s.forget(at, w)
	}
}

// found tells a watcher what a lookup found.
func (s *Store) found(at int, w *watcher, o *object, errno flux.Errno, seq int64, first bool) {
	switch {
	case errno != 0:
		s.tell(at, w, errno, nil, "")
	case o == nil && first && w.is(flagWaitCreate):
		w.initialSeq = seq
		s.mark(at, w)
	case o == nil:
		s.tell(at, w, flux.ENOENT, nil, "")
	case first:
		if w.is(flagWatchFull | flagWatchUnique) {
			w.prev = o
		}
		w.initialSeq = seq
		if w.is(flagWatchAppend | flagStream) {
			s.sendPieces(at, w, o)
		} else {
			w.responded = true
			s.tell(at, w, 0, o, "")
		}
		if !w.finished {
			s.mark(at, w)
		}
	case seq <= w.initialSeq:
		return
	case w.is(flagWatchFull | flagWatchUnique):
		if w.responded && w.prev != nil && w.prev.equal(o) {
			return
		}
		w.prev, w.responded = o, true
		s.tell(at, w, 0, o, "")
	case w.is(flagWatchAppend | flagStream):
		s.sendPieces(at, w, o)
	default:
		w.responded = true
		s.tell(at, w, 0, o, "")
	}
	if w.is(flagStream) && w.responded && !w.finished {
		s.tell(at, w, flux.ENODATA, nil, "")
	}
}

// mark sends the marker behind what was there at the beginning.
func (s *Store) mark(at int, w *watcher) {
	if w.is(flagWatchSentinel) && !w.marked {
		w.marked = true
		s.tell(at, w, 0, nil, "")
	}
}

// sendPieces sends what a value has more than before.
func (s *Store) sendPieces(at int, w *watcher, o *object) {
	if w.is(flagStream) && w.responded {
		return
	}
	switch {
	case o.isDir(), o.kind == typeSymlink:
		errno, text := flux.EINVAL, o.kind+" cannot be streamed"
		if o.isDir() {
			errno = flux.EISDIR
		}
		if w.is(flagWatchAppend) {
			text = o.kind + " cannot be watched with WATCH_APPEND"
		}
		if w.responded {
			errno, text = flux.EINVAL, overwritten
		}
		s.tell(at, w, errno, nil, text)
		return
	case o.kind == typeVal && w.responded:
		s.tell(at, w, flux.EINVAL, nil, overwritten)
		return
	case o.kind == typeVal:
		w.pieces, w.responded = 1, true
		s.tell(at, w, 0, o, "")
		return
	case len(o.refs) < w.pieces:
		s.tell(at, w, flux.EINVAL, nil, "key watched with WATCH_APPEND shortened")
		return
	}
	for _, ref := range o.refs[max(w.pieces, 0):] {
		blob, ok := s.content.blobs[ref]
		if !ok {
			s.tell(at, w, flux.ENOENT, nil, "failed to load content data")
			return
		}
		w.responded = true
		s.tell(at, w, 0, newVal(blob), "")
	}
	w.pieces = len(o.refs)
}

const overwritten = "value of key watched with WATCH_APPEND overwritten"

func watchCancel(r *request) {
	tag, ok := r.args.integer("matchtag")
	if !ok {
		return
	}
	w := r.rank.watchers[watchKey{r.Message().Routes.Origin(), uint32(tag)}]
	if w != nil && service.SameClient(r.Message(), w.req.Message()) {
		r.s.tell(r.at, w, flux.ENODATA, nil, "")
		r.s.forget(r.at, w)
	}
}

func watchDisconnect(r *request) {
	for _, w := range r.rank.watchers {
		if service.SameClient(r.Message(), w.req.Message()) {
			r.s.forget(r.at, w)
		}
	}
}
