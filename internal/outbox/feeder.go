package outbox

// kind is what the feeder is sending.
type kind uint8

const (
	sendNothing kind = iota
	sendItem         // the oldest of the list
	sendGap          // the item that stands for sentGap
	sendLast         // last
)

// feedLocked makes sure that a feeder is at work.
func (b *Outbox[T]) feedLocked() {
	if !b.feeding {
		b.feeding = true
		go b.feeder()
	}
}

// feeder sends what is queued, in order, until nothing is, and then closes the
// channel if the outbox has ended.
func (b *Outbox[T]) feeder() {
	for {
		b.mu.Lock()
		if b.aborted {
			b.feeding = false
			b.dropAndUnlock()
			return
		}
		next, kind := b.nextLocked()
		if kind == sendNothing {
			b.feeding = false
			if b.ended {
				b.closeAndUnlock()
			} else {
				b.mu.Unlock()
			}
			return
		}
		b.sending, b.kind = next, kind
		b.mu.Unlock()
		sent := false
		select {
		case b.ch <- next.v:
			sent = true
		case <-b.wake:
		}
		b.mu.Lock()
		b.sending, b.kind = item[T]{}, sendNothing
		switch {
		case !sent:
			b.takeBackLocked(next, kind)
		case kind == sendLast:
			b.aborted, b.last = true, nil // it has its end: a second one must not follow
		case kind == sendGap: // counts for nothing
			b.inChan, b.sentGap = b.sentGap, hole[T]{}
		default:
			b.sizes.sent(next.size, len(b.ch))
			b.inChan = hole[T]{}
			if next.mark {
				b.inChan.add(next)
			}
		}
		b.mu.Unlock()
	}
}

// nudge makes the feeder look again at what it sends.
func (b *Outbox[T]) nudge() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// takeBackLocked puts an item that was not sent in front of what is queued, and then
// drops the oldest of a lossy outbox.
func (b *Outbox[T]) takeBackLocked(v item[T], kind kind) {
	switch {
	case kind == sendLast: // it is still there
	case kind == sendGap:
		b.gap.merge(b.sentGap)
		b.sentGap = hole[T]{}
	case b.gap.any(): // behind it: it is too old as well
		b.gap.add(v)
	default:
		b.list.pushFront(v)
	}
	if b.newGap == nil || b.aborted {
		return
	}
	b.sizes.keep(len(b.ch))
	if b.overLimitLocked(1) && b.list.len() > 0 { // what is in the channel is the oldest
		select {
		case v := <-b.ch:
			if b.inChan.any() {
				b.gap.merge(b.inChan)
			} else {
				b.gap.add(item[T]{v: v})
			}
			b.inChan = hole[T]{}
		default: // the consumer has it
		}
		b.sizes.keep(0)
	}
	for b.list.len() > 1 && b.overLimitLocked(1) {
		b.gap.add(b.list.pop())
	}
}

// nextLocked takes what is to be sent next. It first moves what the channel has room
// for out of the list, so that feeder and consumer meet once for many items.
func (b *Outbox[T]) nextLocked() (item[T], kind) {
	for b.newGap == nil && b.list.len() > 0 && b.offerLocked(b.list.front().v, b.list.front().size) {
		b.list.pop()
	}
	if b.gap.any() && b.inChan.n > 0 { // one gap will do
		select {
		case <-b.ch:
			b.gap.merge(b.inChan)
			b.inChan = hole[T]{}
		default: // the consumer has it
		}
	}
	switch {
	case b.gap.any():
		b.sentGap, b.gap = b.gap, hole[T]{}
		if mark := b.sentGap.mark; mark != nil {
			return item[T]{v: *mark}, sendGap
		}
		return item[T]{v: b.newGap(b.sentGap.n)}, sendGap
	case b.list.len() > 0:
		return b.list.pop(), sendItem
	case b.ended && b.last != nil:
		return item[T]{v: *b.last}, sendLast
	}
	return item[T]{}, sendNothing
}

// dropAndUnlock drops what is queued, makes room for the last item and closes
// the channel. It is called by the only sender there is.
func (b *Outbox[T]) dropAndUnlock() {
	b.list, b.gap = list[T]{}, hole[T]{}
	for b.last != nil && !b.offerLocked(*b.last, 0) {
		// All of it: with only the oldest gone, those behind it would seem to be
		// the next in order. One that is received this very moment will.
		for len(b.ch) > 0 {
			select {
			case <-b.ch:
			default:
			}
		}
	}
	b.closeAndUnlock()
}

// closeAndUnlock closes the channel. Called with mu held, by the only sender
// there is.
func (b *Outbox[T]) closeAndUnlock() (closed bool) {
	close(b.ch)
	close(b.closed)
	after := b.onClosed
	b.onClosed = nil
	b.mu.Unlock()
	for _, f := range after {
		f()
	}
	return true
}
