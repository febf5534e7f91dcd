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
	// restCrowd is how many requests must wait for replies, and restShare how many
	// times as long as a rest these must take, for calls to count as a flow, too.
	// restShort is the shortest rest that pays.
	restCrowd = 8
	restShare = 2
	restShort = 120 * time.Microsecond
)

// rest lets a busy one-way flow, of events or of a stream's responses, gather
// before the next read. A broker in another process sends them one by one, and
// without a rest each wakes the reader, which costs more than all else that is
// done for it and takes the processor from the broker. It belongs to the
// reader, but for asked.
//
// A call that begins ends the resting for the next restAfter messages, so its
// reply meets a reader that waits for it. But where many wait, and replies come
// fast although each has taken several times as long as a rest, the broker has
// others to work on meanwhile: the calls are a flow themselves. One who goes on
// after a call asks for more as soon as he is told of replies, so those of the last
// read count as waiting. With callers that wait this would spare as much of the
// processor, but it takes some of the rate, and they are the ones who notice.
type rest struct {
	can   bool // every read that waits is a wake-up of a thread
	asked atomic.Bool
	trips trips

	answers int32 // since the last read

	deep   bool      // calls are a flow, too, as of the last read
	flow   int       // messages in a row
	seen   int       // of these at the last read
	since  time.Time // of the last read
	rested bool      // before it
	poor   int       // rests in a row that brought less than restYield
}

// received takes note of a message.
func (r *rest) received(m *codec.Message) {
	if m.Type == codec.TypeResponse && m.Final() {
		r.trips.end(m.Matchtag)
		r.answers++
	}
	if m.Type == codec.TypeEvent || m.Type == codec.TypeResponse && (!m.Final() || r.deep) {
		r.flow++
	} else {
		r.flow, r.seen = 0, 0
	}
}

// sending takes note of a request that has a response; waits says that whoever
// sends it does nothing else until that comes.
func (r *rest) sending(tag uint32, waits bool) {
	if r.can {
		r.trips.begin(tag, waits)
		if !r.asked.Load() {
			r.asked.Store(true)
		}
	}
}

// pause is for how long to rest.
func (r *rest) pause() time.Duration {
	if r.deep {
		return min(restPause, r.trips.shortest()/restShare)
	}
	return restPause
}

// due reports, before a read, whether it pays to rest while so many requests wait
// for replies.
func (r *rest) due(waiting int32) bool {
	if !r.trips.waited() {
		waiting += r.answers
	}
	r.answers = 0
	r.deep = waiting >= restCrowd && r.trips.shortest() >= restShare*restShort
	if r.flow < restAfter {
		return false
	}
	came := r.flow - r.seen
	if r.rested && came < restYield {
		r.poor++
	} else {
		r.poor = 0
	}
	if r.asked.Load() && !r.deep || r.poor == restTries {
		r.asked.Store(false)
		r.flow, r.seen, r.rested, r.poor = 0, 0, false, 0
		return false
	}
	now := time.Now()
	r.rested = now.Sub(r.since) <= time.Duration(came)*restGap
	r.since, r.seen = now, r.flow
	return r.rested
}
