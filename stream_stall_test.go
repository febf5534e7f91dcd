package flux

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
)

// watchSome is a service: svc.watch streams as many items as are asked for, and
// ends unless it is told not to; every other request is echoed.
func watchSome(cancels chan<- *codec.Message) func(p *peer, m *codec.Message) {
	return func(p *peer, m *codec.Message) {
		switch m.Topic {
		case "svc.watch":
			b, _ := codec.JSONPayload(m.Payload)
			var want point
			json.Unmarshal(b, &want)
			for i := 1; i <= want.X; i++ {
				p.item(m, i)
			}
			if want.Y == 0 {
				p.refuse(m, ENODATA, "")
			}
		case "svc.cancel":
			cancels <- m
		default:
			echo(p, m)
		}
	}
}

// One consumer that does not read delays nobody, and gets what was accepted
// for it.
func TestStalledStream(t *testing.T) {
	streams, calls := 999, 10000
	if testing.Short() {
		streams, calls = 99, 1000
	}
	inBubble(t, func(t *testing.T) {
		const limit, items = 500, 100
		cancels := make(chan *codec.Message, 10)
		c, p := servePeer(t, watchSome(cancels))
		stalled, err := c.Stream(t.Context(), "svc.watch", point{10 * limit, 1}, QueueLimit(limit, plenty))
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range streams {
			wg.Go(func() {
				n := 0
				for v, err := range StreamAs[point](t.Context(), c, "svc.watch", point{X: items}) {
					if n++; err != nil || v.X != n {
						t.Errorf("item %d is %+v, %v", n, v, err)
						return
					}
				}
				if n != items {
					t.Errorf("the stream ended after %d items, want %d", n, items)
				}
			})
		}
		for worker := range 10 {
			wg.Go(func() {
				for i := range calls / 10 {
					if got, err := CallAs[point](t.Context(), c, "svc.echo", point{worker, i}); err != nil || got != (point{worker, i}) {
						t.Errorf("the call's answer is %+v, %v", got, err)
						return
					}
				}
			})
		}
		wg.Wait()
		cancel := <-cancels
		wantStats(t, c, 0, 1)
		late := int(c.Stats().Late)
		if late != 9*limit-1 && late != 9*limit-2 {
			t.Errorf("%d late responses, want the %d past the limit but for the one that passed it, or one less", late, 9*limit-1)
		}
		wantPoints(t, stalled, 1, 10*limit-1-late)
		wantEnd(t, stalled, ErrSlowConsumer)
		var tag struct{ Matchtag uint32 }
		if b, err := codec.JSONPayload(cancel.Payload); err != nil || json.Unmarshal(b, &tag) != nil {
			t.Fatalf("cancel request is %q", cancel.Payload)
		}
		p.send(&codec.Message{
			Type: codec.TypeResponse, Flags: codec.FlagTopic | codec.FlagRoute | codec.FlagStreaming,
			Topic: "svc.watch", Matchtag: tag.Matchtag, Errnum: uint32(ENODATA),
		})
		if _, err := c.Call(t.Context(), "svc.echo", nil); err != nil {
			t.Error(err)
		}
		wantStats(t, c, 0, 0)
		if len(cancels) > 0 {
			t.Errorf("%d more cancel requests", len(cancels))
		}
	})
}

// The limit counts what is accepted and not received, in messages or in bytes,
// each with its overhead.
func TestStreamQueueLimit(t *testing.T) {
	size := len("{\"x\":1}\x00") + itemOverhead
	for _, tt := range []struct {
		opt  StreamOption
		want int
	}{
		{QueueLimit(1, 0), 1},
		{QueueLimit(2, 0), 2},
		{QueueLimit(32, 0), 32},
		{QueueLimit(0, 5*size), 5},
		{QueueLimit(0, 5*size-1), 4},
		{QueueLimit(3, 5*size), 3},
		{QueueLimit(0, 1), 1},
	} {
		t.Run(fmt.Sprint(tt.opt), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c, p := newPeer(t)
				stream, req := openStream(t, c, p, t.Context(), "svc.watch", tt.opt)
				for range tt.want {
					p.item(req, 1)
				}
				for range tt.want + 1 { // at the limit one by one goes on for ever
					wantPoints(t, stream, 1, 1)
					p.item(req, 1)
				}
				p.item(req, 1)
				wantMessage(t, p.want("svc.cancel"), wireCancel("svc.cancel", req))
				p.item(req, 1)
				for range tt.want {
					wantPoints(t, stream, 1, 1)
				}
				wantEnd(t, stream, ErrSlowConsumer)
				p.refuse(req, ENODATA, "")
			})
		})
	}
}

// The terminal item arrives also when the consumer is stalled at that moment.
func TestStalledStreamEnds(t *testing.T) {
	for _, limit := range []int{1, 5, 32, 33, 100} {
		inBubble(t, func(t *testing.T) {
			c, p := newPeer(t)
			clean, req1 := openStream(t, c, p, t.Context(), "svc.watch", QueueLimit(limit, plenty))
			failed, req2 := openStream(t, c, p, t.Context(), "svc.watch", QueueLimit(limit, plenty))
			for i := 1; i <= limit; i++ {
				p.item(req1, i)
				p.item(req2, i)
			}
			p.refuse(req1, ENODATA, "")
			p.refuse(req2, EIO, "disk on fire")
			synctest.Wait()
			wantStats(t, c, 0, 0)
			p.wantNothing(c)
			wantPoints(t, clean, 1, limit)
			wantClean(t, clean)
			wantPoints(t, failed, 1, limit)
			wantEnd(t, failed, EIO)
		})
	}
}
