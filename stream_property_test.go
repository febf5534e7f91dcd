package flux

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
)

// streamModel is one stream of the property test, with what its consumer is to
// receive yet.
type streamModel struct {
	read   func() (v point, err error, ok bool) // waits for an item; false at the end
	leave  func()                               // break, for StreamAs; else nil
	cancel context.CancelFunc
	req    *codec.Message
	limit  int

	sent         int   // by the service
	queue        []int // items not received yet
	end          error // that comes behind them; errClean for none, nil while there is no end
	over         bool  // the end has been received, or the consumer has left
	serviceEnded bool
	clientEnded  bool // it was cancelled before the service ended it
	lossy        bool // ctx has ended: the queue may be dropped
}

var errClean = errors.New("clean end")

// ready reports whether read returns without waiting.
func (s *streamModel) ready() bool { return !s.over && (len(s.queue) > 0 || s.end != nil) }

// live reports whether neither side has ended the stream.
func (s *streamModel) live() bool { return !s.serviceEnded && !s.clientEnded }

// Any sequence of items, ends, cancels and reads, on any number of streams, is
// received in order, with one end, and nothing is lost below the limit or left
// behind.
func TestStreamProperty(t *testing.T) {
	rounds := 400
	if testing.Short() {
		rounds = 60
	}
	for round := range rounds {
		r := rand.New(rand.NewPCG(7, uint64(round)))
		inBubble(t, func(t *testing.T) { playStreams(t, r) })
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
}

func playStreams(t *testing.T, r *rand.Rand) {
	requests := make(chan *codec.Message, 1)
	cancels := make(map[string]int)
	c, p := servePeer(t, func(p *peer, m *codec.Message) {
		if m.Topic == "svc.cancel" {
			cancels[string(m.Payload)]++
		} else {
			requests <- m
		}
	})
	var streams []*streamModel
	for range 1 + r.IntN(4) {
		streams = append(streams, startStream(t, c, p, r, requests))
	}
	for range 10 + r.IntN(100) {
		s := streams[r.IntN(len(streams))]
		switch n := r.IntN(100); {
		case n < 50:
			s.serviceSends(p, 1+r.IntN(20))
		case n < 90:
			synctest.Wait()
			for k := r.IntN(30); k > 0 && s.ready(); k-- {
				s.receive(t)
			}
		case n < 94:
			s.serviceEnds(p, r)
		case n < 97:
			s.consumerCancels()
		default:
			s.consumerLeaves()
		}
	}
	for _, s := range streams {
		if r.IntN(2) == 0 {
			s.serviceEnds(p, r)
		}
		if s.end == nil {
			s.consumerCancels()
		}
		synctest.Wait()
		for s.ready() {
			s.receive(t)
		}
		s.cancel()
		if s.leave != nil {
			s.leave()
		}
		if !s.serviceEnded {
			p.refuse(s.req, ENODATA, "")
		}
	}
	synctest.Wait()
	wantStats(t, c, 0, 0)
	for _, s := range streams {
		want := 0
		if s.clientEnded {
			want = 1
		}
		cancel := wireCancel("svc.cancel", s.req)
		if n := cancels[string(cancel.Payload)]; n != want {
			t.Errorf("%d cancel requests for tag %d, want %d", n, s.req.Matchtag, want)
		}
	}
}

func startStream(t *testing.T, c *Client, p *peer, r *rand.Rand, requests <-chan *codec.Message) *streamModel {
	s := &streamModel{limit: 1 + r.IntN(32)}
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(t.Context())
	if r.IntN(2) == 0 {
		stream, err := c.Stream(ctx, "svc.watch", nil, QueueLimit(s.limit, plenty))
		if err != nil {
			t.Fatal(err)
		}
		s.req = <-requests
		s.read = func() (v point, err error, ok bool) {
			item, ok := <-stream
			if ok {
				err = item.Decode(&v)
			}
			return v, err, ok
		}
		return s
	}
	s.read, s.leave = iter.Pull2(StreamAs[point](ctx, c, "svc.watch", nil, QueueLimit(s.limit, plenty)))
	go func() { // the first read starts the stream
		s.req = <-requests
		p.item(s.req, 1)
	}()
	if v, err, ok := s.read(); err != nil || !ok || v.X != 1 {
		t.Fatalf("first item is %+v, %v, %t", v, err, ok)
	}
	s.sent = 1
	return s
}

func (s *streamModel) serviceSends(p *peer, n int) {
	for ; n > 0 && !s.serviceEnded; n-- {
		s.sent++
		p.item(s.req, s.sent)
		switch {
		case s.clientEnded:
		case len(s.queue) == s.limit:
			s.clientEnded, s.end = true, ErrSlowConsumer
		default:
			s.queue = append(s.queue, s.sent)
		}
	}
}

func (s *streamModel) serviceEnds(p *peer, r *rand.Rand) {
	if s.serviceEnded {
		return
	}
	errno, end := ENODATA, errClean
	if r.IntN(2) == 0 {
		errno, end = EIO, EIO
	}
	p.refuse(s.req, errno, "")
	s.serviceEnded = true
	if !s.clientEnded {
		s.end = end
	}
}

// consumerCancels ends the ctx. What is queued may be dropped then, unless the
// channel had all of it and the end already.
func (s *streamModel) consumerCancels() {
	synctest.Wait()
	s.cancel()
	synctest.Wait()
	if s.live() {
		s.clientEnded, s.end = true, context.Canceled
	}
	s.lossy = true
}

// consumerLeaves breaks out of the loop over StreamAs.
func (s *streamModel) consumerLeaves() {
	if s.leave == nil {
		return
	}
	synctest.Wait()
	s.leave()
	s.clientEnded = s.clientEnded || !s.serviceEnded
	s.over = true
}

func (s *streamModel) receive(t *testing.T) {
	v, err, ok := s.read()
	switch {
	case ok && err == nil:
		if len(s.queue) == 0 || v.X != s.queue[0] {
			t.Fatalf("received item %d, want one of %v and then %v", v.X, s.queue, s.end)
		}
		s.queue = s.queue[1:]
		return
	case s.lossy && errors.Is(err, context.Canceled):
	case len(s.queue) > 0:
		t.Fatalf("received %v, %t, want items %v", err, ok, s.queue)
	case s.end == errClean && ok, s.end != errClean && !errors.Is(err, s.end):
		t.Fatalf("received %v, %t, want the end %v", err, ok, s.end)
	}
	if ok {
		if v, err, ok := s.read(); ok {
			t.Fatalf("received %+v, %v after the end", v, err)
		}
	}
	s.over, s.queue = true, nil
}
