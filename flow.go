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

// queue accepts m.
func (w *flow) queue(c *conn, l *link) (err error) {
	n := len(w.m.Payload)
	if l.templates == nil || n == 0 || n > flowPayload {
		return c.queue(l, &w.m)
	}
	if w.template == nil {
		c.stamp(&w.m)
		if w.template, err = l.templates.NewTemplate(&w.m); err != nil {
			return err
		}
	}
	if err = l.templates.QueueTemplate(w.template, w.m.Payload); err == nil {
		c.stats.tx.count(codec.TypeResponse)
	}
	return err
}

// queueItem accepts an item of a stream. Called with mu held.
func (f *inflight) queueItem(payload []byte) error {
	if f.flow == nil {
		f.flow = &flow{m: *codec.NewResponse(&f.req.msg)}
	}
	m := &f.flow.m
	m.Payload = payload
	err := f.checkSize(m)
	if err == nil && !f.req.NoResponse() {
		err = f.flow.queue(f.s.c, f.l)
	}
	m.Payload = nil
	return err
}

// singles are for responses on their way to a queue, which copies them.
var singles = sync.Pool{New: func() any { return new(codec.Message) }}

// queueOne accepts the response to a request that has one. Called with mu held.
func (f *inflight) queueOne(payload []byte) error {
	m := singles.Get().(*codec.Message)
	*m = *codec.NewResponse(&f.req.msg)
	m.Payload = payload
	err := f.checkSize(m)
	if err == nil && !f.req.NoResponse() {
		err = f.s.c.queue(f.l, m)
	}
	*m = codec.Message{}
	singles.Put(m)
	return err
}

// checkSize says whether the connection can carry a response.
func (f *inflight) checkSize(m *codec.Message) error {
	if c := f.s.c; !c.fits(m) {
		return fmt.Errorf("%w: response with a payload of %d bytes, limit %d", codec.ErrTooLarge, len(m.Payload), c.maxBody())
	}
	return nil
}
