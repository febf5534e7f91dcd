package outbox

// feed makes sure that a feeder is at work. Called with mu held.
func (b *Outbox[T]) feed() {
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
		if b.cut {
			b.feeding = false
			b.dropAndUnlock()
			return
		}
		next, ok := b.next()
		if !ok {
			b.feeding = false
			if b.ended {
				b.closeAndUnlock()
			} else {
				b.mu.Unlock()
			}
			return
		}
		if !next.gap.any() {
			b.sending = &next
		}
		b.mu.Unlock()
		sent := false
		select {
		case b.ch <- next.v:
			sent = true
		case <-b.wake:
		}
		b.mu.Lock()
		b.sending = nil
		switch {
		case !sent:
			b.takeBack(next)
		case next.last:
			b.cut, b.last = true, nil // it has its end: a second one must not follow
		case next.gap.any(): // counts for nothing
			b.inChan = next.gap
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

// takeBack puts an item that was not sent in front of what is queued, and then
// drops the oldest of a lossy outbox. Called with mu held.
func (b *Outbox[T]) takeBack(v item[T]) {
	switch {
	case v.last: // it is still there
	case v.gap.any():
		b.gap.merge(v.gap)
	case b.gap.any(): // behind it: it is too old as well
		b.gap.add(v)
	default:
		b.list.pushFront(v)
	}
	if b.newGap == nil || b.cut {
		return
	}
	b.sizes.keep(len(b.ch))
	if b.over(1) && b.list.len() > 0 { // what is in the channel is the oldest
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
	for b.list.len() > 1 && b.over(1) {
		b.gap.add(b.list.pop())
	}
}

// next takes what is to be sent next. It first moves what the channel has room
// for out of the list, so that feeder and consumer meet once for many items.
// Called with mu held.
func (b *Outbox[T]) next() (item[T], bool) {
	for b.newGap == nil && b.list.len() > 0 && b.offer(b.list.front().v, b.list.front().size) {
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
		gap := b.gap
		b.gap = hole[T]{}
		if gap.mark != nil {
			return item[T]{v: *gap.mark, gap: gap}, true
		}
		return item[T]{v: b.newGap(gap.n), gap: gap}, true
	case b.list.len() > 0:
		return b.list.pop(), true
	case b.ended && b.last != nil:
		return item[T]{v: *b.last, last: true}, true
	}
	return item[T]{}, false
}

// dropAndUnlock drops what is queued, makes room for the last item and closes
// the channel. Called with mu held, by the only sender there is.
func (b *Outbox[T]) dropAndUnlock() {
	b.list, b.gap = list[T]{}, hole[T]{}
	for b.last != nil && !b.offer(*b.last, 0) {
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
