package flux

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/codec"
)

var errBored = errors.New("the user went away")

func TestStreamEndedBeforeSend(t *testing.T) {
	c, p := newPeer(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errBored)
	stream, err := c.Stream(ctx, "svc.watch", nil)
	wantErr(t, err, context.Canceled, errBored)
	if stream != nil || !SafeToRetry(err) {
		t.Errorf("channel %v, safe to retry %t, want none and true", stream, SafeToRetry(err))
	}
	if _, err := c.Stream(t.Context(), "svc.watch", []int{1}); err == nil || SafeToRetry(err) {
		t.Errorf("a payload that cannot be encoded: error is %v, want one that is not safe to retry", err)
	}
	p.wantNothing(c)
	wantStats(t, c, 0, 0)
}

// jam fills the way to the peer until a message is held back.
func jam(t *testing.T, c *Client) (release func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			m := codec.NewEvent("jam")
			m.Payload = make([]byte, 1<<20)
			if c.Send(ctx, m) != nil {
				return
			}
		}
	}()
	synctest.Wait()
	return func() { cancel(); <-done }
}

// Held back behind what the broker does not read, a request was never accepted:
// no tag, no cancel.
func TestStreamEndedWhileHeldBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := newPeer(t)
		release := jam(t, c)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errBored)
		defer cancel()
		stream, err := c.Stream(ctx, "svc.watch", nil)
		wantErr(t, err, context.DeadlineExceeded, errBored)
		if stream != nil || !SafeToRetry(err) {
			t.Errorf("channel %v, safe to retry %t, want none and true", stream, SafeToRetry(err))
		}
		wantStats(t, c, 0, 0)
		release()
		go c.Send(context.Background(), codec.NewEvent("over"))
		for m := p.recv(); m.Topic != "over"; m = p.recv() {
			if m.Topic != "jam" {
				t.Errorf("the peer received %q", m.Topic)
			}
		}
		p.wantNothing(c)
	})
}

// Accepted and not written yet, a request is followed by its cancel.
func TestStreamEndedBeforeWritten(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, p := newPeer(t)
		m := codec.NewEvent("jam")
		m.Payload = make([]byte, 2<<20) // more than the pipe holds
		if err := c.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		stream, err := c.Stream(ctx, "svc.watch", nil)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		wantEnd(t, stream, context.Canceled) // at once, while nothing can be written
		wantStats(t, c, 0, 1)
		p.recv()
		req := p.want("svc.watch")
		wantMessage(t, p.recv(), wireCancel("svc.cancel", req))
		p.refuse(req, ENODATA, "")
		synctest.Wait()
		wantStats(t, c, 0, 0)
	})
}

// The end of ctx drops what is queued, however much that is.
func TestStreamEndedMidStream(t *testing.T) {
	for _, backlog := range []int{0, 1, 32 - 1, 32, 32 + 1, 1000} {
		t.Run(fmt.Sprint(backlog), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c, p := newPeer(t)
				ctx, cancel := context.WithCancelCause(t.Context())
				stream, req := openStream(t, c, p, ctx, "svc.watch")
				for i := range backlog {
					p.item(req, i)
				}
				synctest.Wait()
				cancel(errBored)
				wantMessage(t, p.recv(), wireCancel("svc.cancel", req))
				synctest.Wait() // one received meanwhile may be behind dropped ones
				next := 0
				for r := range stream {
					var got point
					if err := r.Decode(&got); err != nil {
						wantErr(t, err, context.Canceled, errBored)
						next = -1
					} else if got.X != next {
						t.Fatalf("received item %d, want %d", got.X, next)
					} else if next++; next > 32 {
						t.Fatalf("%d items came after the end of the ctx", next)
					}
				}
				if next >= 0 {
					t.Errorf("the stream ended clean after %d of %d items", next, backlog)
				}
				p.item(req, 0)
				synctest.Wait()
				wantStats(t, c, 0, 1)
				p.refuse(req, ENODATA, "")
				synctest.Wait()
				wantStats(t, c, 0, 0)
			})
		})
	}
}

// A tag is not used again before the last reply to it, however long that takes.
func TestRetiredTagsRest(t *testing.T) {
	c, p := newPeer(t)
	owed := make(map[uint32]*codec.Message)
	for range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		stream, req := openStream(t, c, p, ctx, "svc.watch", NoCancel())
		if owed[req.Matchtag] != nil {
			t.Fatalf("tag %d is used again while a reply to it is owed", req.Matchtag)
		}
		owed[req.Matchtag] = req
		cancel()
		wantEnd(t, stream, context.Canceled)
	}
	wantStats(t, c, 0, 100)
	for _, req := range owed {
		p.item(req, 1) // is no last reply
	}
	for _, req := range owed {
		p.refuse(req, ENODATA, "")
	}
	stream, req := openStream(t, c, p, t.Context(), "svc.watch")
	p.item(req, 7)
	wantPoints(t, stream, 7, 7)
	wantStats(t, c, 1, 0)
	if s := c.Stats(); s.Late != 200 {
		t.Errorf("%d late responses, want 200", s.Late)
	}
	p.refuse(req, ENODATA, "")
	wantClean(t, stream)
}

// watchService is a service of streams that it ends by itself, or when they are
// cancelled, and that notices a tag in use twice.
type watchService struct {
	t *testing.T

	mu   sync.Mutex
	owed map[uint32]*codec.Message
}

func (w *watchService) serve(p *peer, m *codec.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch m.Topic {
	case "svc.ping":
		p.respond(m, nil)
		return
	case "svc.cancel":
		var tag struct{ Matchtag uint32 }
		b, _ := codec.JSONPayload(m.Payload)
		if err := json.Unmarshal(b, &tag); err != nil || m.Flags&codec.FlagNoResponse == 0 || m.Matchtag != 0 {
			w.t.Errorf("cancel request %+v: %v", m, err)
		}
		if req := w.owed[tag.Matchtag]; req != nil {
			delete(w.owed, tag.Matchtag)
			p.refuse(req, ENODATA, "")
		}
		return
	}
	if w.owed[m.Matchtag] != nil {
		w.t.Errorf("tag %d is used again while a reply to it is owed", m.Matchtag)
	}
	w.owed[m.Matchtag] = m
	items := rand.IntN(30)
	for i := range items {
		p.item(m, i)
	}
	if rand.IntN(2) == 0 {
		delete(w.owed, m.Matchtag)
		p.refuse(m, ENODATA, "")
	}
}

// Whenever ctx ends, also in the same moment as the stream, the stream ends
// once and its tag comes back.
func TestStreamEndRaces(t *testing.T) {
	noLeaks(t)
	rounds := 500
	if testing.Short() {
		rounds = 100
	}
	w := &watchService{t: t, owed: make(map[uint32]*codec.Message)}
	c, _ := servePeer(t, w.serve)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(5, uint64(worker)))
			for range rounds {
				endOneRandomly(t, c, r)
			}
		})
	}
	wg.Wait()
	for end := time.Now().Add(patience); c.Stats().Retired > 0 && time.Now().Before(end); {
		c.Call(t.Context(), "svc.ping", nil) // behind what was owed when it was sent
	}
	wantStats(t, c, 0, 0)
	s := c.Stats()
	t.Logf("%+v", s)
	if s.Stray > 0 {
		t.Errorf("%d responses met a tag that nobody had", s.Stray)
	}
}

// endOneRandomly opens a stream and ends its ctx at a random moment.
func endOneRandomly(t *testing.T, c *Client, r *rand.Rand) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(r.IntN(30000))*time.Microsecond)
	defer cancel()
	when := r.IntN(60)
	if when == 0 {
		go cancel()
	}
	stream, err := c.Stream(ctx, "svc.watch", nil)
	if err != nil {
		wantCtxErr(t, err)
		return
	}
	if when == 1 {
		cancel()
	} else if when < 10 {
		go cancel()
	}
	items, ends := 0, 0
	for r := range stream {
		if ends > 0 {
			t.Errorf("an item after the end: %v", r.Err())
		}
		if r.Err() != nil {
			wantCtxErr(t, r.Err())
			ends++
		}
		if items++; items == when-30 {
			cancel()
		}
	}
}

func wantCtxErr(t *testing.T, err error) {
	if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v, want the end of the context", err)
	}
}
