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

func (c *streamConn) RecvLent(m *codec.Message) error {
	if err := c.r.lend(m); err != nil {
		return c.w.ended(err)
	}
	if m.Type == codec.TypeResponse && len(m.Routes) == 0 && m.Final() {
		c.inflight.Add(-1)
	}
	return nil
}

// lend is next with a body that is lent.
func (r *reader) lend(m *codec.Message) error {
	if r.err != nil {
		return r.err
	}
	body, err := r.lentBody()
	if err == nil {
		err = r.dec.Decode(m, body)
	}
	r.err = err
	return err
}

// lentBody is body without the copy. The buffer is not touched before the next
// call.
func (r *reader) lentBody() ([]byte, error) {
	if err := r.fill(codec.PrefixSize); err != nil {
		return nil, err
	}
	n, err := codec.ParsePrefix(r.buf[r.at:r.end], r.max)
	if err != nil {
		return nil, err
	}
	r.at += codec.PrefixSize
	if n > bigFrame && r.end-r.at < n {
		return r.lentBig(n)
	}
	if err := r.fill(n); err != nil {
		return nil, unexpected(err)
	}
	body := r.buf[r.at : r.at+n : r.at+n]
	r.at += n
	return body, nil
}

// lentBig is bigBody in memory that is used again, unless it is huge.
func (r *reader) lentBig(n int) ([]byte, error) {
	if n > cap(r.big) {
		body, err := r.bigBody(n)
		if err == nil && n <= claimStep {
			r.big = body
		}
		return body, err
	}
	body := r.big[:n:n]
	have := copy(body, r.buf[r.at:r.end])
	r.at += have
	for have < n {
		k, err := r.raw.Read(body[have:])
		have += k
		if err != nil && have < n {
			return nil, unexpected(err)
		}
	}
	return body, nil
}
