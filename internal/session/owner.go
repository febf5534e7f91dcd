package session

import (
	"context"

	"github.com/flux-sdk/flux/internal/mtag"
)

// Owner is one of those that share a session. What it has started ends with it.
type Owner struct {
	// Holder is what owns, for the Sinks of its requests. It is not changed.
	Holder any

	s    *Session
	life context.Context // ends when err is set
	end  context.CancelFunc

	// Guarded by Session.mu.
	err      error         // why it can start nothing more
	draining bool          // calls tells when all calls are over
	calls    int           // that are under way, while draining
	drained  chan struct{} // closed when calls is 0
}

// NewOwner adds an owner. It has ended if the session has.
func (s *Session) NewOwner(holder any) *Owner {
	o := &Owner{Holder: holder, s: s}
	o.life, o.end = context.WithCancel(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		o.endLocked(s.err)
	} else {
		s.owners[o] = struct{}{}
	}
	return o
}

// Owners returns how many owners there are.
func (s *Session) Owners() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.owners)
}

// endLocked makes the owner unable to start anything.
func (o *Owner) endLocked(err error) {
	if o.err == nil {
		o.err = err
		o.end()
	}
}

// Done is closed when the owner can start nothing more.
func (o *Owner) Done() <-chan struct{} { return o.life.Done() }

// Remove takes the owner out, with ErrClosed. open is false if it was out already;
// last says that no owners are left.
func (o *Owner) Remove() (open, last bool) {
	s := o.s
	s.mu.Lock()
	defer s.mu.Unlock()
	o.endLocked(ErrClosed)
	_, open = s.owners[o]
	delete(s.owners, o)
	return open, len(s.owners) == 0
}

// EndRequests gives up all requests of an owner that was removed, on a connection
// that goes on, and reports whether there were any.
func (o *Owner) EndRequests() bool {
	s := o.s
	s.mu.Lock()
	owned := s.ownedLocked(o)
	var unsent []bool
	for _, r := range owned {
		s.retireLocked(r)
		early := r.Streaming && r.phase == requestQueued
		if early {
			r.phase = requestOrphaned // it is cancelled by its sender
		}
		unsent = append(unsent, early)
	}
	s.mu.Unlock()
	for i, r := range owned {
		s.noteRetired(r)
		streaming := r.Streaming // r may be used for another call after fail
		r.fail(ErrClosed)
		if streaming && !unsent[i] {
			s.cancelStream(r)
		}
	}
	return len(owned) > 0
}

// Drain makes the owner unable to start anything, and returns a channel that
// closes when the calls that it has started are over.
func (o *Owner) Drain() <-chan struct{} {
	s := o.s
	s.mu.Lock()
	defer s.mu.Unlock()
	o.endLocked(ErrClosed)
	o.draining, o.calls, o.drained = true, 0, make(chan struct{})
	for _, r := range s.ownedLocked(o) {
		if !r.Streaming {
			o.calls++
		}
	}
	if o.calls == 0 {
		close(o.drained)
	}
	return o.drained
}

// leftLocked tells an owner that drains that one of its calls is over.
func (r *Request) leftLocked() {
	o := r.Owner
	if o == nil || !o.draining || r.Streaming {
		return
	}
	if o.calls--; o.calls == 0 {
		close(o.drained)
	}
}

// ownedLocked lists the live requests of an owner.
func (s *Session) ownedLocked(o *Owner) []*Request {
	var list []*Request
	s.link.tags.All(func(_ uint32, r *Request, state mtag.State) bool {
		if state == mtag.Live && r.Owner == o {
			list = append(list, r)
		}
		return true
	})
	return list
}

// With returns a ctx that also ends with the owner.
func (o *Owner) With(ctx context.Context) (context.Context, context.CancelFunc) {
	both, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(o.life, cancel)
	return both, func() {
		stop()
		cancel()
	}
}
