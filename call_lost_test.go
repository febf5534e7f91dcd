package flux

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/framing"
	"github.com/flux-sdk/flux/transport"
)

// startPending makes n calls that nobody answers, half of them with Go.
func startPending(ctx context.Context, c *Client, n int) <-chan error {
	ends := make(chan error, n)
	for i := range n {
		name := "Call"
		if i%2 == 1 {
			name = "Go"
		}
		go func() { ends <- callers[name](ctx, c) }()
	}
	return ends
}

// wantEnded fails the test unless everything about c says that it ended so.
func wantEnded(t *testing.T, c *Client, targets ...error) {
	t.Helper()
	select {
	case <-c.Done():
	case <-time.After(patience):
		t.Fatal("Done is not closed")
	}
	wantErr(t, c.Err(), targets...)
	for name, send := range senders() {
		err := send(t.Context(), c)
		wantErr(t, err, targets...)
		if !SafeToRetry(err) {
			t.Errorf("%s: %v is not safe to retry, though nothing was sent", name, err)
		}
	}
	wantStats(t, c, 0, 0)
}

func TestConnLost(t *testing.T) {
	const n = 100
	broken := errors.New("a wire broke")
	frame, err := codec.Append(nil, codec.NewEvent("a.b"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		lose  func(far io.ReadWriteCloser, t *failingConn)
		cause []error
	}{
		{"closed by the peer", func(far io.ReadWriteCloser, _ *failingConn) { far.Close() }, nil},
		{"closed inside a frame", func(far io.ReadWriteCloser, _ *failingConn) {
			far.Write(frame[:20])
			far.Close()
		}, []error{io.ErrUnexpectedEOF}},
		{"wrong magic", func(far io.ReadWriteCloser, _ *failingConn) { far.Write(make([]byte, 64)) }, []error{codec.ErrMalformed}},
		{"bad frame", func(far io.ReadWriteCloser, _ *failingConn) {
			bad := append([]byte{}, frame...)
			bad[len(bad)-codec.HeaderSize+2] = 3 // no type
			far.Write(bad)
		}, []error{codec.ErrMalformed}},
		{"the transport fails", func(_ io.ReadWriteCloser, f *failingConn) { f.fail(broken) }, []error{broken}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := framing.BytePipe()
				fc := newFailingConn(transport.NewConn(near, transport.Config{}))
				c := NewClient(fc)
				t.Cleanup(func() {
					far.Close()
					c.Close()
				})
				ends := startPending(t.Context(), c, n)
				synctest.Wait()
				wantStats(t, c, n, 0)
				if c.Err() != nil {
					t.Errorf("Err of a living client is %v", c.Err())
				}
				tt.lose(far, fc)
				want := append([]error{ErrConnLost}, tt.cause...)
				for range n {
					err := <-ends
					wantErr(t, err, want...)
					if SafeToRetry(err) || errors.Is(err, ErrClosed) || errors.Is(err, context.Canceled) {
						t.Fatalf("%v is safe to retry, or matches a Close or the end of a ctx", err)
					}
				}
				wantEnded(t, c, want...)
				c.Close()
				wantEnded(t, c, want...) // the first reason stays
			})
		})
	}
}

// failingConn is a connection that can be made to fail.
type failingConn struct {
	transport.Conn
	broken chan error
	in     chan received
}

type received struct {
	m   codec.Message
	err error
}

func newFailingConn(c transport.Conn) *failingConn {
	f := &failingConn{Conn: c, broken: make(chan error, 1), in: make(chan received)}
	go func() {
		defer close(f.in)
		for {
			var r received
			r.err = c.Recv(&r.m)
			f.in <- r
			if r.err != nil {
				return
			}
		}
	}()
	return f
}

func (f *failingConn) fail(err error) { f.broken <- err }

func (f *failingConn) Recv(m *codec.Message) error {
	select {
	case r := <-f.in:
		*m = r.m
		return r.err
	case err := <-f.broken:
		go func() {
			for range f.in { // let the reader below end
			}
		}()
		return err
	}
}

// A call that waits for room when the connection is lost.
func TestConnLostWhileQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := newPeer(t)
		stuff(t, c)
		ends := startPending(t.Context(), c, 10)
		synctest.Wait()
		p.conn.Close()
		for range 10 {
			wantErr(t, <-ends, ErrConnLost)
		}
		wantEnded(t, c, ErrConnLost)
	})
}

func TestCloseEndsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := newPeer(t)
		ends := startPending(t.Context(), c, 20)
		synctest.Wait()
		begin := time.Now()
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if d := time.Since(begin); d > 2*time.Second {
			t.Errorf("Close took %v", d)
		}
		for range 20 {
			err := <-ends
			wantErr(t, err, ErrClosed)
			if SafeToRetry(err) || errors.Is(err, ErrConnLost) {
				t.Errorf("%v is safe to retry or matches ErrConnLost", err)
			}
		}
		wantEnded(t, c, ErrClosed)
		if err := c.Close(); err != nil {
			t.Errorf("the second Close: %v", err)
		}
		for range 20 { // what was accepted is written
			p.want("a.b")
		}
		if err := p.conn.Recv(new(codec.Message)); !errors.Is(err, io.EOF) {
			t.Errorf("the peer of a closed client reads %v, want EOF", err)
		}
	})
}

// Close does not wait for ever for a peer that does not read.
func TestCloseWithAStuckPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := newPeer(t)
		stuff(t, c)
		ends := startPending(t.Context(), c, 10) // they wait for room
		synctest.Wait()
		begin := time.Now()
		c.Close()
		if d := time.Since(begin); d > 2*time.Second {
			t.Errorf("Close took %v", d)
		}
		for range 10 {
			wantErr(t, <-ends, ErrClosed)
		}
		wantEnded(t, c, ErrClosed)
	})
}
