// Package outbox is the ordered, bounded queue behind a delivery channel.
//
// The way in never waits. What the channel does not take at once waits in a list,
// which a goroutine that lives only while there is something in it sends to the
// channel. The outbox is the only sender and the only closer of its channel.
package outbox

import "sync"

// chanRoom is the buffer of the channel: enough for a consumer that keeps up not
// to need the goroutine. With 0 each item that nobody waits for starts it.
const chanRoom = 32

// Limit bounds what is accepted and not yet received, in messages and in bytes,
// both at least 1. A single message is accepted whatever its size.
type Limit struct{ Messages, Bytes int }

// Outbox is a queue of T. Its methods may be called concurrently. Its lock is a
// leaf: nothing is called and nothing waits under it.
type Outbox[T any] struct {
	ch     chan T
	limit  Limit
	newGap func(dropped int) T // not nil: the oldest are dropped at the limit

	// Guarded by mu.
	mu    sync.Mutex
	list  list[T] // behind what the feeder is sending
	gap   hole[T] // in front of the list
	sizes sizes   // of what is in the channel

	feeding  bool
	sending  item[T]       // by the feeder
	kind     kind          // of it
	sentGap  hole[T]       // what it stands for, if it is a gap
	inChan   hole[T]       // what the item in a lossy channel stands for, if it is a gap or a mark
	wake     chan struct{} // one token: the feeder is to look again at what it sends
	ended    bool          // nothing more is accepted
	aborted  bool          // what is queued is dropped too
	last     *T            // the item that ends it, if any
	closed   chan struct{} // closed after the channel
	onClosed []func()
}

// New returns an outbox that refuses what passes the limit.
func New[T any](limit Limit) *Outbox[T] {
	return &Outbox[T]{
		ch: make(chan T, min(chanRoom, limit.Messages)), limit: limit,
		wake: make(chan struct{}, 1), closed: make(chan struct{}),
	}
}

// NewLossy returns an outbox that drops its oldest items for those that would
// pass the limit, but never the newest. The item that newGap makes stands where
// items are missing. The feeder does the dropping, soon after; until then as much
// again may be queued.
func NewLossy[T any](limit Limit, newGap func(dropped int) T) *Outbox[T] {
	return &Outbox[T]{
		ch: make(chan T, 1), limit: limit, newGap: newGap,
		wake: make(chan struct{}, 1), closed: make(chan struct{}),
	}
}

// Chan returns the channel.
func (b *Outbox[T]) Chan() <-chan T { return b.ch }

// Push accepts v, of size bytes. It reports false if that would pass the limit; v
// is then not accepted, and the caller is to call Finish. The item that the feeder
// is sending does not count: the consumer may have it already. So an outbox whose
// limit is above the channel's buffer may hold one item more. After the end v is
// dropped, and Push reports true.
func (b *Outbox[T]) Push(v T, size int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return true
	}
	b.sizes.keep(len(b.ch))
	if b.newGap == nil && b.fullLocked(size) {
		return false
	}
	if !b.feeding && b.offerLocked(v, size) {
		return true
	}
	b.list.push(item[T]{v: v, size: size})
	b.feedLocked()
	if b.newGap != nil && b.overLimitLocked(1) {
		b.nudge()
		for b.list.len() > 1 && b.overLimitLocked(2) {
			b.gap.add(b.list.pop())
		}
	}
	return true
}

// Mark accepts v whatever the limit. A lossy outbox that drops it puts it in the
// place of the gap item, whatever else is missing there.
func (b *Outbox[T]) Mark(v T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return
	}
	if !b.feeding && b.offerLocked(v, 0) {
		b.inChan.add(item[T]{v: v, mark: true})
		return
	}
	b.list.push(item[T]{v: v, mark: true})
	b.feedLocked()
}

// Finish ends the outbox: after what was accepted comes last, if it is not nil,
// and then the channel closes. It reports whether that has happened already.
func (b *Outbox[T]) Finish(last *T) (closed bool) {
	b.mu.Lock()
	if !b.ended {
		b.ended, b.last = true, last
		if !b.feeding {
			if last == nil || b.offerLocked(*last, 0) {
				b.last = nil
				return b.closeAndUnlock()
			}
			b.feedLocked()
		}
	}
	b.mu.Unlock()
	select {
	case <-b.closed:
		return true
	default:
		return false
	}
}

// Abort ends the outbox at once and returns when the channel is closed: what is
// queued is dropped, last comes next, if it is not nil. What the channel holds
// already can still be received, unless last needs the room.
func (b *Outbox[T]) Abort(last *T) {
	b.mu.Lock()
	select {
	case <-b.closed:
		b.mu.Unlock()
		return
	default:
	}
	if b.aborted {
		b.mu.Unlock()
		<-b.closed
		return
	}
	b.ended, b.aborted, b.last = true, true, last
	if b.feeding {
		b.nudge() // the feeder may be sending: it is the one to close
		b.mu.Unlock()
		<-b.closed
		return
	}
	b.dropAndUnlock()
}

// WhenClosed has f called after the channel is closed, at once if it is. f may
// call the outbox.
func (b *Outbox[T]) WhenClosed(f func()) {
	b.mu.Lock()
	select {
	case <-b.closed:
		b.mu.Unlock()
		f()
	default:
		b.onClosed = append(b.onClosed, f)
		b.mu.Unlock()
	}
}

// Depth is how much is queued now, in messages and bytes.
func (b *Outbox[T]) Depth() (messages, bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sizes.keep(len(b.ch))
	return b.depthLocked()
}

// depthLocked is Depth as of the last keep.
func (b *Outbox[T]) depthLocked() (messages, bytes int) {
	messages, bytes = b.sizes.n+b.list.len(), b.sizes.bytes+b.list.bytes
	if b.kind == sendItem {
		messages, bytes = messages+1, bytes+b.sending.size
	}
	return messages, bytes
}

// fullLocked reports whether one more item, of size bytes, passes the limit.
func (b *Outbox[T]) fullLocked(size int) bool {
	n := b.sizes.n + b.list.len()
	return n >= b.limit.Messages || n > 0 && b.sizes.bytes+b.list.bytes+size > b.limit.Bytes
}

// overLimitLocked reports whether what is queued is past so many times the limit. Called with
// mu held.
func (b *Outbox[T]) overLimitLocked(times int) bool {
	messages, bytes := b.depthLocked()
	return messages > times*b.limit.Messages || bytes/times > b.limit.Bytes
}

// offerLocked sends v if the channel takes it at once.
func (b *Outbox[T]) offerLocked(v T, size int) bool {
	select {
	case b.ch <- v:
		b.sizes.sent(size, len(b.ch))
		b.inChan = hole[T]{}
		return true
	default:
		return false
	}
}
