package flux

import (
	"bytes"
	"errors"
	"io"
	"math"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/peertest"
	"github.com/flux-sdk/flux/transport"
)

// patience is how long a test outside a bubble waits for what must happen soon.
const patience = 30 * time.Second

// newPeer returns a client and the peer that it is connected to. Both are closed
// at the end of the test. It works inside a synctest bubble.
func newPeer(t testing.TB, opts ...DialOption) (*Client, *peertest.Peer) {
	t.Helper()
	return newPeerSize(t, 0, opts...)
}

// newPeerSize is newPeer with a cap on the size of a message on the client's side.
func newPeerSize(t testing.TB, maxSize int, opts ...DialOption) (*Client, *peertest.Peer) {
	t.Helper()
	near, p := peertest.Pipe(t, maxSize)
	return startPeer(t, near, p, opts...)
}

func startPeer(t testing.TB, near transport.Conn, p *peertest.Peer, opts ...DialOption) (*Client, *peertest.Peer) {
	c := NewClient(near, opts...)
	t.Cleanup(func() {
		p.Close()
		c.Close()
	})
	return c, p
}

// servePeer is a client whose peer answers by handler.
func servePeer(t testing.TB, handler func(p *peertest.Peer, m *codec.Message), opts ...DialOption) (*Client,
	*peertest.Peer) {
	t.Helper()
	c, p := newPeer(t, opts...)
	p.Serve(handler)
	return c, p
}

// rawPeer is a client whose peer is a bare stream of bytes, both ways.
func rawPeer(t testing.TB, cfg transport.Config, opts ...DialOption) (*Client, io.ReadWriteCloser) {
	t.Helper()
	near, far := peertest.RawPipe(cfg)
	c := NewClient(near, opts...)
	t.Cleanup(func() {
		far.Close()
		c.Close()
	})
	return c, far
}

// noLeaks fails the test if it ends, cleanups included, with more goroutines
// than it has now. It must be the first call of the test.
func noLeaks(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for end := time.Now().Add(patience); runtime.NumGoroutine() > before; runtime.Gosched() {
			if time.Now().After(end) {
				buf := make([]byte, 1<<20)
				t.Errorf("%d goroutines at the start, %d at the end\n%s",
					before, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
				return
			}
		}
	})
}

// wantErr fails the test unless err matches every one of targets.
func wantErr(t testing.TB, err error, targets ...error) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that matches %v", targets)
	}
	for _, target := range targets {
		if !errors.Is(err, target) {
			t.Fatalf("error %q does not match %v", err, target)
		}
	}
}

// wantRemote fails the test unless err is what a service said.
func wantRemote(t testing.TB, err error, want Error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || *e != want {
		t.Fatalf("error %#v, want %#v", err, want)
	}
}

// wantBytes fails the test unless the payload of r is want.
func wantBytes(t testing.TB, r Response, want []byte) {
	t.Helper()
	got, err := r.Bytes()
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("payload is %.80q (%d bytes), %v, want %.80q (%d bytes)", got, len(got), err, want, len(want))
	}
}

// wantStats fails the test unless so many tags are live and retired.
func wantStats(t testing.TB, c *Client, live, retired int) {
	t.Helper()
	if s := c.Stats(); s.Live != live || s.Retired != retired {
		t.Fatalf("%d tags live, %d retired, want %d and %d: %+v", s.Live, s.Retired, live, retired, s)
	}
}

const plenty = math.MaxInt / 2 // bytes

// inBubble runs f in a bubble, where a goroutine that is left behind fails the test.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func wantItems[T comparable](t testing.TB, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("received %v, want %v", got, want)
	}
}

func TestQueueDefaults(t *testing.T) {
	for _, tt := range []struct{ given, want queueOption }{
		{queueOption{}, queueOption{65536, 64 << 20}},
		{queueOption{-1, -1}, queueOption{65536, 64 << 20}},
		{queueOption{0, 5}, queueOption{65536, 5}},
		{queueOption{5, 0}, queueOption{5, 64 << 20}},
	} {
		var o callOptions
		tt.given.applyStream(&o)
		if got := queueOption(orDefault(o.limit)); got != tt.want {
			t.Errorf("QueueLimit%v is %v, want %v", tt.given, got, tt.want)
		}
	}
}
