package flux

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/codec"
)

// pulses sends heartbeats every d, n of them, with the numbers from first on.
func (p *peer) pulses(first uint32, n int, d time.Duration) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for i := range n {
		<-tick.C
		p.event(heartbeatTopic, first+uint32(i), nil, 0)
	}
}

// beats takes n heartbeats and returns their numbers and when they came.
func beats(t *testing.T, c *Client, minimum time.Duration, n int) (seqs []int, at []time.Duration) {
	t.Helper()
	start := time.Now()
	for e, err := range c.SyncHeartbeat(t.Context(), minimum) {
		if err != nil {
			t.Fatal(err)
		}
		seqs, at = append(seqs, int(e.Seq())), append(at, time.Since(start))
		if len(seqs) == n {
			break
		}
	}
	return seqs, at
}

func TestSyncHeartbeatMinimum(t *testing.T) {
	for _, tt := range []struct {
		minimum time.Duration
		want    []int
	}{
		{0, []int{1, 2, 3, 4}},
		{time.Second, []int{1, 2, 3, 4}},
		{2 * time.Second, []int{1, 2, 3, 4}},
		{2*time.Second + 1, []int{1, 3, 5, 7}},
		{3 * time.Second, []int{1, 3, 5, 7}},
		{4 * time.Second, []int{1, 3, 5, 7}},
		{5 * time.Second, []int{1, 4, 7, 10}},
		{-time.Second, []int{1, 2, 3, 4}},
	} {
		t.Run(tt.minimum.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				b := newEventBroker()
				c, p := servePeer(t, b.handle)
				done := make(chan struct{})
				go func() { defer close(done); p.pulses(1, 12, 2*time.Second) }()
				seqs, at := beats(t, c, tt.minimum, len(tt.want))
				wantItems(t, seqs, tt.want)
				for i, when := range at {
					if want := time.Duration(tt.want[i]) * 2 * time.Second; when != want {
						t.Errorf("heartbeat %d came at %s, want %s", seqs[i], when, want)
					}
				}
				synctest.Wait()
				wantItems(t, b.requests(), []string{"+" + heartbeatTopic, "-" + heartbeatTopic})
				wantEmpty(t, c)
				<-done
			})
		})
	}
}

// Only the owner's heartbeats count, each once, and only under their full name.
func TestSyncHeartbeatFilters(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := newPeer(t, WithoutSubscribe())
		go func() {
			synctest.Wait() // until the loop waits
			p.event(heartbeatTopic+"s", 1, nil, 0)
			guest := codec.NewEvent(heartbeatTopic)
			guest.UserID, guest.Rolemask, guest.Sequence = 1234, uint32(RoleUser|RoleLocal), 2
			p.send(guest)
			p.event(heartbeatTopic, 3, nil, 0)
			p.event(heartbeatTopic, 3, nil, 0)
			p.event(heartbeatTopic, 2, nil, 0)
			p.event(heartbeatTopic, 9, nil, 0)
		}()
		seqs, _ := beats(t, c, 0, 2)
		wantItems(t, seqs, []int{3, 9})
	})
}

// A loop that is slower than the heart sees the newest beats, not old ones.
func TestSyncHeartbeatSlowLoop(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := newPeer(t, WithoutSubscribe())
		go func() {
			synctest.Wait()
			p.emit(heartbeatTopic, 1, 1)
		}()
		var got []int
		for e, err := range c.SyncHeartbeat(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, int(e.Seq()))
			if len(got) == 1 {
				p.emit(heartbeatTopic, 2, 100)
				synctest.Wait()
			}
			if e.Seq() == 100 {
				break
			}
		}
		wantItems(t, got, []int{1, 93, 94, 95, 96, 97, 98, 99, 100})
	})
}

func TestSyncHeartbeatEnds(t *testing.T) {
	one := errors.New("one")
	for _, tt := range []struct {
		name string
		end  func(c *Client, p *peer, cancel context.CancelCauseFunc)
		want error
	}{
		{"ctx", func(c *Client, p *peer, cancel context.CancelCauseFunc) { cancel(one) }, nil},
		{"Close", func(c *Client, p *peer, cancel context.CancelCauseFunc) { c.Close() }, ErrClosed},
		{"loss", func(c *Client, p *peer, cancel context.CancelCauseFunc) { p.close() }, ErrConnLost},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c, p := newPeer(t, WithoutSubscribe())
				ctx, cancel := context.WithCancelCause(t.Context())
				go func() {
					synctest.Wait()
					p.event(heartbeatTopic, 1, nil, 0)
					synctest.Wait()
					tt.end(c, p, cancel)
				}()
				var errs []error
				n := 0
				for _, err := range c.SyncHeartbeat(ctx, 0) {
					if n++; err != nil {
						errs = append(errs, err)
					}
				}
				switch {
				case tt.want == nil && (n != 1 || len(errs) > 0):
					t.Errorf("%d items, errors %v, want 1 and none", n, errs)
				case tt.want != nil && (n != 2 || len(errs) != 1):
					t.Errorf("%d items, errors %v, want 2 and one", n, errs)
				case tt.want != nil:
					wantErr(t, errs[0], tt.want)
				}
			})
		})
	}
}

func TestSyncHeartbeatRefused(t *testing.T) {
	c, p := newPeer(t)
	go func() { p.refuse(p.want("event.subscribe"), EPERM, "") }()
	n := 0
	for e, err := range c.SyncHeartbeat(t.Context(), 0) {
		wantErr(t, err, EPERM)
		wantErr(t, e.Err(), errNoEvent)
		n++
	}
	if n != 1 {
		t.Errorf("%d items, want 1", n)
	}
}

// After a reconnect another instance may be numbering.
func TestSyncHeartbeatAfterGap(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := newPeer(t, WithoutSubscribe())
		go func() {
			synctest.Wait()
			p.event(heartbeatTopic, 50, nil, 0)
			synctest.Wait()
			c.c.mu.Lock()
			sub := c.c.subs.topics[heartbeatTopic].subs[0]
			c.c.mu.Unlock()
			sub.out.Mark(failedEvent(&GapError{Dropped: -1, Cause: ErrConnLost}))
			p.event(heartbeatTopic, 2, nil, 0)
		}()
		seqs, _ := beats(t, c, 0, 2)
		wantItems(t, seqs, []int{50, 2})
	})
}
