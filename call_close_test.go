package flux

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/transport"
)

// Everything at once on real goroutines: calls with and without a ctx that
// ends, notifications, attributes, statistics, and then several Closes or the
// loss of the connection. Every operation ends, in one of the ways it may.
func TestCloseRacesEverything(t *testing.T) {
	noLeaks(t)
	wraps := map[string]func(transport.Conn) transport.Conn{
		"pipe":    func(c transport.Conn) transport.Conn { return c },
		"foreign": func(c transport.Conn) transport.Conn { return plainConn{c} },
	}
	ends := map[string]func(c *Client, p *peer){
		"Close":  func(c *Client, _ *peer) { c.Close() },
		"lost":   func(_ *Client, p *peer) { p.conn.Close() },
		"both":   func(c *Client, p *peer) { go p.conn.Close(); c.Close() },
		"Close2": func(c *Client, _ *peer) { go c.Close(); c.Close() },
	}
	for wrapName, wrap := range wraps {
		for endName, end := range ends {
			t.Run(wrapName+" "+endName, func(t *testing.T) {
				for range 5 {
					closeRace(t, wrap, end)
				}
			})
		}
	}
}

func closeRace(t *testing.T, wrap func(transport.Conn) transport.Conn, end func(c *Client, p *peer)) {
	near, far := transport.Pipe(transport.Config{})
	c, p := NewClient(wrap(near)), &peer{t: t, conn: far}
	p.serve(func(p *peer, m *codec.Message) {
		if m.Matchtag%3 != 0 { // the others are never answered
			echo(p, m)
		}
	})
	var wg sync.WaitGroup
	var begun atomic.Int32
	enough := make(chan struct{})
	for name, send := range senders() {
		for i := range 6 {
			wg.Go(func() {
				for {
					if begun.Add(1) == 2000 {
						close(enough)
					}
					ctx, cancel := t.Context(), context.CancelFunc(func() {})
					if i%2 == 0 || name == "Go" {
						ctx, cancel = context.WithTimeout(ctx, time.Duration(i+1)*100*time.Microsecond)
					}
					err := send(ctx, c, CancelTopic("a.stop"))
					cancel()
					switch {
					case err == nil, errors.Is(err, context.DeadlineExceeded):
					case errors.Is(err, ErrClosed), errors.Is(err, ErrConnLost):
						return
					default:
						t.Errorf("%s: unexpected end %v", name, err)
						return
					}
				}
			})
		}
	}
	wg.Go(func() {
		for c.Err() == nil {
			c.Stats()
			c.Attr(t.Context(), "rank")
		}
	})
	<-enough
	end(c, p)
	wg.Wait()
	<-c.Done()
	wantStats(t, c, 0, 0)
	c.Close()
	p.close()
}
