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
	topic *prefixSubscription
	match string // glob, "" for none
	out   *outbox.Outbox[Event]
	ready chan struct{} // closed when the subscription stands, or err is set
	err   error
}

// endWithContext makes the end of ctx the end of the subscription.
func (s *subscription) endWithContext(ctx context.Context) {
	set := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		<-set
		s.owner.c.unsubscribe(s)
		s.out.Abort(nil)
	})
	s.out.WhenClosed(func() { stop() })
	close(set)
}

// prefixSubscription is one subscription at the broker, with its local subscribers.
// Guarded by conn.mu.
type prefixSubscription struct {
	c           *conn
	prefix      string
	active      bool // the broker has confirmed it on the present link
	subscribers []*subscription
	waiting     []*subscription // for the broker's answer
}

// subscriptionTable holds the subscriptions of a connection. Guarded by conn.mu.
type subscriptionTable struct {
	topics map[string]*prefixSubscription
	sizes  []prefixSize // the lengths of the prefixes, so that dispatch tries no other
}

type prefixSize struct{ bytes, count int }

func (t *subscriptionTable) addLocked(ts *prefixSubscription) {
	if t.topics == nil {
		t.topics = make(map[string]*prefixSubscription)
	}
	t.topics[ts.prefix] = ts
	ts.c.sess.ExpectUnasked(1)
	i, ok := slices.BinarySearchFunc(t.sizes, len(ts.prefix), bySize)
	if !ok {
		t.sizes = slices.Insert(t.sizes, i, prefixSize{bytes: len(ts.prefix)})
	}
	t.sizes[i].count++
}

func (t *subscriptionTable) removeLocked(ts *prefixSubscription) {
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

// appendMatchingLocked appends the subscribers of a topic to list.
func (t *subscriptionTable) appendMatchingLocked(list []*subscription, topic string) []*subscription {
	for _, size := range t.sizes {
		if size.bytes > len(topic) {
			break
		}
		if ts := t.topics[topic[:size.bytes]]; ts != nil && ts.active {
			list = append(list, ts.subscribers...)
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
		ts = &prefixSubscription{c: c, prefix: prefix, active: c.opts.noSubscribe}
		if !ts.active {
			if err := c.sess.Ask(l, "event.subscribe", subscribeRequest{prefix}, ts); err != nil {
				return err
			}
		}
		c.subs.addLocked(ts)
	}
	s.topic = ts
	if ts.active {
		ts.subscribers = append(ts.subscribers, s)
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
	ts.subscribers = without(ts.subscribers, s)
	ts.waiting = without(ts.waiting, s)
	c.unsubscribeIfUnusedLocked(ts)
	c.mu.Unlock()
	c.sess.Link().Flush()
}

// unsubscribeIfUnusedLocked ends a subscription at the broker that nobody needs;
// the caller flushes. One that is not confirmed yet is ended when it is.
func (c *conn) unsubscribeIfUnusedLocked(ts *prefixSubscription) {
	if !ts.active || len(ts.subscribers)+len(ts.waiting) > 0 || c.subs.topics[ts.prefix] != ts {
		return
	}
	c.subs.removeLocked(ts)
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
func (ts *prefixSubscription) Reply(m *codec.Message, _ bool) {
	if m.Errnum != 0 {
		ts.refuseWaiting(remoteError(m.Topic, m))
		return
	}
	c := ts.c
	c.mu.Lock()
	defer c.mu.Unlock()
	ts.confirmLocked()
	c.unsubscribeIfUnusedLocked(ts)
}

// confirmLocked notes that the broker sends the events.
func (ts *prefixSubscription) confirmLocked() {
	ts.active = true
	for _, s := range ts.waiting {
		ts.subscribers = append(ts.subscribers, s)
		close(s.ready)
	}
	ts.waiting = nil
}

// Fail ends the wait of the subscribers.
func (ts *prefixSubscription) Fail(err error) {
	ts.refuseWaiting(&opError{op: "call", topic: "event.subscribe", err: err})
}

func (ts *prefixSubscription) refuseWaiting(err error) {
	ts.c.mu.Lock()
	defer ts.c.mu.Unlock()
	ts.refuseLocked(err)
}

// refuseLocked notes that there is no such subscription at the broker.
func (ts *prefixSubscription) refuseLocked(err error) {
	ts.c.subs.removeLocked(ts)
	ts.endWaitingLocked(err)
}

// endWaitingLocked makes the Subscribes that wait for the broker return err.
func (ts *prefixSubscription) endWaitingLocked(err error) {
	for _, s := range ts.waiting {
		s.err = err
		close(s.ready)
	}
	ts.waiting = nil
}

// Event gives an event to its subscribers. It belongs to the reader.
func (c *conn) Event(m *codec.Message) {
	c.mu.Lock()
	c.matched = c.subs.appendMatchingLocked(c.matched[:0], m.Topic)
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
			s.endChannel(ErrSlowConsumer)
			continue
		}
		c.watch.queued(s.topic.prefix, s.out.Depth)
	}
	clear(c.matched)
}

// takeAllLocked empties the table and returns the subscriptions that stood. Those
// that wait for the broker end with err.
func (t *subscriptionTable) takeAllLocked(err error) []*subscription {
	var list []*subscription
	for _, ts := range t.topics {
		list = append(list, ts.subscribers...)
		ts.subscribers = nil
		ts.endWaitingLocked(err)
	}
	t.topics, t.sizes = nil, nil
	return list
}

// takeOwnedLocked takes out the subscriptions of one client, those that wait for the
// broker included, and returns the ones that stood.
func (t *subscriptionTable) takeOwnedLocked(owner *Client) []*subscription {
	var list []*subscription
	for _, ts := range t.topics {
		for _, s := range slices.Concat(ts.subscribers, ts.waiting) {
			if s.owner != owner {
				continue
			}
			if slices.Contains(ts.waiting, s) {
				s.err = &opError{op: "subscribe", topic: ts.prefix, err: ErrClosed}
				close(s.ready)
			} else {
				list = append(list, s)
			}
			ts.subscribers, ts.waiting = without(ts.subscribers, s), without(ts.waiting, s)
		}
	}
	return list
}

// deactivateLocked notes that the broker knows none of the subscriptions any more.
func (t *subscriptionTable) deactivateLocked() {
	for _, ts := range t.topics {
		ts.active = ts.c.opts.noSubscribe
	}
}

// endChannel ends the channel of a subscription that is out of the table already.
func (s *subscription) endChannel(err error) {
	last := failedEvent(&opError{op: "subscribe", topic: s.topic.prefix, err: err})
	if errors.Is(err, ErrClosed) {
		s.out.Abort(&last)
	} else if !s.out.Finish(&last) {
		s.owner.unread.remember(s)
	}
}

// abortClosed ends the channel at once with ErrClosed.
func (s *subscription) abortClosed() { s.endChannel(ErrClosed) }

func (s *subscription) whenClosed(f func()) { s.out.WhenClosed(f) }

// restoreSubs subscribes again to every prefix that still has subscribers.
func (c *conn) restoreSubs(l *session.Link) error {
	var waits []<-chan error
	var err error
	c.mu.Lock()
	c.subs.deactivateLocked() // the reader of the old link may have activated one
	for _, ts := range c.subs.topics {
		a := newErrorSink("event.subscribe")
		again := &resubscribe{ts, a}
		if c.opts.noSubscribe {
			defer again.Reply(&codec.Message{}, true)
			continue
		}
		if len(ts.subscribers)+len(ts.waiting) == 0 {
			c.subs.removeLocked(ts)
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
	ts *prefixSubscription
	errorSink
}

// Reply runs on the reader, so the gap item stands before every event of the new
// connection.
func (r *resubscribe) Reply(m *codec.Message, _ bool) {
	ts, c := r.ts, r.ts.c
	c.mu.Lock()
	subs := slices.Clone(ts.subscribers)
	if m.Errnum != 0 {
		ts.subscribers = nil
		ts.refuseLocked(remoteError(m.Topic, m))
	} else {
		ts.confirmLocked()
		c.unsubscribeIfUnusedLocked(ts)
	}
	c.mu.Unlock()
	for _, s := range subs {
		if m.Errnum != 0 {
			s.endChannel(remoteError(m.Topic, m))
		} else {
			s.out.Mark(failedEvent(&GapError{Dropped: -1, Cause: errRestored}))
		}
	}
	r.ch <- nil // a refusal ends this subscription, not the restore
}

// errRestored is the cause of the gap that a reconnect leaves.
var errRestored = session.LostError(errors.New("restored"))
