package fluxtest

import "github.com/flux-sdk/flux/fluxtest/internal/router"

// Conn is one connection of a client, as the broker sees it. Its methods may be
// called concurrently and after its end.
type Conn struct {
	inner *router.Conn
}

// newConn makes the Conn of a connection of the router, which keeps it.
func newConn(inner *router.Conn) any { return &Conn{inner} }

// Number counts connections from 1, over restarts, in the order of connecting.
func (c *Conn) Number() int { return c.inner.Number() }

// Rank is the rank it is connected to.
func (c *Conn) Rank() uint32 { return c.inner.Rank() }

// UUID is its identity in route stacks.
func (c *Conn) UUID() string { return c.inner.UUID() }

// UserID is who it was found to be when it connected.
func (c *Conn) UserID() uint32 { return c.inner.UserID() }

// Done is closed when the connection has ended and left no trace.
func (c *Conn) Done() <-chan struct{} { return c.inner.Done() }

// Subscriptions lists the event topics it is subscribed to.
func (c *Conn) Subscriptions() []string { return c.inner.Subscriptions() }

// Services lists the services it has registered.
func (c *Conn) Services() []string { return c.inner.Services() }

// Disconnect ends the connection from the broker's side.
func (c *Conn) Disconnect() { c.inner.Disconnect() }

// Conns lists the connections there are, in the order of connecting.
func (b *Broker) Conns() []*Conn {
	list := b.inst.Load().Connections()
	conns := make([]*Conn, len(list))
	for i, c := range list {
		conns[i] = c.Face().(*Conn)
	}
	return conns
}

// Disconnect ends all connections from the broker's side. New ones are taken.
func (b *Broker) Disconnect() {
	for _, c := range b.Conns() {
		c.Disconnect()
	}
}
