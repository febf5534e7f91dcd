package flux

import (
	"context"
	"iter"
	"time"
)

// SyncHeartbeat yields the instance's heartbeats, for work that many clients
// are to do at the same moments (flux_sync_create(3)): each heartbeat.pulse of
// the instance owner that is newer than the last one yielded and at least
// minimum later, by this host's clock. A minimum of 0 yields every one; by
// default there is one in two seconds.
//
// Leaving the loop or the end of ctx ends it; ctx's end yields nothing more.
// An error is yielded once, as the last item, except for a [*GapError], which
// is skipped: the next heartbeat serves as well.
func (cl *Client) SyncHeartbeat(ctx context.Context, minimum time.Duration) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		events, err := cl.Subscribe(ctx, heartbeatTopic, Match(heartbeatTopic), DropOldest(), QueueLimit(8, 0))
		if err != nil {
			yield(Event{}, err)
			return
		}
		var last time.Time
		var seq uint32
		for e := range events {
			if gap, ok := e.Err().(*GapError); ok {
				if gap.Dropped < 0 {
					seq = 0 // another instance may be numbering now
				}
				continue
			}
			if err := e.Err(); err != nil {
				yield(Event{}, err)
				return
			}
			now := time.Now()
			if e.Roles()&RoleOwner == 0 || e.Seq() <= seq || !last.IsZero() && now.Sub(last) < minimum {
				continue
			}
			last, seq = now, e.Seq()
			if !yield(e, nil) {
				return
			}
		}
	}
}

const heartbeatTopic = "heartbeat.pulse"
