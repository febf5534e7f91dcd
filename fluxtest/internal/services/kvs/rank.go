package kvs

import (
	"slices"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest/internal/service"
)

// rank is what the services of one rank know.
type rank struct {
	views    map[string]*view    // of namespaces that were used there
	monitors map[string]*monitor // of namespaces that are watched there
	watchers map[watchKey]*watcher
}

func newRank() *rank {
	return &rank{
		views:    make(map[string]*view),
		monitors: make(map[string]*monitor),
		watchers: make(map[watchKey]*watcher),
	}
}

// view is a namespace as one rank knows it.
type view struct {
	root
	paused  bool // by a client: new roots wait
	stale   bool // by a fault, the same
	queue   []*setroot
	waiters []waiter
}

// waiter is a request that waits for a version.
type waiter struct {
	req *service.Request
	seq int64
}

// setroot is a new root on its way to the ranks.
type setroot struct {
	namespace *root
	ref       string
	seq       int64
	keys      map[string]any
	name      string           // of the commit
	req       *service.Request // that is answered by the rank that it came to; nil for the broker itself
}

// rootAt returns a namespace's root as a rank knows it, if the user may see it.
func (s *Store) rootAt(at int, name string, u user) (*root, flux.Errno) {
	v := s.viewAt(at, name)
	switch {
	case v == nil:
		return nil, flux.EOPNOTSUPP
	case !u.may(v.owner):
		return nil, flux.EPERM
	}
	return &v.root, 0
}

// viewAt returns a rank's view of a namespace; a rank asks rank 0 when it first needs it. It is nil if there is none.
func (s *Store) viewAt(at int, name string) *view {
	v := s.ranks[at].views[name]
	if v == nil {
		current := s.namespaces[name]
		if current == nil {
			return nil
		}
		v = &view{root: *current, stale: slices.Contains(s.faults.Stale, uint32(at))}
		s.ranks[at].views[name] = v
	}
	return v
}

// setRoot makes a root the current one and tells all ranks.
func (s *Store) setRoot(sr *setroot) {
	ns := sr.namespace
	ns.ref, ns.seq = sr.ref, sr.seq
	s.publish("kvs.namespace-"+ns.name+"-setroot", struct {
		Namespace string         `json:"namespace"`
		RootSeq   int64          `json:"rootseq"`
		RootRef   string         `json:"rootref"`
		Names     []string       `json:"names"`
		Keys      map[string]any `json:"keys"`
		Owner     int32          `json:"owner"`
	}{ns.name, sr.seq, sr.ref, []string{sr.name}, sr.keys, int32(ns.owner)})
	for at, r := range s.ranks {
		if v := r.views[ns.name]; v != nil {
			if v.paused || v.stale {
				v.queue = append(v.queue, sr)
			} else {
				s.advance(at, v, sr)
			}
		}
		if m := r.monitors[ns.name]; m != nil {
			m.commit = &change{sr.ref, sr.seq, sr.keys}
			s.notify(at, m)
		}
	}
}

// advance makes a rank see a root. As in a real instance, a commit is answered first, so that ranks other than 0, which
// knows the root already, answer with the one before.
func (s *Store) advance(at int, v *view, sr *setroot) {
	if at == 0 {
		v.ref, v.seq = sr.ref, sr.seq
	}
	if sr.req != nil && int(sr.req.Rank()) == at {
		sr.req.Respond(version{v.ref, v.seq})
	}
	v.ref, v.seq = sr.ref, sr.seq
	v.waiters = slices.DeleteFunc(v.waiters, func(w waiter) bool {
		if w.seq > v.seq {
			return false
		}
		w.req.Respond(version{v.ref, v.seq})
		return true
	})
}

// catchUp makes a rank see the roots that it was kept from.
func (s *Store) catchUp(at int, v *view) {
	if v.paused || v.stale {
		return
	}
	for _, sr := range v.queue {
		s.advance(at, v, sr)
	}
	v.queue = nil
}

func setrootPause(r *request) { pause(r, true) }

func setrootUnpause(r *request) { pause(r, false) }

// pause is a hook of the real service for its tests.
func pause(r *request, on bool) {
	namespace, ok := r.args.text("namespace")
	if !ok {
		r.Fail(flux.EPROTO, "")
		return
	}
	if _, errno := r.s.rootAt(r.at, namespace, r.user); errno != 0 {
		r.Fail(errno, "")
		return
	}
	v := r.rank.views[namespace]
	v.paused = on
	r.s.catchUp(r.at, v)
	r.OK()
}

// disconnect forgets who waits for a version.
func disconnect(r *request) {
	for _, v := range r.rank.views {
		v.waiters = slices.DeleteFunc(v.waiters, func(w waiter) bool {
			return r.Message().Routes.Origin() == w.req.Message().Routes.Origin()
		})
	}
}
