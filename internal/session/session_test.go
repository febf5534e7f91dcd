package session

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/peertest"
	"github.com/flux-sdk/flux/transport"
)

// recorder is a Handler that remembers what it is told.
type recorder struct {
	restore func(l *Link) error

	mu   sync.Mutex
	told []string
}

func (h *recorder) tell(s string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = append(h.told, s)
}

func (h *recorder) Request(_ *Link, m *codec.Message) { h.tell("request " + m.Topic) }
func (h *recorder) Event(m *codec.Message)            { h.tell("event " + m.Topic) }
func (h *recorder) Ended(err error)                   { h.tell("ended: " + err.Error()) }

func (h *recorder) Lost(_ *Link, wasReady bool) {
	if wasReady {
		h.tell("lost")
	} else {
		h.tell("lost while restoring")
	}
}

func (h *recorder) Restore(l *Link) error {
	h.tell("restore")
	if h.restore != nil {
		return h.restore(l)
	}
	return nil
}

// want fails the test unless the Handler was told this since the last time.
func (h *recorder) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Equal(h.told, want) {
		t.Errorf("the handler was told %q, want %q", h.told, want)
	}
	h.told = nil
}

// chanSink keeps replies and the error that ends the request.
type chanSink struct {
	replies chan codec.Message
	failed  chan error
}

func newChanSink() chanSink { return chanSink{make(chan codec.Message, 16), make(chan error, 1)} }

func (s chanSink) Reply(m *codec.Message, _ bool) { s.replies <- *m }
func (s chanSink) Fail(err error)                 { s.failed <- err }

func start(t *testing.T, cfg Config) (*Session, *Owner, *recorder, *peertest.Peer) {
	t.Helper()
	h, _ := cfg.Handler.(*recorder)
	if h == nil {
		h = &recorder{}
		cfg.Handler = h
	}
	near, p := peertest.Pipe(t, 0)
	s := New(near, cfg)
	o := s.NewOwner("the holder")
	s.Start()
	t.Cleanup(func() {
		s.End(ErrClosed)
		s.Close(t.Context())
		p.Close()
	})
	return s, o, h, p
}

func send(t *testing.T, s *Session, o *Owner, topic string, streaming bool) (*Request, chanSink) {
	t.Helper()
	sink := newChanSink()
	r := &Request{Owner: o, Topic: topic, Sink: sink, Streaming: streaming}
	if err := s.Send(t.Context(), r, codec.NewRequest(topic)); err != nil {
		t.Fatal(err)
	}
	return r, sink
}

func (s *Session) phase() phase {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phaseLocked()
}

func wantPhase(t *testing.T, s *Session, want phase) {
	t.Helper()
	if got := s.phase(); got != want {
		t.Errorf("phase is %d, want %d", got, want)
	}
}

func TestReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, o, h, p := start(t, Config{})
		wantPhase(t, s, phaseIdle)
		r, sink := send(t, s, o, "a.b", false)
		if r.Owner.Holder != "the holder" {
			t.Errorf("holder is %v", r.Owner.Holder)
		}
		wantPhase(t, s, phaseActive)
		req := p.Want("a.b")
		p.Respond(req, "yes")
		if m := <-sink.replies; string(m.Payload) != "yes\x00" {
			t.Errorf("reply is %q", m.Payload)
		}
		wantPhase(t, s, phaseIdle)
		p.Respond(req, "again") // of a tag that is free
		p.Event("some.event", 1, nil, 0)
		m := codec.NewRequest("svc.method")
		m.Routes = codec.MakeRoutes("someone")
		p.Send(m)
		h.want(t, "event some.event", "request svc.method")
		if n := s.Counters(); n.Responses.Load() != 1 || n.Stray.Load() != 1 || n.Received.Total() != 4 ||
			n.Sent.Total() != 1 {
			t.Errorf("responses %d, stray %d, received %d, sent %d",
				n.Responses.Load(), n.Stray.Load(), n.Received.Total(), n.Sent.Total())
		}
	})
}

// The tag of a request that was given up is in use until the last reply.
func TestAbandon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, o, _, p := start(t, Config{})
		r, sink := send(t, s, o, "a.b", false)
		if !s.Abandon(r) || s.Abandon(r) {
			t.Error("a request can be abandoned once")
		}
		if live, retired := s.Tags(); live != 0 || retired != 1 {
			t.Errorf("%d tags live, %d retired", live, retired)
		}
		wantPhase(t, s, phaseActive)
		p.Respond(p.Want("a.b"), nil)
		synctest.Wait()
		wantPhase(t, s, phaseIdle)
		if len(sink.replies)+len(sink.failed) != 0 || s.Counters().Late.Load() != 1 {
			t.Errorf("%d replies, %d errors, %d late", len(sink.replies), len(sink.failed), s.Counters().Late.Load())
		}
	})
}

// The end of the session ends everything with the first reason.
func TestEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, o, h, p := start(t, Config{})
		_, sink := send(t, s, o, "a.b", false)
		p.Want("a.b")
		s.End(ErrClosed)
		s.End(errors.New("later"))
		if err := <-sink.failed; err != ErrClosed {
			t.Errorf("request ends with %v", err)
		}
		h.want(t, "ended: client closed", "ended: client closed")
		<-o.Done()
		<-s.Context().Done()
		wantPhase(t, s, phaseEnded)
		if err := s.Send(t.Context(), &Request{Owner: o, Sink: sink}, codec.NewRequest("a.b")); err != ErrClosed {
			t.Errorf("Send after the end: %v", err)
		}
		if err := s.Ask(s.Link(), "a.b", nil, sink); err != ErrClosed {
			t.Errorf("Ask after the end: %v", err)
		}
		if late := s.NewOwner(nil); s.Err(late) != ErrClosed {
			t.Errorf("an owner after the end has the error %v", s.Err(late))
		}
	})
}

// A connection that is lost for good ends the session.
func TestLostForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, o, h, p := start(t, Config{})
		_, sink := send(t, s, o, "a.b", true)
		p.Close()
		if err := <-sink.failed; !errors.Is(err, ErrConnLost) {
			t.Errorf("request ends with %v", err)
		}
		h.want(t, "ended: connection to the broker lost: the broker closed it")
		if err := s.Err(o); !errors.Is(err, ErrConnLost) {
			t.Errorf("the owner has the error %v", err)
		}
	})
}

// What one owner has started ends with it, and nothing else.
func TestOwners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, o, h, p := start(t, Config{})
		other := s.NewOwner(nil)
		_, mine := send(t, s, o, "mine", true)
		_, theirs := send(t, s, other, "theirs", false)
		p.Want("mine")
		req := p.Want("theirs")
		if open, last := o.Remove(); !open || last {
			t.Errorf("Remove says open %t, last %t", open, last)
		}
		if !o.EndRequests() {
			t.Error("the owner had a request")
		}
		if err := <-mine.failed; err != ErrClosed {
			t.Errorf("request ends with %v", err)
		}
		if s.Err(o) != ErrClosed || s.Err(other) != nil || s.Owners() != 1 {
			t.Errorf("errors are %v and %v, owners %d", s.Err(o), s.Err(other), s.Owners())
		}
		drained := other.Drain()
		select {
		case <-drained:
			t.Error("drained with a call under way")
		default:
		}
		p.Respond(req, nil)
		<-theirs.replies
		<-drained
		if open, last := other.Remove(); !open || !last {
			t.Errorf("Remove says open %t, last %t", open, last)
		}
		if open, _ := other.Remove(); open {
			t.Error("removed twice")
		}
		h.want(t)
	})
}

// A lost connection is made again: the Handler restores before requests go on.
func TestRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var peers []*peertest.Peer
		h := &recorder{}
		attempts := 0
		s, o, _, p := start(t, Config{
			Handler:   h,
			Reconnect: &Policy{},
			Dial: func(context.Context) (transport.Conn, error) {
				if attempts++; attempts < 3 {
					return nil, errors.New("not yet")
				}
				near, far := peertest.Pipe(t, 0)
				peers = append(peers, far)
				return near, nil
			},
		})
		answered := make(chan error, 1)
		h.restore = func(l *Link) error {
			sink := newChanSink()
			if err := s.Ask(l, "early", nil, sink); err != nil {
				return err
			}
			l.Flush()
			peers[0].Respond(peers[0].Want("early"), nil)
			<-sink.replies
			return nil
		}
		_, sink := send(t, s, o, "before", false)
		p.Close()
		if err := <-sink.failed; !errors.Is(err, ErrConnLost) {
			t.Errorf("request ends with %v", err)
		}
		wantPhase(t, s, phaseRestoring)
		if !s.Restoring() {
			t.Error("not restoring")
		}
		stop := make(chan struct{})
		close(stop)
		if _, err := s.WaitReady(t.Context(), o, stop); err != ErrStopped {
			t.Errorf("a stopped wait returns %v", err)
		}
		go func() {
			r := &Request{Owner: o, Topic: "after", Sink: newChanSink()}
			answered <- s.Send(t.Context(), r, codec.NewRequest("after"))
		}()
		if err := <-answered; err != nil {
			t.Errorf("Send while restoring: %v", err)
		}
		peers[0].Want("after")
		h.want(t, "lost", "restore")
		if attempts != 3 || s.Counters().Reconnects.Load() != 1 {
			t.Errorf("%d attempts, %d reconnects", attempts, s.Counters().Reconnects.Load())
		}
		s.End(ErrClosed)
		s.Close(t.Context())
		peers[0].Close()
	})
}

// A policy that gives up ends the session.
func TestRestoreGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("no way")
		s, o, h, p := start(t, Config{
			Reconnect: &Policy{MaxAttempts: 2},
			Dial:      func(context.Context) (transport.Conn, error) { return nil, why },
		})
		p.Close()
		<-o.Done()
		if err := s.Err(o); !errors.Is(err, ErrConnLost) || !errors.Is(err, why) {
			t.Errorf("the owner has the error %v", err)
		}
		h.want(t, "lost", "ended: connection to the broker lost: gave up after 2 attempts to reconnect: no way")
	})
}

func TestBackoff(t *testing.T) {
	p := Policy{MinBackoff: 100 * time.Millisecond, MaxBackoff: time.Second}.orDefault()
	for attempt, want := range []time.Duration{1: 100, 2: 200, 3: 400, 4: 800, 5: 1000, 100: 1000} {
		if want == 0 {
			continue
		}
		want *= time.Millisecond
		for range 100 {
			if d := p.backoff(attempt); d < want/2-1 || d > want {
				t.Fatalf("pause %d is %v, want between %v and %v", attempt, d, want/2, want)
			}
		}
	}
	if p := (Policy{MinBackoff: time.Hour}).orDefault(); p.MaxBackoff != time.Hour || p.AttemptTimeout != 30*time.Second {
		t.Errorf("defaults are %+v", p)
	}
}

func TestErrors(t *testing.T) {
	cause := errors.New("cause")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if err := ContextError(ctx); !errors.Is(err, cause) || !errors.Is(err, context.Canceled) {
		t.Errorf("error of the ctx is %v", err)
	}
	lost := LostError(cause)
	if !errors.Is(lost, ErrConnLost) || !errors.Is(lost, cause) || LostError(lost) != lost {
		t.Errorf("error of the loss is %v", lost)
	}
}
