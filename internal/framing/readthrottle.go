package framing

import (
	"sync/atomic"
	"time"

	"github.com/flux-sdk/flux/codec"
)

// readThrottle lets a busy one-way flow, of events or of a stream's responses, gather
// before the next read. A broker in another process sends them one by one, and
// without a pause each wakes the reader, which costs more than all else that is
// done for it and takes the processor from the broker. It belongs to the
// reader, but for asked.
//
// A call that begins ends the pausing for the next throttleAfter messages, so its
// reply meets a reader that waits for it.
type readThrottle struct {
	on    bool        // every read that waits is a wake-up of a thread
	asked atomic.Bool // a call has begun; any goroutine sets it

	flow   int       // messages in a row
	seen   int       // of these at the last read
	since  time.Time // of the last read
	paused bool      // before it
	poor   int       // pauses in a row that brought less than throttleYield
}

// received takes note of a message.
func (t *readThrottle) received(m *codec.Message) {
	if !t.on {
		return
	}
	if m.Type == codec.TypeEvent || m.Type == codec.TypeResponse && !m.Final() {
		t.flow++
	} else {
		t.flow, t.seen = 0, 0
	}
}

// requested takes note of a request that has one response.
func (t *readThrottle) requested() {
	if t.on && !t.asked.Load() {
		t.asked.Store(true)
	}
}

// due reports, before a read, whether it pays to pause.
func (t *readThrottle) due() bool {
	if t.flow < throttleAfter {
		return false
	}
	came := t.flow - t.seen
	if t.paused && came < throttleYield {
		t.poor++
	} else {
		t.poor = 0
	}
	if t.asked.Load() || t.poor == throttleTries {
		t.asked.Store(false)
		t.flow, t.seen, t.paused, t.poor = 0, 0, false, 0
		return false
	}
	now := time.Now()
	t.paused = now.Sub(t.since) <= time.Duration(came)*throttleGap
	t.since, t.seen = now, t.flow
	return t.paused
}
