package flux

// lossy is what an outbox needs besides to drop its oldest items rather than
// refuse new ones.
//
// The channel holds one item then, because only what is in no channel, or alone
// in one, can be dropped with the hole in the right place. While the feeder is
// sending, only the feeder can drop.
type lossy[T any] struct {
	newGap func(dropped int) T // not nil: drop
	gap    hole[T]             // in front of the spill
	held   hole[T]             // that the feeder is sending
	slot   hole[T]             // what the item in the channel stands for, if it is a gap
}

// hole is a place where items are missing.
type hole[T any] struct {
	n    int
	mark *T // one of those missing, and to be put there, whatever n is
}

func (h *hole[T]) any() bool { return h.n > 0 || h.mark != nil }

func (h *hole[T]) add(v boxed[T]) {
	if v.mark {
		h.mark = &v.v
	} else {
		h.n++
	}
}

func (h *hole[T]) merge(other hole[T]) {
	h.n += other.n
	if h.mark == nil {
		h.mark = other.mark
	}
}

// dropOldest makes the outbox drop its oldest items past the limit, and put
// what gapItem makes where they are missing. It comes before anything else.
func (b *outbox[T]) dropOldest(gapItem func(dropped int) T) {
	b.newGap = gapItem
	b.ch = make(chan T, 1)
}

func (b *outbox[T]) dropping() bool { return b.newGap != nil }

func (b *outbox[T]) gapItem(h hole[T]) T {
	if h.mark != nil {
		return *h.mark
	}
	return b.newGap(h.n)
}

// pushLossy accepts v and sees to it that older ones are dropped for it.
func (b *outbox[T]) pushLossy(v T, size int) {
	if b.ended {
		return
	}
	if !b.feeding && b.offer(v, size) {
		b.slot = hole[T]{}
		return
	}
	b.add(boxed[T]{v: v, size: size})
	b.settle()
	if b.over(b.chCount, b.chBytes) {
		b.ask() // who sheds, in the same turn
	}
}

// over reports whether the spill, with so much more, is past the limit.
func (b *outbox[T]) over(msgs, bytes int) bool {
	n := msgs + b.spill.n
	return n > b.limit.msgs || n > 1 && bytes+b.bytes > b.limit.bytes
}

// shed drops from the oldest on until what is left is within the limit. It
// belongs to the feeder, when it is not sending: nothing is put into the channel
// meanwhile.
func (b *outbox[T]) shed() {
	b.settle()
	if b.over(b.chCount, b.chBytes) { // what is in the channel is the oldest
		select {
		case v := <-b.ch:
			if b.slot.any() {
				b.gap.merge(b.slot)
			} else {
				b.gap.add(boxed[T]{v: v})
			}
			b.slot = hole[T]{}
		default: // the consumer has it
		}
		b.forget(0)
	}
	for b.over(0, 0) {
		b.gap.add(b.pop())
	}
}
