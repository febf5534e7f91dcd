package flux

import (
	"context"
	"errors"
	"slices"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/outbox"
	"github.com/flux-sdk/flux/internal/session"
)

// subscription is one subscriber.
type subscription struct {
	owner *Client
	topic *topicSub
	match string // glob, "" for none
	out   *outbox.Outbox[Event]
	ready chan struct{} // closed when the subscription stands, or err is set
	err   error
}

// watch makes the end of ctx the end of the subscription.
func (s *subscription) watch(ctx context.Context) {
	set := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		<-set
		s.owner.c.unsubscribe(s)
		s.out.Abort(nil)
	})
	s.out.WhenClosed(func() { stop() })
	close(set)
}

// topicSub is one subscription at the broker, with its local subscribers.
type topicSub struct {
	c       *conn
	prefix  string
	active  bool // the broker has confirmed it on the present link
	subs    []*subscription
	waiting []*subscription // for the broker's answer
}

// subTable holds the subscriptions of a connection. Guarded by conn.mu.
type subTable struct {
	topics map[string]*topicSub
	sizes  []prefixSize // the lengths of the prefixes, so that dispatch tries no other
}

type prefixSize struct{ bytes, count int }

func (t *subTable) add(ts *topicSub) {
	if t.topics == nil {
		t.topics = make(map[string]*topicSub)
	}
	t.topics[ts.prefix] = ts
	ts.c.sess.ExpectUnasked(1)
	i, ok := slices.BinarySearchFunc(t.sizes, len(ts.prefix), bySize)
	if !ok {
		t.sizes = slices.Insert(t.sizes, i, prefixSize{bytes: len(ts.prefix)})
	}
	t.sizes[i].count++
}

func (t *subTable) remove(ts *topicSub) {
	if t.topics[ts.prefix] != ts {
		return
	}
	delete(t.topics, ts.prefix)
	ts.c.sess.ExpectUnasked(-1)
	i, _ := slices.BinarySearchFunc(t.sizes, len(ts.prefix), bySize)
	if t.sizes[i].count--; t.sizes[i].count == 0 {
		t.sizes = slices.Delete(t.sizes, i, i+1)
	}
}

func bySize(s prefixSize, n int) int { return s.bytes - n }

// matching appends the subscribers of a topic to list.
func (t *subTable) matching(list []*subscription, topic string) []*subscription {
	for _, size := range t.sizes {
		if size.bytes > len(topic) {
			break
		}
		if ts := t.topics[topic[:size.bytes]]; ts != nil && ts.active {
			list = append(list, ts.subs...)
		}
	}
	return list
}

// subscribe adds s and asks the broker for the prefix if nobody has yet.
func (c *conn) subscribe(ctx context.Context, s *subscription, prefix string) error {
	for {
		l, err := c.sess.WaitReady(ctx, s.owner.owner, nil)
		if err != nil {
			return err
		}
		err = c.addSubscriber(l, s, prefix)
		l.Flush()
		if err == nil || !c.sess.Replaced(ctx, s.owner.owner, l, err) {
			return err
		}
	}
}

func (c *conn) addSubscriber(l *session.Link, s *subscription, prefix string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := s.owner.Err(); err != nil { // its end must find s in the table
		return err
	}
	ts := c.subs.topics[prefix]
	if ts == nil {
		ts = &topicSub{c: c, prefix: prefix, active: c.opts.noSubscribe}
		if !ts.active {
			if err := c.sess.Ask(l, "event.subscribe", subscribeRequest{prefix}, ts); err != nil {
				return err
			}
		}
		c.subs.add(ts)
	}
	s.topic = ts
	if ts.active {
		ts.subs = append(ts.subs, s)
		close(s.ready)
	} else {
		ts.waiting = append(ts.waiting, s)
	}
	return nil
}

// subscribeRequest is the payload of event.subscribe and event.unsubscribe.
type subscribeRequest struct {
	Topic string `json:"topic"`
}

// unsubscribe removes s; without subscribers the broker is told, too.
func (c *conn) unsubscribe(s *subscription) {
	c.mu.Lock()
	ts := s.topic
	ts.subs = without(ts.subs, s)
	ts.waiting = without(ts.waiting, s)
	c.unsubscribeIfUnusedLocked(ts)
	c.mu.Unlock()
	c.sess.Link().Flush()
}

// unsubscribeIfUnusedLocked ends a subscription at the broker that nobody needs;
// the caller flushes. One that is not confirmed yet is ended when it is.
func (c *conn) unsubscribeIfUnusedLocked(ts *topicSub) {
	if !ts.active || len(ts.subs)+len(ts.waiting) > 0 || c.subs.topics[ts.prefix] != ts {
		return
	}
	c.subs.remove(ts)
	if !c.opts.noSubscribe {
		c.sess.Ask(c.sess.Link(), "event.unsubscribe", subscribeRequest{ts.prefix}, discardSink{})
	}
}

func without(list []*subscription, s *subscription) []*subscription {
	i := slices.Index(list, s)
	if i < 0 {
		return list
	}
	return slices.Delete(slices.Clone(list), i, i+1)
}

// Reply is the broker's answer to event.subscribe. It runs on the reader, so
// every event that arrives after it finds the subscribers.
func (ts *topicSub) Reply(m *codec.Message, _ bool) {
	if m.Errnum != 0 {
		ts.refuse(remoteError(m.Topic, m))
		return
	}
	c := ts.c
	c.mu.Lock()
	defer c.mu.Unlock()
	ts.confirmLocked()
	c.unsubscribeIfUnusedLocked(ts)
}

// confirmLocked notes that the broker sends the events.
func (ts *topicSub) confirmLocked() {
	ts.active = true
	for _, s := range ts.waiting {
		ts.subs = append(ts.subs, s)
		close(s.ready)
	}
	ts.waiting = nil
}

// Fail ends the wait of the subscribers.
func (ts *topicSub) Fail(err error) {
	ts.refuse(&opError{op: "call", topic: "event.subscribe", err: err})
}

func (ts *topicSub) refuse(err error) {
	c := ts.c
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subs.remove(ts)
	for _, s := range ts.waiting {
		s.err = err
		close(s.ready)
	}
	ts.waiting = nil
}

// Event gives an event to its subscribers. It belongs to the reader.
func (c *conn) Event(m *codec.Message) {
	c.mu.Lock()
	c.matched = c.subs.matching(c.matched[:0], m.Topic)
	c.mu.Unlock()
	if len(c.matched) == 0 {
		return
	}
	e := newEvent(m, c.codec)
	for _, s := range c.matched {
		if s.match != "" && !codec.Match(s.match, m.Topic) {
			continue
		}
		if !s.out.Push(e, len(m.Payload)+itemOverhead) {
			c.unsubscribe(s)
			c.watch.slowConsumer(s.topic.prefix)
			s.end(ErrSlowConsumer)
			continue
		}
		c.watch.queued(s.topic.prefix, s.out.Depth)
	}
	clear(c.matched)
}

// takeAll empties the table and returns the subscriptions that stood.
func (t *subTable) takeAll() []*subscription {
	var list []*subscription
	for _, ts := range t.topics {
		list = append(list, ts.subs...)
		ts.subs = nil
	}
	t.topics, t.sizes = nil, nil
	return list
}

// takeOwned takes out the subscriptions of one client, those that wait for the
// broker included, and returns the ones that stood.
func (t *subTable) takeOwned(owner *Client) []*subscription {
	var list []*subscription
	for _, ts := range t.topics {
		for _, s := range slices.Concat(ts.subs, ts.waiting) {
			if s.owner != owner {
				continue
			}
			if slices.Contains(ts.waiting, s) {
				s.err = &opError{op: "subscribe", topic: ts.prefix, err: ErrClosed}
				close(s.ready)
			} else {
				list = append(list, s)
			}
			ts.subs, ts.waiting = without(ts.subs, s), without(ts.waiting, s)
		}
	}
	return list
}

// deactivate notes that the broker knows none of the subscriptions any more.
func (t *subTable) deactivate() {
	for _, ts := range t.topics {
		ts.active = ts.c.opts.noSubscribe
	}
}

// end ends a subscription that is out of the table already.
func (s *subscription) end(err error) {
	last := failedEvent(&opError{op: "subscribe", topic: s.topic.prefix, err: err})
	if errors.Is(err, ErrClosed) {
		s.out.Abort(&last)
	} else if !s.out.Finish(&last) {
		s.owner.backlogs.keep(s)
	}
}

func (s *subscription) drop() { s.end(ErrClosed) }

func (s *subscription) whenClosed(f func()) { s.out.WhenClosed(f) }

// restoreSubs subscribes again to every prefix that still has subscribers.
func (c *conn) restoreSubs(l *session.Link) error {
	var waits []<-chan error
	var err error
	c.mu.Lock()
	c.subs.deactivate() // the reader of the old link may have activated one
	for _, ts := range c.subs.topics {
		a := newErrorSink("event.subscribe")
		again := &resubscribe{ts, a}
		if c.opts.noSubscribe {
			defer again.Reply(&codec.Message{}, true)
			continue
		}
		if len(ts.subs)+len(ts.waiting) == 0 {
			c.subs.remove(ts)
			continue
		}
		if err = c.sess.Ask(l, "event.subscribe", subscribeRequest{ts.prefix}, again); err != nil {
			break
		}
		waits = append(waits, a.ch)
	}
	c.mu.Unlock()
	l.Flush()
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
	errorSink
}

// Reply runs on the reader: the gap item stands before every event of the new
// connection.
func (r *resubscribe) Reply(m *codec.Message, _ bool) {
	ts, c := r.ts, r.ts.c
	c.mu.Lock()
	subs := slices.Clone(ts.subs)
	if m.Errnum != 0 {
		ts.subs = nil
		c.subs.remove(ts)
	} else {
		ts.confirmLocked()
		c.unsubscribeIfUnusedLocked(ts)
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
var errRestored = session.LostError(errors.New("restored"))
