package flux

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/flux-sdk/flux/internal/session"
	"github.com/flux-sdk/flux/transport"
)

// Client is a connection to a Flux broker. A program makes one with [Dial], or
// with [NewClient], shares it, and ends it with Close. All methods may be called
// concurrently.
type Client struct {
	c     *conn
	owner *session.Owner

	unread unreadChannels

	// Guarded by c.mu.
	serving  map[*server]struct{}
	shutting chan struct{} // Shutdown has begun; closed when it has returned
}

// NewClient returns a client of a connection whose handshake is over, such as an
// end of [transport.Pipe]. From then on the connection belongs to the client. There
// is nothing to dial again, so [WithReconnect] has no effect.
func NewClient(t transport.Conn, opts ...DialOption) *Client {
	return newClient(newConn(t, newDialOptions(opts), connTarget{}))
}

// newClient makes the first client of a connection and sets its reader off.
func newClient(c *conn) *Client {
	cl := c.newClone()
	c.sess.Start()
	return cl
}

// newClone makes a client of a connection.
func (c *conn) newClone() *Client {
	cl := &Client{c: c, serving: make(map[*server]struct{})}
	cl.owner = c.sess.NewOwner(cl)
	return cl
}

// Clone returns a client with the same connection and its own lifetime. Its Close
// ends only what was started with it. The last Close among clones closes the
// connection. A clone of a closed client is closed.
func (cl *Client) Clone() *Client {
	err := cl.Err()
	clone := cl.c.newClone()
	if err != nil {
		clone.Close()
	}
	return clone
}

// Done returns a channel that is closed when nothing can be started any more: when
// the connection is finally gone or the client is closed. Err says why.
func (cl *Client) Done() <-chan struct{} { return cl.owner.Done() }

// Err returns why nothing can be started any more: an error that matches
// [ErrClosed] or [ErrConnLost]. It is nil while the client can be used, also while
// its connection is being restored.
func (cl *Client) Err() error { return cl.c.sess.Err(cl.owner) }

// Close ends everything that was started with this client, with [ErrClosed]. The
// requests that its services hold are answered first. If the client is the last of
// its clones, Close writes what was accepted for sending, for a bounded time, and
// closes the connection.
//
// Close may be called more than once and from any goroutine. Use [Client.Shutdown]
// to let things finish first.
func (cl *Client) Close() error { return cl.closeWithin(context.Background()) }

// closeWithin is Close that stops writing when ctx ends.
func (cl *Client) closeWithin(ctx context.Context) error {
	defer cl.unread.abortAll()
	open, last := cl.owner.Remove()
	switch {
	case !open:
		return nil
	case !last:
		cl.endOwned()
		return nil
	}
	c := cl.c
	c.sess.End(ErrClosed)
	err := c.sess.Close(ctx)
	c.watch.waitForTrace(ctx)
	return err
}

// endOwned ends what was started with a clone, on a connection that goes on.
func (cl *Client) endOwned() {
	c := cl.c
	any := cl.owner.EndRequests()
	c.mu.Lock()
	subs := c.subs.takeOwnedLocked(cl)
	for _, s := range subs {
		c.unsubscribeIfUnusedLocked(s.topic)
	}
	servers := slices.Collect(maps.Keys(cl.serving))
	c.mu.Unlock()
	for _, s := range subs {
		s.endChannel(ErrClosed)
	}
	for _, s := range servers {
		s.ownerClosed()
	}
	if any || len(subs)+len(servers) > 0 { // or others' messages would be sent before their hooks are called
		c.sess.Link().Flush()
	}
}

// Shutdown ends the client without cutting anything short: it ends its services
// as the end of their ctx would, whose handlers may still use the client, then
// starts nothing new, waits for the calls that are under way, and closes the
// client. Streams and subscriptions, which have no end of their own, are ended
// by that. If ctx ends first, Shutdown closes at once, without writing what the
// broker does not take at once, and returns the error of ctx.
func (cl *Client) Shutdown(ctx context.Context) error {
	c := cl.c
	c.mu.Lock()
	if first := cl.shutting; first != nil {
		c.mu.Unlock()
		select {
		case <-first:
			return nil
		case <-ctx.Done():
			cl.closeWithin(ctx)
			return ctxError(ctx)
		}
	}
	over := make(chan struct{})
	cl.shutting = over
	c.mu.Unlock()
	defer close(over)
	err := cl.drain(ctx)
	cerr := cl.closeWithin(ctx)
	switch {
	case err != nil:
		return err
	case cerr != nil && ctx.Err() != nil: // not all was written
		return ctxError(ctx)
	}
	return cerr
}

// drain waits for the services and then for the calls of a client.
func (cl *Client) drain(ctx context.Context) error {
	c := cl.c
	c.mu.Lock()
	servers := slices.Collect(maps.Keys(cl.serving))
	fallback := c.fallback
	c.mu.Unlock()
	for _, s := range servers {
		s.stopSoon()
	}
	if fallback != nil && c.sess.Owners() == 1 { // or else it serves on
		if err := fallback.drainHandlers(ctx); err != nil {
			return err
		}
	}
	for _, s := range servers {
		select {
		case <-s.returned:
		case <-ctx.Done():
			return ctxError(ctx)
		}
	}
	select {
	case <-cl.owner.Drain():
		return nil
	case <-ctx.Done():
		return ctxError(ctx)
	}
}

// drainHandlers waits, as the end of a Serve does, for the handlers of a server
// that has no Serve.
func (s *server) drainHandlers(ctx context.Context) error {
	idle := s.stopAccepting()
	s.c.sess.Link().Flush()
	t := time.NewTimer(s.opts.drainTimeout)
	defer t.Stop()
	select {
	case <-idle:
	case <-s.ended:
	case <-t.C:
	case <-ctx.Done():
		return ctxError(ctx)
	}
	return nil
}

// Reconnect replaces the connection by a new one to the same broker, live or
// not, and waits within ctx until it is restored: services registered,
// subscriptions made again (flux_reconnect(3)). What is in flight on the old
// one fails with [ErrConnLost], as in a loss. If no new connection can be made
// the old one stays and the error says why; if one was made and is lost before
// all is restored, that is a loss like any other.
//
// It needs a client made by [Dial]. While a lost connection is being made again
// by [WithReconnect], Reconnect only waits for that. Without that option a lost
// connection is gone for good: dial anew.
func (cl *Client) Reconnect(ctx context.Context) error {
	if err := cl.c.sess.Reconnect(ctx, cl.owner); err != nil {
		return &opError{op: "reconnect", err: err, unsent: true}
	}
	return nil
}

// Stats holds counters since the connection was first made, and what is in use now.
type Stats struct {
	Sent       uint64 // messages accepted for sending
	Received   uint64 // messages received
	Responses  uint64 // responses delivered to a caller
	Abandoned  uint64 // requests given up by their caller before the last reply
	Late       uint64 // responses dropped because their caller had given up
	Stray      uint64 // responses dropped because no request had their matchtag
	Reconnects uint64 // times the connection was restored

	Live    int // matchtags whose reply somebody waits for
	Retired int // matchtags kept until the last reply to a request given up
}

// Stats returns a snapshot of the counters. They are those of the connection, so
// clones share them.
func (cl *Client) Stats() Stats {
	n := cl.c.sess.Counters()
	s := Stats{
		Sent: n.Sent.Total(), Received: n.Received.Total(), Responses: n.Responses.Load(),
		Abandoned: n.Abandoned.Load(), Late: n.Late.Load(), Stray: n.Stray.Load(),
		Reconnects: n.Reconnects.Load(),
	}
	s.Live, s.Retired = cl.c.sess.Tags()
	return s
}
