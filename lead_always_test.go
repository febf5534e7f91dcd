package flux

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/codec"
)

// While calls are under way somebody reads, so that each has its response at the
// very moment it comes, and ends when its time is over.
func TestLeadAlways(t *testing.T) {
	for _, callers := range []int{1, 2, 12} {
		t.Run(fmt.Sprint(callers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p, s := newShortPeer(t)
				p.serve(func(p *peer, m *codec.Message) {
					if m.Topic != "x.never" && len(m.Payload) > 0 {
						own := *m
						time.AfterFunc(time.Duration(m.Payload[0])*time.Millisecond, func() { p.respond(&own, own.Payload) })
					}
				})
				var wg sync.WaitGroup
				for range callers {
					wg.Go(func() {
						for range 300 {
							topic, delay, limit := "x.late", time.Duration(rand.IntN(4)), time.Hour
							if rand.IntN(40) == 0 {
								topic, limit = "x.never", time.Duration(rand.IntN(6))*time.Millisecond
							}
							ctx, cancel := context.WithTimeout(t.Context(), limit)
							start := time.Now()
							r, err := c.Call(ctx, topic, []byte{byte(delay)})
							took := time.Since(start)
							cancel()
							if topic == "x.never" {
								if !errors.Is(err, context.DeadlineExceeded) || took != limit {
									t.Errorf("a call without an answer ended with %v after %v, its limit was %v", err, took, limit)
								}
							} else if b, _ := r.Bytes(); err != nil || len(b) != 1 || took != delay*time.Millisecond {
								t.Errorf("the response is %d, %v; it took %v, want %v", b, err, took, delay*time.Millisecond)
							}
						}
					})
				}
				wg.Wait()
				if s.shorts.Load() == 0 && callers == 1 {
					t.Error("it has read no responses")
				}
				time.Sleep(2 * leadWait)
				synctest.Wait()
				if got := leaderOf(c); got != leadReader {
					t.Errorf("on an idle connection the lead is with %d", got)
				}
			})
		})
	}
}
