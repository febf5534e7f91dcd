package flux

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/flux-sdk/flux/codec"
)

// One client, 1,000 goroutines, 100,000 calls: every reply reaches its caller,
// and nothing is left in use.
func TestCallMany(t *testing.T) {
	noLeaks(t)
	goroutines, each := 1000, 100
	if testing.Short() {
		goroutines, each = 100, 20
	}
	// Answered in batches and backwards, so that order does not help.
	var held []*codec.Message
	c, _ := servePeer(t, func(p *peer, m *codec.Message) {
		held = append(held, m)
		if b, ok := p.conn.(interface{ Buffered() bool }); ok && b.Buffered() && len(held) < 64 {
			return
		}
		for i := len(held) - 1; i >= 0; i-- {
			echo(p, held[i])
		}
		held = held[:0]
	})
	var wg sync.WaitGroup
	var wrong, done atomic.Int64
	for g := range goroutines {
		wg.Go(func() {
			id := make([]byte, 16)
			for i := range each {
				binary.BigEndian.PutUint64(id, uint64(g))
				binary.BigEndian.PutUint64(id[8:], uint64(i))
				var r Response
				if i%2 == 0 {
					r, _ = c.Call(t.Context(), "a.b", id)
				} else {
					r = <-c.Go(t.Context(), "a.b", id)
				}
				got, err := r.Bytes()
				if err != nil || string(got) != string(id) {
					if wrong.Add(1) < 10 {
						t.Errorf("call %x yields %x, %v", id, got, err)
					}
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	if want := int64(goroutines * each); done.Load() != want || wrong.Load() != 0 {
		t.Errorf("%d calls, %d wrong, want %d and 0", done.Load(), wrong.Load(), want)
	}
	wantStats(t, c, 0, 0)
	if s := c.Stats(); s.Responses != uint64(goroutines*each) || s.Late != 0 || s.Stray != 0 {
		t.Errorf("%+v, want %d delivered and nothing else", s, goroutines*each)
	}
}
