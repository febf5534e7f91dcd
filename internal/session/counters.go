package session

import (
	"sync/atomic"

	"github.com/flux-sdk/flux/codec"
)

// Counters count what happened since the session was made.
type Counters struct {
	Responses  atomic.Uint64 // delivered to a Sink
	Abandoned  atomic.Uint64 // requests given up before their last reply
	Late       atomic.Uint64 // responses dropped because their request was given up
	Stray      atomic.Uint64 // responses dropped because no request had their matchtag
	Reconnects atomic.Uint64 // times the connection was restored

	Sent, Received TypeCounter
}

// Counters returns the session's.
func (s *Session) Counters() *Counters { return &s.counters }

// Tags returns how many matchtags a reply is awaited for, and how many are kept
// until the last reply to a request that was given up.
func (s *Session) Tags() (live, retired int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.link.tags.Live(), s.link.tags.Retired()
}

// TypeCounter counts messages by type.
type TypeCounter struct{ request, response, event, control atomic.Uint64 }

// TypeCounts are the numbers of a TypeCounter.
type TypeCounts struct{ Request, Response, Event, Control uint64 }

func (t *TypeCounter) count(typ codec.Type) {
	switch typ {
	case codec.TypeRequest:
		t.request.Add(1)
	case codec.TypeResponse:
		t.response.Add(1)
	case codec.TypeEvent:
		t.event.Add(1)
	default:
		t.control.Add(1)
	}
}

// Counts returns the numbers now.
func (t *TypeCounter) Counts() TypeCounts {
	return TypeCounts{t.request.Load(), t.response.Load(), t.event.Load(), t.control.Load()}
}

// Total returns the sum of all types.
func (t *TypeCounter) Total() uint64 {
	n := t.Counts()
	return n.Request + n.Response + n.Event + n.Control
}

// Reset sets all numbers to 0.
func (t *TypeCounter) Reset() {
	t.request.Store(0)
	t.response.Store(0)
	t.event.Store(0)
	t.control.Store(0)
}
