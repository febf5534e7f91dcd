package flux

import (
	"sync/atomic"

	"github.com/flux-sdk/flux/codec"
)

// Stats are counters since the client was made, and what is in use now.
type Stats struct {
	Sent       uint64 // messages accepted for sending
	Received   uint64 // messages received
	Responses  uint64 // responses delivered to a caller
	Abandoned  uint64 // requests given up by their caller before the last reply
	Late       uint64 // responses dropped because their caller had given up
	Stray      uint64 // responses dropped because no request had their matchtag
	Reconnects uint64 // times the connection was restored

	Live    int // matchtags whose reply somebody waits for
	Retired int // matchtags kept until the last reply to a request given up
}

// counters are the ones behind Stats that need no lock.
type counters struct {
	responses, abandoned, late, stray, reconnects atomic.Uint64

	tx, rx typeCounters
}

// typeCounters count messages by type.
type typeCounters struct{ request, response, event, control atomic.Uint64 }

func (t *typeCounters) of(typ codec.Type) *atomic.Uint64 {
	switch typ {
	case codec.TypeRequest:
		return &t.request
	case codec.TypeResponse:
		return &t.response
	case codec.TypeEvent:
		return &t.event
	}
	return &t.control
}

func (t *typeCounters) count(typ codec.Type) { t.of(typ).Add(1) }

func (t *typeCounters) sum() uint64 {
	n := t.read()
	return n.Request + n.Response + n.Event + n.Control
}

func (t *typeCounters) read() typeCounts {
	return typeCounts{t.request.Load(), t.response.Load(), t.event.Load(), t.control.Load()}
}

func (t *typeCounters) clear() {
	for _, typ := range []codec.Type{codec.TypeRequest, codec.TypeResponse, codec.TypeEvent, codec.TypeControl} {
		t.of(typ).Store(0)
	}
}

// Stats returns a snapshot. The numbers are those of the connection, so clones
// share them.
func (cl *Client) Stats() Stats {
	c := cl.c
	s := Stats{
		Sent: c.stats.tx.sum(), Received: c.stats.rx.sum(), Responses: c.stats.responses.Load(),
		Abandoned: c.stats.abandoned.Load(), Late: c.stats.late.Load(), Stray: c.stats.stray.Load(),
		Reconnects: c.stats.reconnects.Load(),
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Live, s.Retired = c.link.tags.Live(), c.link.tags.Retired()
	return s
}
