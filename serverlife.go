package flux

import (
	"errors"
	"slices"
	"sync"
)

// serverLife is how a server ends: asked to, by the end of Serve's ctx or by
// Shutdown, or because its connection or its owner is gone.
type serverLife struct {
	// Guarded by conn.mu.
	registered bool  // the broker is to know it
	on         *link // where the broker was asked for the name last

	stopping sync.Once
	stop     chan struct{} // closed to end it as the end of Serve's ctx does
	failing  sync.Once
	ended    chan struct{} // closed when it is over without having been asked to
	err      error         // why; set before ended is closed
	returned chan struct{} // closed when Serve has returned
}

func newServerLife() serverLife {
	return serverLife{stop: make(chan struct{}), ended: make(chan struct{}), returned: make(chan struct{})}
}

// stopSoon ends the server as the end of Serve's ctx does.
func (s *serverLife) stopSoon() { s.stopping.Do(func() { close(s.stop) }) }

// fail makes Serve return err.
func (s *serverLife) fail(err error) {
	s.failing.Do(func() {
		s.err = err
		close(s.ended)
	})
}

// linkLost ends the requests that came over a link that is gone.
func (s *server) linkLost(l *link) {
	for _, f := range s.cutOff(ErrConnLost) {
		if f.l == l {
			f.drop(ErrConnLost)
		}
	}
}

// connectionEnded ends the server with its connection, by a local Close or by a
// loss. In the first case answers still go out.
func (s *server) connectionEnded(err error) {
	s.refuse()
	if errors.Is(err, ErrClosed) {
		s.answerAll(err)
	} else {
		for _, f := range s.cutOff(err) {
			f.drop(ErrConnLost)
		}
	}
	s.fail(err)
}

// ownerClosed ends the server of a clone whose connection goes on.
func (s *server) ownerClosed() {
	s.refuse()
	s.unregister()
	s.leave() // the name is free for another clone
	s.answerAll(ErrClosed)
	s.fail(ErrClosed)
}

// answerAll answers, at once, every request that is still open, and returns how
// many there were.
func (s *server) answerAll(reason error) int {
	n := 0
	for _, f := range s.cutOff(reason) {
		if f.serveEnded() {
			n++
			s.c.flush(f.l)
		}
	}
	return n
}

// cutOff lists the requests that are about to be ended. A Serve that is waiting
// for the answer to one of them gets the reason before their handlers do.
func (s *server) cutOff(reason error) []*inflight {
	s.mu.Lock()
	list := s.active.all()
	s.mu.Unlock()
	if slices.ContainsFunc(list, (*inflight).open) {
		s.mu.Lock()
		if s.draining {
			s.cut = reason
		}
		s.mu.Unlock()
	}
	return list
}

func (s *server) refuse() {
	s.mu.Lock()
	s.draining = true
	s.mu.Unlock()
}

// unregister takes the name back, if the broker has it. The channel tells when
// that is done; it is nil if there is nothing to wait for.
func (s *server) unregister() <-chan error {
	c := s.c
	c.mu.Lock()
	s.registered = false // a restore leaves it out from here on
	l, ready := c.link, c.link.ready
	known := s.on == l
	c.mu.Unlock()
	if !known {
		return nil
	}
	removed := c.askAsync(l, "service.remove", serviceRequest{s.name})
	if !ready {
		return nil
	}
	return removed
}

// leave takes the server out of the tables.
func (s *server) leave() {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.services[s.name] == s {
		delete(c.services, s.name)
	}
	if s.owner != nil {
		delete(s.owner.serving, s)
	}
}
