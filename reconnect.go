package flux

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"time"

	"github.com/flux-sdk/flux/transport"
)

// ReconnectPolicy says how a lost connection is made again; see
// [WithReconnect]. The zero value means sensible defaults and trying until
// Close.
type ReconnectPolicy struct {
	// MinBackoff and MaxBackoff bound the pause before an attempt, which
	// doubles from one to the other and is cut at random by up to half, so that
	// the clients of a broker do not come back all at once. The first attempt
	// is made after such a pause as well. 0 means 50 ms and 5 s.
	MinBackoff, MaxBackoff time.Duration
	// MaxAttempts is how many attempts in a row may fail before the connection
	// is finally gone; 0 means no limit.
	MaxAttempts int
	// AttemptTimeout bounds the dial of one attempt; 0 means 30 s.
	AttemptTimeout time.Duration
}

func (p ReconnectPolicy) orDefault() ReconnectPolicy {
	if p.MinBackoff <= 0 {
		p.MinBackoff = 50 * time.Millisecond
	}
	if p.MaxBackoff <= 0 {
		p.MaxBackoff = 5 * time.Second
	}
	p.MaxBackoff = max(p.MaxBackoff, p.MinBackoff)
	if p.AttemptTimeout <= 0 {
		p.AttemptTimeout = 30 * time.Second
	}
	return p
}

// errReplaced is why the old connection is over after Reconnect.
var errReplaced = fmt.Errorf("%w: replaced by Reconnect", ErrConnLost)

// takeDown is the exit path of a link: what was in flight on it fails. If the
// connection is to live on, it reports whether the caller has to make it again;
// a link that is not ready yet is part of that already, and a dead one has been
// dealt with but for what its reader accepted since. The hooks are the caller's
// to tell, last.
func (c *conn) takeDown(l *link, err error, comesBack bool) bool {
	c.mu.Lock()
	wasReady := l.ready
	if c.err != nil || wasReady && !comesBack {
		c.mu.Unlock()
		c.end(err)
		return false
	}
	l.ready, l.dead = false, true
	if wasReady {
		c.up = make(chan struct{})
		c.attrs = maps.Clone(c.preset)
		c.subs.deactivate()
		c.watch.disconnected(err)
	}
	live := c.takeLive(l)
	servers := c.servers()
	c.mu.Unlock()
	c.debugReport()
	for _, s := range servers { // before anybody who hears of the loss ends one: that cuts nothing off
		s.linkLost(l)
	}
	for _, p := range live {
		p.sink.fail(&opError{op: p.op(), topic: p.topic, err: err})
	}
	if wasReady {
		c.oldPublish.Store(false)
	}
	return wasReady
}

// restoreLoop makes the connection again until that works, the policy gives up
// or the client is closed. The first attempt uses t, if it is not nil.
func (c *conn) restoreLoop(t transport.Conn, cause error) {
	var policy ReconnectPolicy
	if c.opts.reconnect != nil {
		policy = *c.opts.reconnect
	} else {
		policy.MaxAttempts = 1 // asked for by hand: what was dialled is it
	}
	policy = policy.orDefault()
	c.log(slog.LevelWarn, "connection lost", "error", cause)
	last := cause
	for attempt := 1; policy.MaxAttempts == 0 || attempt <= policy.MaxAttempts; attempt++ {
		if t == nil {
			if !sleep(c.life, backoff(policy, attempt)) {
				return
			}
			ctx, cancel := context.WithTimeout(c.life, policy.AttemptTimeout)
			t, last = c.dial(ctx)
			cancel()
		} else {
			last = nil
		}
		if last == nil {
			last = c.restore(t)
		}
		switch {
		case last == nil:
			c.log(slog.LevelInfo, "connection restored", "attempts", attempt)
			return
		case c.life.Err() != nil:
			return
		}
		c.log(slog.LevelDebug, "attempt to reconnect failed", "attempt", attempt, "error", last)
		t = nil
	}
	c.end(fmt.Errorf("%w: gave up after %d attempts to reconnect: %w", ErrConnLost, policy.MaxAttempts, last))
}

// log tells the logger, if there is one. It must not be called on a reader: the
// logger may use this client.
func (c *conn) log(level slog.Level, msg string, args ...any) {
	if c.opts.logger != nil {
		c.opts.logger.Log(context.Background(), level, "flux: "+msg, args...)
	}
}

// backoff is the pause before an attempt, counted from 1.
func backoff(p ReconnectPolicy, attempt int) time.Duration {
	d := p.MinBackoff
	for i := 1; i < attempt && d < p.MaxBackoff; i++ {
		d += min(d, p.MaxBackoff-d)
	}
	return d - rand.N(d/2+1)
}

// sleep waits for d and reports whether ctx is still on.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// restore makes t the connection: the broker must be up, then the services are
// registered and the subscriptions made again, and then requests may be sent.
func (c *conn) restore(t transport.Conn) error {
	l := c.newLink(t)
	c.mu.Lock()
	if err := c.err; err != nil {
		c.mu.Unlock()
		t.Close()
		return err
	}
	c.link = l
	c.mu.Unlock()
	go c.read(l)
	err := c.restoreOn(l)
	if err != nil {
		c.takeDown(l, lostError(err), true)
		l.close()
	}
	return err
}

func (c *conn) restoreOn(l *link) error {
	// Early requests would get EAGAIN; this one is held until the broker runs.
	if err := c.ask(l, "state-machine.wait", nil); err != nil && !errors.Is(err, ENOSYS) {
		return err
	}
	if err := c.restoreServices(l); err != nil {
		return err
	}
	if err := c.restoreSubs(l); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if l.dead {
		return ErrConnLost
	}
	l.ready = true
	close(c.up)
	c.stats.reconnects.Add(1)
	c.watch.connected(true)
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
	if err := cl.reconnect(ctx); err != nil {
		return &opError{op: "reconnect", err: err, unsent: true}
	}
	return nil
}

func (cl *Client) reconnect(ctx context.Context) error {
	c := cl.c
	if c.dial == nil {
		return errors.New("a client made by NewClient has nothing to dial")
	}
	c.mu.Lock()
	err, l, ready := c.unusable(cl), c.link, c.link.ready
	c.mu.Unlock()
	if err != nil {
		return err
	}
	if ready {
		t, err := cl.redial(ctx)
		if err != nil {
			return err
		}
		c.replace(l, t)
	}
	if _, err := c.acquire(ctx, cl); err != nil {
		return err
	}
	c.mu.Unlock()
	return nil
}

// redial dials within ctx and the client's life.
func (cl *Client) redial(ctx context.Context) (transport.Conn, error) {
	both, cancel := cl.while(ctx)
	defer cancel()
	t, err := cl.c.dial(both)
	if both.Err() == nil {
		return t, err
	}
	if err == nil {
		t.Close()
	}
	if err = cl.Err(); err == nil {
		err = ctxError(ctx)
	}
	return nil, err
}

// replace makes t the connection in place of l, unless l is lost already.
func (c *conn) replace(l *link, t transport.Conn) {
	if !c.takeDown(l, errReplaced, true) {
		t.Close()
		return
	}
	go func() {
		l.close()
		// Its reader may still be delivering: that comes before what is new.
		select {
		case <-l.ended:
		case <-c.life.Done():
		}
		c.restoreLoop(t, errReplaced)
	}()
}
