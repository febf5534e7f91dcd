package transport

import (
	"sync/atomic"
	"time"

	"github.com/flux-sdk/flux/codec"
)

const (
	// restAfter is how many messages that nobody waits for must have come in a
	// row, at restGap or less on average, before the reader rests between reads.
	restAfter = 256
	restGap   = 100 * time.Microsecond
	restPause = 200 * time.Microsecond
)

// rest lets a busy one-way flow, of events or of a stream's responses, gather
// before the next read. A broker in another process sends them one by one, and
// without a rest each wakes the reader, which costs more than all else that is
// done for it and takes the processor from the broker. It belongs to the
// reader, but for asked.
//
// A call that begins ends the resting for the next restAfter messages, so its
// reply meets a reader that waits for it, unless the call takes long in any case.
type rest struct {
	can   bool // every read that waits is a wake-up of a thread
	asked atomic.Bool

	flow  int       // messages in a row
	seen  int       // of these at the last read
	since time.Time // of the last read
}

// received takes note of a message.
func (r *rest) received(m *codec.Message) {
	if m.Type == codec.TypeEvent || m.Type == codec.TypeResponse && !m.Final() {
		r.flow++
	} else {
		r.flow, r.seen = 0, 0
	}
}

// sent takes note of a request that somebody waits for the response of.
func (r *rest) sent() {
	if r.can && !r.asked.Load() {
		r.asked.Store(true)
	}
}

// due reports, before a read, whether it pays to rest.
func (r *rest) due() bool {
	if r.flow < restAfter {
		return false
	}
	if r.asked.Load() {
		r.asked.Store(false)
		r.flow, r.seen = 0, 0
		return false
	}
	now := time.Now()
	fast := now.Sub(r.since) <= time.Duration(r.flow-r.seen)*restGap
	r.since, r.seen = now, r.flow
	return fast
}
