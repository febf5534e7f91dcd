package transport

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"
)

const (
	// tripWindow is how many round trips are remembered, and tripLeast how many
	// must be known to say anything of them.
	tripWindow = 4
	tripLeast  = 2
	// tripPatience is how many replies may come before that of the request that
	// is being measured, until another is measured instead: a reply may never
	// come.
	tripPatience = 1024
	// tripChosen stands for the matchtag of a request that has been chosen and
	// is not timed yet.
	tripChosen = 1 << 32
)

var tripEpoch = time.Now()

// trips measures how long replies take, on one request at a time. Requests begin
// on any goroutine, the rest belongs to the reader.
type trips struct {
	tag   atomic.Uint64 // of the request that is being measured; 0 if there is none
	at    atomic.Int64  // when it was sent, since tripEpoch
	waits atomic.Bool   // whoever sent it does nothing else until the reply comes

	others int // replies since then
	last   [tripWindow]trip
	n      int // how many have been measured
}

type trip struct {
	took   time.Duration
	waited bool
}

// begin takes note of a request that is about to be sent.
func (t *trips) begin(tag uint32, waits bool) {
	if tag != 0 && t.tag.Load() == 0 && t.tag.CompareAndSwap(0, tripChosen) {
		t.waits.Store(waits)
		t.at.Store(int64(time.Since(tripEpoch)))
		t.tag.Store(uint64(tag))
	}
}

// end takes note of a reply.
func (t *trips) end(tag uint32) {
	switch t.tag.Load() {
	case 0, tripChosen:
		return
	case uint64(tag):
		t.last[t.n%tripWindow] = trip{time.Since(tripEpoch) - time.Duration(t.at.Load()), t.waits.Load()}
		t.n++
	default:
		if t.others++; t.others < tripPatience {
			return
		}
	}
	t.others = 0
	t.tag.Store(0)
}

// shortest is how long the quickest of the last replies took, 0 if that is not
// known: some requests wait for what they ask about, and say nothing of others.
func (t *trips) shortest() time.Duration {
	if t.n < tripLeast {
		return 0
	}
	return slices.MinFunc(t.known(), func(a, b trip) int { return cmp.Compare(a.took, b.took) }).took
}

// waited reports whether somebody did nothing else until one of the last replies
// came.
func (t *trips) waited() bool {
	return slices.ContainsFunc(t.known(), func(one trip) bool { return one.waited })
}

func (t *trips) known() []trip { return t.last[:min(t.n, tripWindow)] }
