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
	// restYield is how many messages a rest is to bring, and restTries how many
	// in a row may bring less before there are no more.
	restYield = 2
	restTries = 6
)

// rest lets a busy one-way flow, of events or of a stream's responses, gather
// before the next read. A broker in another process sends them one by one, and
// without a rest each wakes the reader, which costs more than all else that is
// done for it and takes the processor from the broker. It belongs to the
// reader, but for asked.
//
// A call that begins ends the resting for the next restAfter messages, so its
// reply meets a reader that waits for it.
type rest struct {
	can   bool // every read that waits is a wake-up of a thread
	asked atomic.Bool

	flow   int       // messages in a row
	seen   int       // of these at the last read
	since  time.Time // of the last read
	rested bool      // before it
	poor   int       // rests in a row that brought less than restYield
}

// received takes note of a message.
func (r *rest) received(m *codec.Message) {
	if m.Type == codec.TypeEvent || m.Type == codec.TypeResponse && !m.Final() {
		r.flow++
	} else {
		r.flow, r.seen = 0, 0
	}
}

// sending takes note of a request that has one response.
func (r *rest) sending() {
	if r.can && !r.asked.Load() {
		r.asked.Store(true)
	}
}

// due reports, before a read, whether it pays to rest.
func (r *rest) due() bool {
	if r.flow < restAfter {
		return false
	}
	came := r.flow - r.seen
	if r.rested && came < restYield {
		r.poor++
	} else {
		r.poor = 0
	}
	if r.asked.Load() || r.poor == restTries {
		r.asked.Store(false)
		r.flow, r.seen, r.rested, r.poor = 0, 0, false, 0
		return false
	}
	now := time.Now()
	r.rested = now.Sub(r.since) <= time.Duration(came)*restGap
	r.since, r.seen = now, r.flow
	return r.rested
}
