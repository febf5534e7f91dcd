package flux

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// requestContext is the ctx of a handler. Most handlers never wait on theirs,
// so the context proper, which costs several allocations, is made for the first
// that does.
type requestContext struct {
	base context.Context // whose values it has; it never ends
	req  *Request

	ended atomic.Bool // whether cause is set: a flow asks for each item

	mu    sync.Mutex
	cause error           // not nil once it has ended
	real  context.Context // nil until asked for
	end   context.CancelCauseFunc
}

// cancel ends the context. The first cause stays.
func (c *requestContext) cancel(cause error) {
	c.mu.Lock()
	if c.cause != nil {
		c.mu.Unlock()
		return
	}
	c.cause = cause
	c.ended.Store(true)
	end := c.end
	c.mu.Unlock()
	if end != nil {
		end(cause)
	}
}

func (c *requestContext) proper() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.real == nil {
		c.real, c.end = context.WithCancelCause(c.base)
		if c.cause != nil {
			c.end(c.cause)
		}
	}
	return c.real
}

// reason is context.Cause of it, for less.
func (c *requestContext) reason() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

func (c *requestContext) Deadline() (time.Time, bool) { return time.Time{}, false }

func (c *requestContext) Done() <-chan struct{} { return c.proper().Done() }

func (c *requestContext) Err() error {
	if c.ended.Load() {
		return context.Canceled
	}
	return nil
}

// Value also answers package context's own question, by which children and
// context.Cause find the context proper.
func (c *requestContext) Value(key any) any {
	if key == (requestKey{}) {
		return c.req
	}
	return c.proper().Value(key)
}
