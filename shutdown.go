package flux

import (
	"context"
	"time"
)

// countdown waits for a number of things to be over. Guarded by conn.mu.
type countdown struct {
	n    int
	zero chan struct{}
}

func newCountdown(n int) *countdown {
	d := &countdown{n: n, zero: make(chan struct{})}
	if n == 0 {
		close(d.zero)
	}
	return d
}

func (d *countdown) leave() {
	if d.n--; d.n == 0 {
		close(d.zero)
	}
}

// Shutdown ends the client without cutting anything short: it ends its services
// as the end of their ctx would, whose handlers may still use the client, then
// starts nothing new, waits for the calls that are under way, and closes the
// client. Streams and subscriptions, which have no end of their own, are ended
// by that. If ctx ends first, Shutdown closes at once and returns the error of
// ctx.
func (cl *Client) Shutdown(ctx context.Context) error {
	c := cl.c
	c.mu.Lock()
	if first := cl.shutting; first != nil {
		c.mu.Unlock()
		select {
		case <-first:
			return nil
		case <-ctx.Done():
			cl.Close()
			return ctxError(ctx)
		}
	}
	over := make(chan struct{})
	cl.shutting = over
	c.mu.Unlock()
	defer close(over)
	err := cl.settle(ctx)
	if cerr := cl.Close(); err == nil {
		err = cerr
	}
	return err
}

// settle waits for the services and then for the calls of a client.
func (cl *Client) settle(ctx context.Context) error {
	c := cl.c
	c.mu.Lock()
	var servers []*server
	for s := range cl.serving {
		servers = append(servers, s)
	}
	fallback := c.fallback
	if len(c.clients) > 1 {
		fallback = nil // it serves on
	}
	c.mu.Unlock()
	for _, s := range servers {
		s.stopSoon()
	}
	if fallback != nil {
		if err := fallback.settle(ctx); err != nil {
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
	c.mu.Lock()
	cl.finish(ErrClosed)
	calls := 0
	for _, p := range c.ownedBy(cl) {
		if !p.stream {
			calls++
		}
	}
	d := newCountdown(calls)
	cl.draining = d
	c.mu.Unlock()
	select {
	case <-d.zero:
		return nil
	case <-ctx.Done():
		return ctxError(ctx)
	}
}

// settle waits, as the end of a Serve does, for the handlers of a server that
// has no Serve.
func (s *server) settle(ctx context.Context) error {
	idle := s.stopAccepting()
	s.c.flushLink()
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
