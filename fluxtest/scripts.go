package fluxtest

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest/internal/router"
	"github.com/flux-sdk/flux/fluxtest/internal/service"
)

// script is one Handle.
type script struct {
	b      *Broker
	topic  string
	rank   uint32
	inline bool
	f      func(*Request)
}

func (sc *script) on(rank uint32) bool { return sc.rank == anyRank || sc.rank == rank }

// service is the name that the script answers for.
func (sc *script) service() string {
	name, _, _ := strings.Cut(sc.topic, ".")
	return name
}

// scriptTable is all scripts, never changed once made.
type scriptTable struct {
	literal map[string][]*script // newest first
	globs   []*script            // newest first
	all     []*script
}

// scripts are the scripts of a broker and the requests they have at hand: the
// [router.Scripts] of its router.
type scripts struct {
	b     *Broker
	table atomic.Pointer[scriptTable] // nil while there are none
	setMu sync.Mutex                  // orders changes of the table

	// Guarded by mu.
	mu      sync.Mutex
	active  map[*Request]struct{} // that may yet be answered, cancelled or disconnected
	running map[*Request]struct{} // whose script has not returned
}

func (s *scripts) set(sc *script) {
	s.setMu.Lock()
	defer s.setMu.Unlock()
	next := &scriptTable{literal: make(map[string][]*script)}
	if sc.f != nil {
		next.all = append(next.all, sc)
	}
	if t := s.table.Load(); t != nil {
		for _, old := range t.all {
			if old.topic != sc.topic || old.rank != sc.rank {
				next.all = append(next.all, old)
			}
		}
	}
	for _, sc := range next.all {
		if codec.IsGlob(sc.topic) {
			next.globs = append(next.globs, sc)
		} else {
			next.literal[sc.topic] = append(next.literal[sc.topic], sc)
		}
	}
	s.table.Store(next)
}

// find returns the script for a request on a rank. Globs do not get the cancel
// and disconnect notices, so that those end the requests they are about.
func (s *scripts) find(m *codec.Message, rank uint32) *script {
	t := s.table.Load()
	if t == nil {
		return nil
	}
	topic := m.Topic
	for _, sc := range t.literal[topic] {
		if sc.on(rank) {
			return sc
		}
	}
	if m.Flags&codec.FlagNoResponse != 0 && (router.IsDisconnect(topic) || isCancel(topic)) {
		return nil
	}
	for _, sc := range t.globs {
		if sc.on(rank) && codec.Match(sc.topic, topic) {
			return sc
		}
	}
	return nil
}

// Any reports whether there are scripts at all.
func (s *scripts) Any() bool { return s.table.Load() != nil }

// HasService reports whether some script on a rank answers for a service.
func (s *scripts) HasService(name string, rank uint32) bool {
	t := s.table.Load()
	if t == nil {
		return false
	}
	return slices.ContainsFunc(t.all, func(sc *script) bool {
		return sc.on(rank) && sc.service() == name
	})
}

// Services lists the services that scripts on a rank answer for.
func (s *scripts) Services(rank uint32) []string {
	names := make(map[string]bool)
	if t := s.table.Load(); t != nil {
		for _, sc := range t.all {
			if sc.on(rank) {
				names[sc.service()] = true
			}
		}
	}
	return slices.Collect(maps.Keys(names))
}

// stuck names the topics whose scripts have not returned.
func (s *scripts) stuck() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	topics := make(map[string]bool)
	for r := range s.running {
		topics[r.m.Topic] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(topics)), ", ")
}

// endAll ends the contexts of all requests at hand.
func (s *scripts) endAll(cause error) {
	s.mu.Lock()
	active := slices.Collect(maps.Keys(s.active))
	s.mu.Unlock()
	for _, r := range active {
		r.end(cause)
	}
}

// Take starts the script for a request, which is copied, if there is one.
func (s *scripts) Take(r *router.Rank, m *codec.Message, b *router.Batch) bool {
	sc := s.find(m, r.Number())
	if sc == nil {
		return false
	}
	req := s.begin(sc, r, *m)
	if sc.inline {
		req.runInline(b)
	} else {
		s.b.start(req.run)
	}
	return true
}

// isCancel recognizes the topic of a cancel.
func isCancel(topic string) bool {
	return strings.HasSuffix(topic, ".cancel") || strings.HasSuffix(topic, "-cancel")
}

// Notice ends the requests at hand that a disconnect notice or a cancel is
// about. It reports whether that is all there is to do about m.
func (s *scripts) Notice(m *codec.Message) bool {
	var found []*Request
	switch {
	case router.IsDisconnect(m.Topic):
		for _, r := range s.about(m, nil) {
			r.end(ErrDisconnected)
		}
		return false // others may have to know too
	case isCancel(m.Topic):
		if tag, ok := service.CancelTag(m); ok {
			found = s.about(m, &tag)
			for _, r := range found {
				r.cancel()
			}
		}
	}
	return len(found) > 0
}

// about finds the requests at hand that a cancel or disconnect notice is about.
func (s *scripts) about(m *codec.Message, tag *uint32) []*Request {
	about, _, _ := strings.Cut(m.Topic, ".")
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*Request
	for r := range s.active {
		name, _, _ := strings.Cut(r.m.Topic, ".")
		if name == about && service.SameClient(m, &r.m) && (tag == nil || *tag == r.m.Matchtag) {
			found = append(found, r)
		}
	}
	return found
}
