package flux

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/flux-sdk/flux/codec"
)

// ask makes a request of the library's own on a link that is not ready yet.
func (c *conn) ask(l *link, topic string, req any) error {
	return <-c.askAsync(l, topic, req)
}

func (c *conn) askAsync(l *link, topic string, req any) <-chan error {
	a := answer{make(chan error, 1)}
	return c.askFor(l, topic, req, a, a)
}

// askFor is askAsync with a sink around the answer's.
func (c *conn) askFor(l *link, topic string, req any, s sink, a answer) <-chan error {
	c.mu.Lock()
	err := c.err
	if err == nil {
		err = c.beginQuick(l, topic, req, s)
	}
	c.mu.Unlock()
	if err != nil {
		a.ch <- err
	} else {
		c.flush(l)
	}
	return a.ch
}

// answer is the sink of a request whose response is only looked at for its
// errno.
type answer struct{ ch chan error }

func (a answer) reply(m *codec.Message, _ bool) {
	if m.Errnum != 0 {
		a.ch <- remoteError(m.Topic, m)
	} else {
		a.ch <- nil
	}
}

func (a answer) fail(err error) { a.ch <- err }

// A name that is taken may be so by the old connection, whose end the broker has
// not seen yet: the restore tries again so often, with doubling pauses.
const (
	nameRetries    = 6
	firstNamePause = 10 * time.Millisecond
)

// restoreServices registers the services again. A name that is somebody else's
// by now ends its Serve; any other failure is that of the link.
func (c *conn) restoreServices(l *link) error {
	c.mu.Lock()
	todo := slices.Collect(maps.Values(c.services))
	c.mu.Unlock()
	pause := firstNamePause
	for try := 0; ; try++ {
		taken, err := c.addServices(l, todo, try == nameRetries)
		if err != nil || len(taken) == 0 {
			return err
		}
		if !sleep(c.life, pause) {
			return ErrClosed
		}
		todo = taken
		pause *= 2
	}
}

// addServices registers those of the services that are to be, all at once, and
// returns the ones whose name is taken, unless this is the last try.
func (c *conn) addServices(l *link, servers []*server, last bool) (taken []*server, err error) {
	type adding struct {
		s  *server
		ch <-chan error
	}
	var list []adding
	c.mu.Lock()
	for _, s := range servers {
		// In one step with the check: a service.remove must come after it.
		if !s.registered {
			continue
		}
		a := answer{make(chan error, 1)}
		if err = c.beginQuick(l, "service.add", serviceRequest{s.name}, a); err != nil {
			break
		}
		s.on = l
		list = append(list, adding{s, a.ch})
	}
	c.mu.Unlock()
	c.flush(l)
	for _, a := range list {
		e := <-a.ch
		var refused *Error
		switch {
		case e == nil:
		case !errors.As(e, &refused):
			err = e
		case errors.Is(e, EEXIST) && !last:
			taken = append(taken, a.s)
		default:
			c.refused(a.s, e)
		}
	}
	return taken, err
}

// refused ends a Serve whose service cannot be registered again.
func (c *conn) refused(s *server, err error) {
	c.mu.Lock()
	wanted := s.registered
	s.registered = false
	c.mu.Unlock()
	if wanted {
		s.refuse()
		s.fail(s.registerError(err))
	}
}

// registering is the sink of a Serve's service.add. It notes the success on the
// reader, so that a loss right after it finds a service to restore.
type registering struct {
	s *server
	answer
}

func (r registering) reply(m *codec.Message, final bool) {
	if m.Errnum == 0 {
		r.s.c.mu.Lock()
		r.s.registered = true
		r.s.c.mu.Unlock()
	}
	r.answer.reply(m, final)
}

// restoreSubs subscribes again to every prefix that still has subscribers.
func (c *conn) restoreSubs(l *link) error {
	var waits []<-chan error
	var err error
	c.mu.Lock()
	c.subs.deactivate() // the reader of the old link may have activated one
	for _, ts := range c.subs.topics {
		a := answer{make(chan error, 1)}
		again := &resubscribe{ts, a}
		if c.opts.noSubscribe {
			defer again.reply(&codec.Message{}, true)
			continue
		}
		if len(ts.subs)+len(ts.waiting) == 0 {
			c.subs.remove(ts)
			continue
		}
		if err = c.beginQuick(l, "event.subscribe", subscribeRequest{ts.prefix}, again); err != nil {
			break
		}
		waits = append(waits, a.ch)
	}
	c.mu.Unlock()
	c.flush(l)
	for _, ch := range waits {
		if e := <-ch; e != nil {
			err = e
		}
	}
	return err
}

// resubscribe is the sink of an event.subscribe that restores a subscription.
type resubscribe struct {
	ts *topicSub
	answer
}

// reply runs on the reader: the gap item stands before every event of the new
// connection.
func (r *resubscribe) reply(m *codec.Message, _ bool) {
	ts, c := r.ts, r.ts.c
	c.mu.Lock()
	subs := slices.Clone(ts.subs)
	if m.Errnum != 0 {
		ts.subs = nil
		c.subs.remove(ts)
	} else {
		ts.active = true
		c.dropIfUnused(ts)
	}
	c.mu.Unlock()
	for _, s := range subs {
		if m.Errnum != 0 {
			s.end(remoteError(m.Topic, m))
		} else {
			s.out.Mark(failedEvent(&GapError{Dropped: -1, Cause: errRestored}))
		}
	}
	r.ch <- nil // a refusal ends this subscription, not the restore
}

// errRestored is the cause of the gap that a reconnect leaves.
var errRestored = lostError(errors.New("restored"))
