package flux

import (
	"fmt"
	"sync"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/transport"
)

// flowPayload is the size of the largest payload that is sent by a template:
// where there is more to copy, encoding the rest makes no difference.
const flowPayload = 64 << 10

// flow is what the items of a stream are made from: they differ in the payload.
type flow struct {
	m        codec.Message
	template *transport.Template // nil until one can be made
}

// queueItem accepts an item of a stream. Called with mu held.
func (f *inflight) queueItem(payload []byte) error {
	if f.flow == nil {
		f.flow = &flow{m: *codec.NewResponse(&f.req.msg)}
	}
	w, c, q := f.flow, f.s.c, f.l.templates
	if q == nil || len(payload) == 0 || len(payload) > flowPayload || f.req.NoResponse() {
		return f.queueResponse(&w.m, payload)
	}
	if w.template == nil {
		t := new(transport.Template)
		c.stamp(&w.m)
		w.m.Payload = payload
		err := t.Set(&w.m)
		if w.m.Payload = nil; err != nil {
			return err
		}
		w.template = t
	}
	if w.template.Size(len(payload))-codec.PrefixSize > c.maxBody() {
		return f.queueResponse(&w.m, payload) // which says so
	}
	if err := q.QueueTemplate(w.template, payload); err != nil {
		return err
	}
	c.stats.tx.count(codec.TypeResponse)
	return nil
}

// singles are for responses on their way to a queue, which copies them.
var singles = sync.Pool{New: func() any { return new(codec.Message) }}

// queueOne accepts the response to a request that has one. Called with mu held.
func (f *inflight) queueOne(payload []byte) error {
	m := singles.Get().(*codec.Message)
	*m = *codec.NewResponse(&f.req.msg)
	err := f.queueResponse(m, payload)
	*m = codec.Message{}
	singles.Put(m)
	return err
}

// queueResponse accepts m with a payload. Called with mu held.
func (f *inflight) queueResponse(m *codec.Message, payload []byte) (err error) {
	c := f.s.c
	m.Payload = payload
	switch {
	case !c.fits(m):
		err = fmt.Errorf("%w: response with a payload of %d bytes, limit %d", codec.ErrTooLarge, len(payload), c.maxBody())
	case !f.req.NoResponse():
		err = c.queue(f.l, m)
	}
	m.Payload = nil
	return err
}
