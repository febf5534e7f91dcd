package transport

import "github.com/flux-sdk/flux/codec"

// Lender is what a [Conn] has, besides, for whoever passes messages on and
// keeps none: the memory that Recv would allocate for each is the reader's own.
// All conns of this package that are made of a byte stream are Lenders.
type Lender interface {
	// RecvLent is Recv with the Routes and the Payload of m lent: they are
	// valid until the next RecvLent or Recv, and must not be changed.
	RecvLent(m *codec.Message) error
}

func (c *streamConn) RecvLent(m *codec.Message) error { return c.recv(m, true) }

// lentBig is bigBody in memory that is used again.
func (r *reader) lentBig(n int) ([]byte, error) {
	first := min(n, claimStep)
	if first > cap(r.big) {
		r.big = make([]byte, first)
	}
	return r.bigBody(n, r.big[:first:first])
}
