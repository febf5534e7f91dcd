package flux

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/framing"
	"github.com/flux-sdk/flux/transport"
)

// foreignPeer is a client over a connection that is not of this
// module, as one from outside of package transport may be.
func foreignPeer(t *testing.T, opts ...DialOption) (*Client, *peer) {
	t.Helper()
	near, far := transport.Pipe(transport.Config{})
	var conn transport.Conn = plainConn{near}
	if _, own := conn.(*framing.Conn); own {
		t.Fatal("the stand-in for a foreign connection is none")
	}
	return startPeer(t, conn, far, opts...)
}

func TestForeignConnCalls(t *testing.T) {
	c, p := foreignPeer(t)
	p.serve(echo)
	for i := range 100 {
		r, err := c.Call(t.Context(), "a.b", pattern(i))
		if err != nil {
			t.Fatal(err)
		}
		wantBytes(t, r, pattern(i))
	}
	var replies []<-chan Response
	for i := range 100 {
		replies = append(replies, c.Go(t.Context(), "a.b", pattern(i)))
	}
	for i, reply := range replies {
		wantBytes(t, <-reply, pattern(i))
	}
	wantStats(t, c, 0, 0)
}

// What the reader and the end of a ctx queue goes out in order.
func TestForeignConnCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := foreignPeer(t)
		const n = 50
		for range n {
			ctx, cancel := context.WithCancel(t.Context())
			reply := c.Go(ctx, "a.b", nil, CancelTopic("a.stop"))
			m := p.want("a.b")
			cancel()
			wantErr(t, (<-reply).Err(), context.Canceled)
			got := p.want("a.stop")
			if want := fmt.Sprintf("{\"matchtag\":%d}\x00", m.Matchtag); string(got.Payload) != want {
				t.Fatalf("cancel says %q, want %q", got.Payload, want)
			}
			p.refuse(m, ECANCELED, "")
		}
		p.wantNothing(c)
		synctest.Wait()
		wantStats(t, c, 0, 0)
		for i := range uint32(n) {
			p.send(&codec.Message{
				Type: codec.TypeRequest, Flags: codec.FlagTopic | codec.FlagRoute, Topic: "no.service",
				Matchtag: i + 1, Routes: codec.MakeRoutes("hop", "origin"),
			})
		}
		for i := range uint32(n) {
			if m := p.recv(); m.Type != codec.TypeResponse || m.Matchtag != i+1 || m.Errnum != uint32(ENOSYS) {
				t.Fatalf("received %s %q, matchtag %d, errnum %d", m.Type, m.Topic, m.Matchtag, m.Errnum)
			}
		}
	})
}

// One message that cannot be sent does not keep the next from being sent.
func TestForeignConnUnsendable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := foreignPeer(t)
		for _, topic := range []string{"no\x00topic", "a.stop"} {
			ctx, cancel := context.WithCancel(t.Context())
			reply := c.Go(ctx, "a.b", nil, CancelTopic(topic))
			p.want("a.b")
			cancel()
			wantErr(t, (<-reply).Err(), context.Canceled)
			synctest.Wait()
		}
		p.want("a.stop")
		p.wantNothing(c)
	})
}

// stuckConn is a connection whose Send waits for its peer, as long as Close
// does not wake it.
type stuckConn struct {
	plainConn
	closed chan struct{}
}

func (s stuckConn) Send(ctx context.Context, _ *codec.Message) error {
	select {
	case <-s.closed:
		return transport.ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s stuckConn) Close() error {
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	return s.plainConn.Close()
}

// The reader does not wait for a Send that waits, and Close ends it all.
func TestForeignConnStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := transport.Pipe(transport.Config{})
		c, p := startPeer(t, stuckConn{plainConn{near}, make(chan struct{})}, far)
		for i := range uint32(100) {
			p.send(&codec.Message{
				Type: codec.TypeRequest, Flags: codec.FlagTopic | codec.FlagRoute, Topic: "no.service",
				Matchtag: i + 1, Routes: codec.MakeRoutes("hop", "origin"),
			})
		}
		synctest.Wait()
		if s := c.Stats(); s.Received != 100 {
			t.Errorf("%d messages received, want 100", s.Received)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error, 2)
		go func() { done <- callers["Call"](ctx, c) }()
		synctest.Wait()
		cancel(errWhy)
		err := <-done
		if wantErr(t, err, context.Canceled, errWhy); !SafeToRetry(err) {
			t.Errorf("%v is not safe to retry, though nothing was accepted", err)
		}
		go func() { done <- callers["Call"](t.Context(), c) }()
		synctest.Wait()
		c.Close()
		wantErr(t, <-done, ErrClosed)
	})
}

// An error of Send that is not this client's doing is a lost connection.
func TestForeignConnSendFails(t *testing.T) {
	broken := errors.New("a wire broke")
	near, far := transport.Pipe(transport.Config{})
	c, _ := startPeer(t, failingSend{plainConn{near}, broken}, far)
	_, err := c.Call(t.Context(), "a.b", nil)
	wantErr(t, err, ErrConnLost, broken)
	if !SafeToRetry(err) {
		t.Errorf("%v is not safe to retry, though nothing was accepted", err)
	}
	wantStats(t, c, 0, 0)
}

type failingSend struct {
	plainConn
	err error
}

func (f failingSend) Send(context.Context, *codec.Message) error { return f.err }
