package flux

import (
	"sync/atomic"
	"testing"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/transport"
)

// asyncConn counts the two ways of starting to write.
type asyncConn struct {
	transport.Conn
	transport.Queuer
	async, direct atomic.Int32
}

func (a *asyncConn) FlushAsync() {
	a.async.Add(1)
	a.Queuer.FlushAsync()
}

func (a *asyncConn) Queue(m *codec.Message, flush bool) error {
	if flush {
		a.direct.Add(1)
	}
	return a.Queuer.Queue(m, flush)
}

// Who calls Go goes on, and who waits for a response writes himself.
func TestGoWritesAsync(t *testing.T) {
	near, far := transport.Pipe(transport.Config{})
	a := &asyncConn{Conn: near, Queuer: near.(transport.Queuer)}
	c, p := startPeer(t, a, far)
	p.serve(echo)
	var pending []<-chan Response
	for range 10 {
		pending = append(pending, c.Go(t.Context(), "a.b", []byte{1}))
	}
	for _, ch := range pending {
		if r := <-ch; r.Err() != nil {
			t.Fatal(r.Err())
		}
	}
	if a.async.Load() != 10 || a.direct.Load() != 0 {
		t.Errorf("10 times Go: %d asynchronous writes, %d direct", a.async.Load(), a.direct.Load())
	}
	if _, err := c.Call(t.Context(), "a.b", nil); err != nil {
		t.Fatal(err)
	}
	if a.async.Load() != 10 || a.direct.Load() != 1 {
		t.Errorf("then Call: %d asynchronous writes, %d direct", a.async.Load(), a.direct.Load())
	}
}
