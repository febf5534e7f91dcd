package flux

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/capture"
	"github.com/flux-sdk/flux/internal/capture/golden"
	"github.com/flux-sdk/flux/internal/peertest"
)

// dmesgRequest is the payload of log.dmesg.
type dmesgRequest struct {
	Follow    bool `json:"follow"`
	NoBacklog bool `json:"nobacklog,omitempty"`
}

func TestReplayDmesgStream(t *testing.T) {
	recs, err := golden.Load("dmesg-stream")
	if err != nil {
		t.Fatal(err)
	}
	var want []string // the records, as the file has them
	for _, r := range recs {
		if r.IsFrame() && r.Dir == capture.ServerToClient && r.Msg.Errnum == 0 {
			want = append(want, strings.TrimSuffix(string(r.Msg.Payload), "\x00"))
		}
	}
	replay{file: "dmesg-stream"}.run(t, func(t *testing.T, c *Client) {
		var got []string
		for line, err := range StreamAs[string](t.Context(), c, "log.dmesg", dmesgRequest{}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, line)
		}
		if len(got) < 10 {
			t.Errorf("%d records, want many", len(got))
		}
		wantItems(t, got, want)
		wantStats(t, c, 0, 0)
	})
}

func TestReplayLogFollowCancel(t *testing.T) {
	replay{file: "log-follow-cancel"}.run(t, func(t *testing.T, c *Client) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		stream, err := c.Stream(ctx, "log.dmesg", dmesgRequest{true, true})
		if err != nil {
			t.Fatal(err)
		}
		if rank, err := c.Rank(t.Context()); rank != 0 || err != nil {
			t.Errorf("Rank is %d, %v", rank, err)
		}
		const line = "<48>1 2026-11-21T04:26:55.499454Z 0 scn 27780 - - one"
		m := codec.NewRequest("log.append") // recorded without the noresponse flag
		m.SetPayload([]byte(line))
		if err := c.Send(t.Context(), m); err != nil {
			t.Error(err)
		}
		if got, err := (<-stream).Text(); got != line || err != nil {
			t.Errorf("record is %q, %v, want %q", got, err, line)
		}
		cancel()
		wantEnd(t, stream, context.Canceled)
		synctest.Wait() // for the ENODATA
		wantStats(t, c, 0, 0)
	})
}

func TestReplayStreamNoFlag(t *testing.T) {
	replay{file: "stream-noflag"}.run(t, func(t *testing.T, c *Client) {
		_, err := c.Call(t.Context(), "log.dmesg", dmesgRequest{})
		wantRemote(t, err, Error{Topic: "log.dmesg", Errno: EPROTO})
	})
	replay{file: "stream-noflag"}.run(t, func(t *testing.T, c *Client) {
		m := codec.NewRequest("log.dmesg")
		m.SetPayload([]byte("{\"follow\":false}\x00"))
		stream, err := c.DoStream(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		wantEnd(t, stream, EPROTO)
	})
}

func TestReplayServiceStreaming(t *testing.T) {
	replay{file: "service-streaming", conn: 2}.run(t, func(t *testing.T, c *Client) {
		i := 0
		for v, err := range StreamAs[struct{ I int }](t.Context(), c, "scnstr.watch", map[string]int{"n": 3}) {
			if err != nil || v.I != i {
				t.Errorf("item %d is %+v, %v", i, v, err)
			}
			i++
		}
		if i != 3 {
			t.Errorf("%d items, want 3", i)
		}
		wantStats(t, c, 0, 0)
	})
}

// kvsLookup is the payload of kvs-watch.lookup.
type kvsLookup struct {
	Key       string `json:"key"`
	Namespace string `json:"namespace"`
	Flags     int    `json:"flags"`
}

const (
	kvsWatch      = 4
	kvsWaitCreate = 8
	kvsAppend     = 256
)

func TestReplayKVSWatch(t *testing.T) {
	replay{file: "kvs-watch", conn: 2}.run(t, func(t *testing.T, c *Client) {
		// watch receives values and leaves after the last of them, which cancels,
		// or receives the error that follows.
		watch := func(key string, flags int, end error, values ...string) {
			t.Helper()
			i := 0
			for v, err := range StreamAs[struct {
				Val struct {
					Ver  int
					Type string
					Data []byte
				}
			}](t.Context(), c, "kvs-watch.lookup", kvsLookup{key, "primary", flags}) {
				if i == len(values) {
					wantErr(t, err, end)
					wantRemote(t, err, Error{"kvs-watch.lookup", ENOENT, ""})
					break
				}
				if err != nil || string(v.Val.Data) != values[i] || v.Val.Type != "val" || v.Val.Ver != 1 {
					t.Fatalf("value %d of %s is %+v, %v, want %q", i, key, v, err, values[i])
				}
				if i++; i == len(values) && end == nil {
					break
				}
			}
			if end == nil {
				synctest.Wait() // for the ENODATA
			}
			wantStats(t, c, 0, 0)
		}
		watch("scnw.key", kvsWatch, nil, "1", "2")
		watch("scnw.missing", kvsWatch, ENOENT)
		watch("scnw.later", kvsWatch|kvsWaitCreate, ENOENT, "L")
		watch("scnw.app", kvsWatch|kvsAppend, nil, "a", "b")
	})
}

func TestReplayStateMonitor(t *testing.T) {
	replay{file: "state-monitor", conn: 1}.run(t, func(t *testing.T, c *Client) {
		got, err := CallAs[struct{ State int }](t.Context(), c, "state-machine.monitor", nil)
		if err != nil || got.State != 5 {
			t.Errorf("state is %+v, %v, want 5", got, err)
		}
	})
	replay{file: "state-monitor", conn: 2}.run(t, func(t *testing.T, c *Client) {
		stream, err := c.Stream(t.Context(), "state-machine.monitor", json.RawMessage(`{"final":4}`))
		if err != nil {
			t.Fatal(err)
		}
		wantClean(t, stream)
		wantStats(t, c, 0, 0)
	})
}

// The cancel requests that libflux sends, as recorded, are those that the table
// of cancel topics makes.
func TestRecordedCancels(t *testing.T) {
	seen := 0
	for _, name := range golden.Names() {
		recs, err := golden.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		streams := make(map[string]*codec.Message) // by connection and matchtag
		for i := range recs {
			r := &recs[i]
			if !r.IsFrame() || r.Digested() || r.Dir != capture.ClientToServer || r.Msg.Type != codec.TypeRequest {
				continue
			}
			m, err := message(r)
			if err != nil {
				t.Fatal(err)
			}
			var cancel struct{ Matchtag uint32 }
			b, jsonErr := codec.JSONPayload(m.Payload)
			switch {
			case m.Flags&codec.FlagStreaming != 0:
				streams[fmt.Sprint(r.Conn, m.Matchtag)] = m
			case strings.HasSuffix(m.Topic, "cancel") && jsonErr == nil && json.Unmarshal(b, &cancel) == nil &&
				cancel.Matchtag != 0:
				req := streams[fmt.Sprint(r.Conn, cancel.Matchtag)]
				if req == nil {
					continue // of a call
				}
				seen++
				want := wireCancel(cancelTopic(req.Topic), req)
				m.Flags &^= codec.FlagPayload
				want.Flags &^= codec.FlagPayload
				wantMessage(t, m, want)
			}
		}
	}
	if seen < 4 {
		t.Errorf("%d cancel requests recorded, want some", seen)
	}
}

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
	c, p := servePeer(t, func(p *peertest.Peer, m *codec.Message) {
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
			p.Refuse(s.req, uint32(ENODATA), "")
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

func startStream(t *testing.T, c *Client, p *peertest.Peer, r *rand.Rand, requests <-chan *codec.Message) *streamModel {
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
		item(p, s.req, 1)
	}()
	if v, err, ok := s.read(); err != nil || !ok || v.X != 1 {
		t.Fatalf("first item is %+v, %v, %t", v, err, ok)
	}
	s.sent = 1
	return s
}

func (s *streamModel) serviceSends(p *peertest.Peer, n int) {
	for ; n > 0 && !s.serviceEnded; n-- {
		s.sent++
		item(p, s.req, s.sent)
		switch {
		case s.clientEnded:
		case len(s.queue) == s.limit:
			s.clientEnded, s.end = true, ErrSlowConsumer
		default:
			s.queue = append(s.queue, s.sent)
		}
	}
}

func (s *streamModel) serviceEnds(p *peertest.Peer, r *rand.Rand) {
	if s.serviceEnded {
		return
	}
	errno, end := ENODATA, errClean
	if r.IntN(2) == 0 {
		errno, end = EIO, EIO
	}
	p.Refuse(s.req, uint32(errno), "")
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
