package flux

import "sync"

// Defaults of [QueueLimit].
const (
	defaultQueueMsgs  = 65536
	defaultQueueBytes = 64 << 20

	// outboxChan is the buffer of a delivery channel: enough for a consumer
	// that keeps up not to need the spill.
	outboxChan = 32
)

// queueLimit bounds what is accepted for a consumer and not yet received by it.
type queueLimit struct{ msgs, bytes int }

func (l queueLimit) orDefault() queueLimit {
	if l.msgs <= 0 {
		l.msgs = defaultQueueMsgs
	}
	if l.bytes <= 0 {
		l.bytes = defaultQueueBytes
	}
	return l
}

// outbox is the ordered, bounded queue behind every delivery channel, and that
// channel's only sender and closer. The way in never waits. What the channel
// does not take at once spills into a list, which a goroutine that lives only
// while there is a spill feeds to the channel.
//
// Its lock is a leaf: nothing is called and nothing waits long under it.
type outbox[T any] struct {
	ch    chan T
	limit queueLimit

	mu      sync.Mutex
	onClose func() // called once, with no lock held, after the channel is closed
	spill   fifo[T]
	bytes   int // in spill

	inCh    [outboxChan]int // sizes of what is in the channel, a ring
	chFirst int
	chCount int
	chBytes int

	feeding bool
	hand    hand          // what the feeder is sending
	kick    chan struct{} // one token: the feeder is to look again at what to send
	turns   uint          // of the feeder
	turned  sync.Cond     // turns has changed
	ended   bool          // nothing more is accepted
	cut     bool          // what is queued is dropped too
	last    *T            // the item that ends it, if any
	closed  bool

	lossy[T]
}

type boxed[T any] struct {
	v    T
	size int
	mark bool // not to be dropped without a trace
}

// hand is what the feeder is sending, which stays where it is until it is sent.
type hand uint8

const (
	handEmpty hand = iota
	handItem       // the oldest of the spill
	handGap        // lossy.held
	handLast       // last
)

func newOutbox[T any](limit queueLimit) *outbox[T] {
	limit = limit.orDefault()
	b := &outbox[T]{ch: make(chan T, min(outboxChan, limit.msgs)), limit: limit}
	b.turned.L = &b.mu
	return b
}

// push accepts v, of size bytes. It reports false if that would pass the limit;
// v is then not accepted, and the caller is to finish the outbox.
func (b *outbox[T]) push(v T, size int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dropping() {
		b.pushLossy(v, size)
		return true
	}
	b.settle()
	if !b.ended && b.full(size) && b.hand != handEmpty {
		b.ask()
		b.settle()
	}
	if b.ended {
		return true
	}
	if b.full(size) {
		return false
	}
	if b.feeding || !b.offer(v, size) {
		b.add(boxed[T]{v: v, size: size})
	}
	return true
}

// ask has the feeder say whether what it holds is sent: until then it may count
// twice. This is no wait for the consumer, because a nudged feeder does not wait.
func (b *outbox[T]) ask() {
	b.nudge()
	for turn := b.turns; turn == b.turns; {
		b.turned.Wait()
	}
}

// mark accepts v whatever the limit: a gap that must not get lost.
func (b *outbox[T]) mark(v T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended || !b.feeding && !b.dropping() && b.offer(v, 0) {
		return
	}
	b.add(boxed[T]{v: v, mark: true})
}

// finish ends the outbox: after what was accepted comes last, if it is not nil,
// and then the channel closes. It reports whether that has happened already.
func (b *outbox[T]) finish(last *T) (closed bool) {
	b.mu.Lock()
	if b.ended {
		closed = b.closed
		b.mu.Unlock()
		return closed
	}
	b.ended, b.last = true, last
	after := func() {}
	if !b.feeding {
		if last == nil || b.offer(*last, 0) {
			after = b.closeLocked()
		} else {
			b.feed()
		}
	}
	closed = b.closed
	b.mu.Unlock()
	after()
	return closed
}

// abort ends the outbox at once: what is queued is dropped, last comes next, if
// it is not nil, and the channel closes. What the channel holds already can
// still be received, unless last needs the room.
func (b *outbox[T]) abort(last *T) {
	b.mu.Lock()
	if b.closed || b.cut {
		b.mu.Unlock()
		return
	}
	b.ended, b.cut, b.last = true, true, last
	after := func() {}
	if b.feeding {
		// The feeder may be sending: it is the one to close. Whoever receives
		// after this returns finds that done.
		b.nudge()
		for !b.closed {
			b.turned.Wait()
		}
	} else {
		after = b.cutLocked()
	}
	b.mu.Unlock()
	after()
}

// whenClosed has f called after the channel is closed, at once if it is.
func (b *outbox[T]) whenClosed(f func()) {
	b.mu.Lock()
	closed := b.closed
	if before := b.onClose; !closed {
		b.onClose = f
		if before != nil {
			b.onClose = func() { before(); f() }
		}
	}
	b.mu.Unlock()
	if closed {
		f()
	}
}

// depth is how much is queued now, in messages and bytes.
func (b *outbox[T]) depth() (msgs, bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.settle()
	return b.chCount + b.spill.n, b.chBytes + b.bytes
}

// settle forgets the sizes of what the consumer has received.
func (b *outbox[T]) settle() { b.forget(len(b.ch)) }

// forget keeps the sizes of the newest n in the channel.
func (b *outbox[T]) forget(n int) {
	for ; b.chCount > n; b.chCount-- {
		b.chBytes -= b.inCh[b.chFirst]
		b.chFirst = (b.chFirst + 1) % len(b.inCh)
	}
}

// full reports whether one more item, of size bytes, passes the limit. A single
// item is accepted whatever its size.
func (b *outbox[T]) full(size int) bool {
	n := b.chCount + b.spill.n
	return n >= b.limit.msgs || n > 0 && b.chBytes+b.bytes+size > b.limit.bytes
}

// offer sends v if the channel takes it at once.
func (b *outbox[T]) offer(v T, size int) bool {
	select {
	case b.ch <- v:
		b.sent(size)
		return true
	default:
		return false
	}
}

// sent notes the size of what was just put into the channel.
func (b *outbox[T]) sent(size int) {
	b.forget(max(len(b.ch)-1, 0))
	b.inCh[(b.chFirst+b.chCount)%len(b.inCh)] = size
	b.chCount++
	b.chBytes += size
}

func (b *outbox[T]) add(v boxed[T]) {
	b.spill.push(v)
	b.bytes += v.size
	b.feed()
}

// pop removes the oldest of the spill.
func (b *outbox[T]) pop() boxed[T] {
	v := b.spill.pop()
	b.bytes -= v.size
	return v
}

// feed makes sure that a feeder is at work.
func (b *outbox[T]) feed() {
	if !b.feeding {
		b.feeding = true
		b.kick = make(chan struct{}, 1)
		go b.feeder()
	}
}

// nudge makes the feeder look again.
func (b *outbox[T]) nudge() {
	select {
	case b.kick <- struct{}{}:
	default:
	}
}

// feeder sends the spill, in order, until there is none.
func (b *outbox[T]) feeder() {
	b.mu.Lock()
	kick := b.kick
	b.mu.Unlock()
	for sent := false; ; {
		v, more := b.next(sent)
		if !more {
			return
		}
		select {
		case b.ch <- v:
			sent = true
		case <-kick:
			sent = false
		}
	}
}

// next accounts for what the feeder holds, sent or not, and picks what it is to
// send next. more is false when there is nothing; the channel is then closed if
// the outbox has ended.
func (b *outbox[T]) next(sent bool) (v T, more bool) {
	after := func() {}
	b.mu.Lock()
	b.release(sent)
	switch {
	case b.cut:
	case b.dropping():
		b.shed()
	default:
		b.refill()
	}
	switch {
	case b.cut:
		after = b.cutLocked()
	case b.gap.any():
		b.hand, b.held, b.gap = handGap, b.gap, hole[T]{}
		v, more = b.gapItem(b.held), true
	case b.spill.n > 0:
		b.hand = handItem
		v, more = b.spill.front().v, true
	case b.ended && b.last != nil:
		b.hand = handLast
		v, more = *b.last, true
	case b.ended:
		after = b.closeLocked()
	}
	if !more {
		b.feeding = false
	}
	b.mu.Unlock()
	after()
	return v, more
}

// refill moves what the channel has room for out of the spill, so that a feeder
// and a consumer meet once for many items.
func (b *outbox[T]) refill() {
	for b.spill.n > 0 && b.offer(b.spill.front().v, b.spill.front().size) {
		b.pop()
	}
}

// release empties the feeder's hand.
func (b *outbox[T]) release(sent bool) {
	was := b.hand
	b.hand = handEmpty
	b.turns++
	b.turned.Broadcast()
	switch {
	case was == handItem && sent:
		v := b.pop()
		b.sent(v.size)
		b.slot = hole[T]{}
		if v.mark {
			b.slot.add(v)
		}
	case was == handGap && sent:
		b.slot = b.held
	case was == handGap:
		b.gap.merge(b.held)
	case was == handLast && sent:
		b.last = nil // it has its end, a second one must not follow
	}
}

// cutLocked drops what is queued, makes room for the last item and closes.
func (b *outbox[T]) cutLocked() (after func()) {
	b.spill, b.bytes, b.gap = fifo[T]{}, 0, hole[T]{}
	for b.last != nil && !b.offer(*b.last, 0) {
		// All of it: with only the oldest gone, those behind it would seem to
		// be the next in order. One that is received this very moment will.
		for len(b.ch) > 0 {
			select {
			case <-b.ch:
			default:
			}
		}
	}
	return b.closeLocked()
}

// closeLocked closes the channel and returns what to call with the lock
// released.
func (b *outbox[T]) closeLocked() (after func()) {
	b.closed = true
	close(b.ch)
	if b.onClose == nil {
		return func() {}
	}
	return b.onClose
}
