package fluxtest

import (
	"fmt"
	"slices"

	"github.com/flux-sdk/flux"
)

// Client returns a new client of rank 0, connected as the instance owner. It is
// closed when the broker is, before anything else of it ends; its clones are the
// caller's. If it cannot be made, the test fails at once, or, with a broker from
// [Start], Client panics.
//
// Options of this package are options here too: [AsGuest] and its like make it
// another user, and [AtRank] connects it elsewhere. With [flux.WithReconnect] it
// comes back as the same user.
func (b *Broker) Client(opts ...flux.DialOption) *flux.Client {
	if b.tb != nil {
		b.tb.Helper()
	}
	return b.client(peer{}, opts)
}

// ClientAt is [Broker.Client] for another rank.
func (b *Broker) ClientAt(rank uint32, opts ...flux.DialOption) *flux.Client {
	if b.tb != nil {
		b.tb.Helper()
	}
	return b.client(peer{rank: rank}, opts)
}

// ClientAs is [Broker.Client] with the options of this package apart.
func (b *Broker) ClientAs(dial []DialOption, opts ...flux.DialOption) *flux.Client {
	if b.tb != nil {
		b.tb.Helper()
	}
	all := make([]flux.DialOption, 0, len(dial)+len(opts))
	for _, opt := range dial {
		all = append(all, opt)
	}
	return b.client(peer{}, append(all, opts...))
}

// madeClient is a client that the broker made.
type madeClient struct {
	c    *flux.Client
	conn *Conn // that it was made with; nil if that is not known
}

func (b *Broker) client(p peer, opts []flux.DialOption) *flux.Client {
	var rest []flux.DialOption
	for i, opt := range opts {
		switch own, ok := opt.(DialOption); {
		case opt == nil:
			b.fatalf("fluxtest: Client: option %d of %d is nil", i+1, len(opts))
			return nil
		case ok:
			own.applyPeer(&p)
		default:
			rest = append(rest, opt)
		}
	}
	uri := b.URIOf(p.rank)
	if p.stated {
		uri = b.peerURI(p)
	}
	before := b.router.Connects()
	c, err := flux.Dial(b.done, uri, rest...)
	if err != nil {
		b.fatalf("fluxtest: Client: %v", err)
		return nil
	}
	b.noteClient(c, before)
	return c
}

// fatalf fails the test at once, or panics where there is none.
func (b *Broker) fatalf(format string, args ...any) {
	if b.tb == nil {
		panic(fmt.Sprintf(format, args...))
	}
	b.tb.Helper()
	b.tb.Fatalf(format, args...)
}

// noteClient remembers a client to be closed, with its connection. That is the
// one that came after so many others; it is not known if there are several.
func (b *Broker) noteClient(c *flux.Client, others int) {
	conns := b.Conns()
	b.goMu.Lock()
	defer b.goMu.Unlock()
	known := func(conn *Conn) bool {
		isOf := func(m *madeClient) bool { return m.conn == conn }
		return conn.Number() <= others || slices.ContainsFunc(b.clients, isOf)
	}
	m := &madeClient{c: c}
	if conns = slices.DeleteFunc(conns, known); len(conns) == 1 {
		m.conn = conns[0]
	}
	b.clients = append(b.clients, m)
}

// closeClients closes the clients that the broker made.
func (b *Broker) closeClients() {
	b.goMu.Lock()
	list := slices.Clone(b.clients)
	b.goMu.Unlock()
	for _, m := range list {
		m.c.Close()
	}
}

// isOfClient reports whether a connection is known to be that of a client which
// the broker made.
func (b *Broker) isOfClient(c *Conn) bool {
	b.goMu.Lock()
	defer b.goMu.Unlock()
	return slices.ContainsFunc(b.clients, func(m *madeClient) bool { return m.conn == c })
}
