package service

import (
	"iter"
	"slices"
)

// Pending are requests that a service answers later or more than once, in the
// order in which they came. The zero value is empty. It is not safe for
// concurrent use: the lock of the service that owns it guards it.
type Pending struct {
	list []*Request
}

// Add adds a request, which is to be one that [Request.Keep] returned.
func (p *Pending) Add(r *Request) { p.list = append(p.list, r) }

// Len is the number of requests.
func (p *Pending) Len() int { return len(p.list) }

// All goes through the requests.
func (p *Pending) All() iter.Seq[*Request] { return slices.Values(p.list) }

// Delete takes out the requests that f reports true for. f may answer them.
func (p *Pending) Delete(f func(*Request) bool) { p.list = slices.DeleteFunc(p.list, f) }

// Disconnect takes out and returns the requests of the client that a disconnect
// notice is about. They want no answer.
func (p *Pending) Disconnect(notice *Request) (gone []*Request) {
	p.Delete(func(r *Request) bool {
		if !SameClient(&notice.m, &r.m) {
			return false
		}
		gone = append(gone, r)
		return true
	})
	return gone
}

// Cancel takes out and returns the request that a cancel names, nil if there is
// none. A stream is then to be ended, with [Request.End].
func (p *Pending) Cancel(cancel *Request) *Request {
	tag, ok := CancelTag(&cancel.m)
	if !ok {
		return nil
	}
	i := slices.IndexFunc(p.list, func(r *Request) bool {
		return r.m.Matchtag == tag && SameClient(&cancel.m, &r.m)
	})
	if i < 0 {
		return nil
	}
	r := p.list[i]
	p.list = slices.Delete(p.list, i, i+1)
	return r
}
