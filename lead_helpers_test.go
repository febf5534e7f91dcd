package flux

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/transport"
)

// shortTime is for how long RecvShort of a shortConn waits.
const shortTime = 4 * time.Millisecond

// shortConn is a connection in process that callers may read.
type shortConn struct {
	transport.Conn
	transport.Queuer
	in      chan incoming
	readers atomic.Int32
	shorts  atomic.Int32 // messages that RecvShort has returned
	gate    sync.Mutex   // held to keep RecvShort from returning
}

type incoming struct {
	m   codec.Message
	err error
}

func newShortConn(t transport.Conn) *shortConn {
	s := &shortConn{Conn: t, Queuer: t.(transport.Queuer), in: make(chan incoming, 1000)}
	go func() {
		for {
			var r incoming
			r.err = t.Recv(&r.m)
			s.in <- r
			if r.err != nil {
				close(s.in)
				return
			}
		}
	}()
	return s
}

// enter panics if two read at a time.
func (s *shortConn) enter() {
	if s.readers.Add(1) != 1 {
		panic("two goroutines read a connection")
	}
}

func (s *shortConn) Recv(m *codec.Message) error {
	s.enter()
	defer s.readers.Add(-1)
	r := <-s.in
	return s.take(r, m)
}

func (s *shortConn) take(r incoming, m *codec.Message) error {
	if r.err == nil && r.m.Type == 0 {
		return transport.ErrClosed // in is closed
	}
	*m = r.m
	return r.err
}

func (s *shortConn) Buffered() bool { return len(s.in) > 0 }

func (s *shortConn) ShortWaits() bool { return true }

func (s *shortConn) RecvShort(m *codec.Message) (came bool, err error) {
	s.enter()
	defer s.readers.Add(-1)
	t := time.NewTimer(shortTime)
	defer t.Stop()
	select {
	case r := <-s.in:
		s.gate.Lock()
		s.gate.Unlock()
		if err = s.take(r, m); err != nil {
			return false, err
		}
		s.shorts.Add(1)
		return true, nil
	case <-t.C:
		return false, nil
	}
}

// newShortPeer is newPeer with a connection that callers may read.
func newShortPeer(t testing.TB, opts ...DialOption) (*Client, *peer, *shortConn) {
	near, far := transport.BytePipe()
	s := newShortConn(transport.NewConn(near, transport.Config{}))
	c, p := startPeer(t, s, transport.NewConn(far, transport.Config{}), opts...)
	return c, p, s
}

// lent makes as many calls as it takes until callers read for themselves, a few
// more if something else has just ended. It is for a synctest bubble.
func lent(t testing.TB, c *Client) {
	t.Helper()
	for range 2 * loneCalls {
		if _, err := c.Call(t.Context(), "x.echo", nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if leaderOf(c) == leadNobody {
			return
		}
	}
	t.Fatalf("after %d calls the lead is with %d", 2*loneCalls, leaderOf(c))
}

func leaderOf(c *Client) leader {
	c.c.mu.Lock()
	defer c.c.mu.Unlock()
	return c.c.link.lead.with
}
