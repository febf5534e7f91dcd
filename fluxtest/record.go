package fluxtest

import (
	"context"
	"slices"
	"sync"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/fluxtest/internal/router"
)

const (
	defaultRecord = 4096
	recordBytes   = 32 << 20
)

// Received is a message that a client sent, as it sent it.
type Received struct {
	Conn    int    // number of the connection, see [Conn.Number]
	Rank    uint32 // that it was sent to
	Message *codec.Message
}

// recorder keeps the newest messages from clients.
type recorder struct {
	max int

	// Guarded by mu.
	mu      sync.Mutex
	ring    []received // grows to max, then wraps
	at      int        // the oldest, once it wraps
	bytes   int
	total   uint64        // messages ever
	arrived chan struct{} // closed by the next message; nil while nobody waits
}

type received struct {
	conn int
	rank uint32
	m    codec.Message
}

// add records a message of a client. Its payload is shared, as nothing changes
// that.
func (rec *recorder) add(c *router.Conn, m *codec.Message) {
	kept := *m
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.total++
	e := received{c.Number(), c.Rank(), kept}
	if len(rec.ring) < rec.max {
		rec.ring = append(rec.ring, e)
	} else {
		rec.bytes -= len(rec.ring[rec.at].m.Payload)
		rec.ring[rec.at] = e
		rec.at = (rec.at + 1) % len(rec.ring)
	}
	if rec.bytes += len(m.Payload); rec.bytes > recordBytes {
		rec.shrinkLocked()
	}
	if rec.arrived != nil {
		close(rec.arrived)
		rec.arrived = nil
	}
}

// shrinkLocked forgets the older half.
func (rec *recorder) shrinkLocked() {
	n := len(rec.ring)
	kept := make([]received, 0, n/2+1)
	rec.bytes = 0
	for i := n / 2; i < n; i++ {
		e := rec.ring[(rec.at+i)%n]
		rec.bytes += len(e.m.Payload)
		kept = append(kept, e)
	}
	rec.ring, rec.at = kept, 0
}

// each calls f for the messages from number start on, until it reports true,
// and returns a channel that is closed when there are more.
func (rec *recorder) each(start uint64, f func(Received) bool) (next uint64, found bool, more <-chan struct{}) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	n := len(rec.ring)
	first := rec.total - uint64(n)
	for i := max(start, first); i < rec.total; i++ {
		e := rec.ring[(rec.at+int(i-first))%n]
		if f(Received{e.conn, e.rank, &e.m}) {
			return i, true, nil
		}
	}
	if rec.arrived == nil {
		rec.arrived = make(chan struct{})
	}
	return rec.total, false, rec.arrived
}

// Requests lists the requests that clients sent, in the order of arrival, the
// newest that [Record] allows. The messages are as sent, before the broker
// filled in anything, and must not be changed.
func (b *Broker) Requests() []Received { return b.received(codec.TypeRequest) }

// Messages is [Broker.Requests] for messages of any type.
func (b *Broker) Messages() []Received { return b.received(0) }

func (b *Broker) received(t codec.Type) []Received {
	var list []Received
	b.record.each(0, func(r Received) bool {
		if t == 0 || r.Message.Type == t {
			list = append(list, r)
		}
		return false
	})
	return list
}

// Await waits for a message that match accepts, one that has arrived before
// included, and returns it. match is called under a lock: it must be quick and
// not call the Broker. The error is the cause of ctx's end, or [ErrClosed].
func (b *Broker) Await(ctx context.Context, match func(Received) bool) (Received, error) {
	var got Received
	pick := func(r Received) bool {
		got = r
		return match(r)
	}
	at := uint64(0)
	for {
		next, found, more := b.record.each(at, pick)
		if found {
			return got, nil
		}
		at = next
		select {
		case <-more:
		case <-ctx.Done():
			return Received{}, context.Cause(ctx)
		case <-b.done.Done():
			return Received{}, ErrClosed
		}
	}
}

// AwaitRequest waits for a request with the given topic; see [Broker.Await].
func (b *Broker) AwaitRequest(ctx context.Context, topic string) (Received, error) {
	return b.Await(ctx, func(r Received) bool {
		return r.Message.Type == codec.TypeRequest && r.Message.Topic == topic
	})
}

// AwaitSubscribed waits until some client is subscribed to events with a prefix,
// which is the one that it subscribed to: a subscription to "a" is none to "a.b".
// It returns at once if there is such a subscription. The error is the cause of
// ctx's end, or [ErrClosed].
func (b *Broker) AwaitSubscribed(ctx context.Context, prefix string) error {
	subscribed := func(c *Conn) bool { return slices.Contains(c.Subscriptions(), prefix) }
	for {
		more := b.router.Subscribed()
		if slices.ContainsFunc(b.Conns(), subscribed) {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-b.done.Done():
			return ErrClosed
		}
	}
}
