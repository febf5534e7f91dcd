package flux

import (
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
)

// A service that breaks the rules harms no call and no stream but its own.
func TestStreamViolations(t *testing.T) {
	plain := func(m *codec.Message) *codec.Message {
		m = new(*m)
		m.Flags &^= codec.FlagStreaming
		return m
	}
	for _, tt := range []struct {
		name   string
		offend func(p *peer, req *codec.Message)
		// The stream gets items 1 to last, then this end.
		last        int
		err         error
		late, stray uint64
	}{
		{"items after the end", func(p *peer, req *codec.Message) {
			p.item(req, 1)
			p.refuse(req, ENODATA, "")
			p.item(req, 2)
			p.item(req, 3)
		}, 1, nil, 0, 2},
		{"two ends", func(p *peer, req *codec.Message) {
			p.refuse(req, ENODATA, "")
			p.refuse(req, ENODATA, "")
			p.refuse(req, EIO, "and again")
		}, 0, nil, 0, 2},
		{"an error and then the end", func(p *peer, req *codec.Message) {
			p.refuse(req, EIO, "")
			p.refuse(req, ENODATA, "")
		}, 0, EIO, 0, 1},
		{"an error without a tag", func(p *peer, req *codec.Message) {
			lost := *req
			lost.Matchtag = 0
			p.item(req, 1)
			p.refuse(&lost, EIO, "whose?")
			p.item(req, 2)
			p.refuse(req, ENODATA, "")
		}, 2, nil, 0, 1},
		{"tags that nobody has", func(p *peer, req *codec.Message) {
			for _, tag := range []uint32{1000, 1<<31 - 1, 1 << 31, 1<<32 - 1} {
				other := *req
				other.Matchtag = tag
				p.item(&other, 9)
				p.refuse(&other, EIO, "whose?")
			}
			p.refuse(req, ENODATA, "")
		}, 0, nil, 0, 8},
		{"success without the streaming flag", func(p *peer, req *codec.Message) {
			p.item(req, 1)
			p.item(plain(req), 2)
			p.item(req, 3)
			p.refuse(req, ENODATA, "")
		}, 2, nil, 0, 2},
		{"with routes left in it", func(p *peer, req *codec.Message) {
			routed := *req
			routed.Routes = codec.MakeRoutes("someone else")
			p.item(&routed, 9)
			p.refuse(&routed, EIO, "")
			p.item(req, 1)
			p.refuse(req, ENODATA, "")
		}, 1, nil, 0, 2},
		{"flags and topic of another kind", func(p *peer, req *codec.Message) {
			odd := *req
			odd.Topic = "other.topic"
			odd.Flags |= codec.FlagPrivate | codec.FlagUpstream | codec.FlagUser1 | codec.FlagNoResponse
			p.item(&odd, 1)
			p.refuse(&odd, ENODATA, "")
		}, 1, nil, 0, 0},
		{"control messages and events in between", func(p *peer, req *codec.Message) {
			p.send(&codec.Message{Type: codec.TypeControl, UserID: codec.UserIDUnknown, ControlType: 1})
			p.item(req, 1)
			p.send(&codec.Message{Type: codec.TypeEvent, Flags: codec.FlagTopic, Topic: "none.asked"})
			p.refuse(req, ENODATA, "")
		}, 1, nil, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c, p := newPeer(t)
				bystander, other := openStream(t, c, p, t.Context(), "good.watch")
				call := c.Go(t.Context(), "good.call", nil)
				callReq := p.want("good.call")
				p.item(other, 1)

				stream, req := openStream(t, c, p, t.Context(), "svc.watch")
				tt.offend(p, req)
				wantPoints(t, stream, 1, tt.last)
				if tt.err != nil {
					wantEnd(t, stream, tt.err)
				} else {
					wantClean(t, stream)
				}

				p.item(other, 2)
				p.item(callReq, 5)
				if r := <-call; r.Err() != nil {
					t.Errorf("the call failed: %v", r.Err())
				}
				wantPoints(t, bystander, 1, 2)
				p.refuse(other, ENODATA, "")
				wantClean(t, bystander)
				synctest.Wait()
				wantStats(t, c, 0, 0)
				if s := c.Stats(); s.Late != tt.late || s.Stray != tt.stray {
					t.Errorf("%d late and %d stray responses, want %d and %d", s.Late, s.Stray, tt.late, tt.stray)
				}
				p.wantNothing(c)
			})
		})
	}
}

// A stream of replies to a call: the first is the answer, and the tag is not
// used again before the last.
func TestStreamOfRepliesToACall(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := newPeer(t)
		reply := c.Go(t.Context(), "svc.get", nil)
		req := p.want("svc.get")
		streaming := *req
		streaming.Flags |= codec.FlagStreaming
		for i := range 4 {
			p.item(&streaming, i)
		}
		var got point
		if err := (<-reply).Decode(&got); err != nil || got.X != 0 {
			t.Errorf("the answer is %+v, %v, want the first reply", got, err)
		}
		synctest.Wait()
		wantStats(t, c, 0, 1)
		p.refuse(&streaming, ENODATA, "")
		synctest.Wait()
		wantStats(t, c, 0, 0)
		if s := c.Stats(); s.Late != 4 || s.Responses != 1 {
			t.Errorf("%+v, want 1 response and 4 late ones", s)
		}
	})
}
