package flux

import "github.com/flux-sdk/flux/internal/framing"

// released stands for the memory of a payload that has been released.
var released = new(framing.Memory)

// Release lets later messages use the memory of the payload, which spares the
// garbage collector much where payloads are large: a small one gains nothing. It
// need not be called. Where hooks or a trace are shown all messages, payloads keep
// their memory.
//
// Nothing that refers to the payload may be used afterwards: not what Bytes or
// Message returned, nor a []byte that [CallAs] made of it. Of the Response and
// its copies, Bytes, Text and the Decode methods fail with [ErrReleased], Message
// is nil, and Err says what it did before. Nobody else may use them while Release
// is called; it may be called again.
func (r Response) Release() {
	if r.c == nil || r.c.msg.Type == 0 {
		return
	}
	m := release(&r.c.mem)
	r.c.msg.Payload = nil
	m.Recycle()
}

// Release says that the handler needs the payload no more: later messages use
// its memory once the handler has returned. It is for large payloads, as
// [Response.Release] is, and after it Bytes, Text and the Decode methods fail
// with [ErrReleased]. It may be called before or after responding, on the
// handler's goroutine, and the request must not be kept beyond the handler.
func (r *Request) Release() {
	m := release(&r.mem)
	r.msg.Payload = nil
	if m != nil {
		r.unused = m
	}
}

// recycle gives back what was released. Called when nothing uses the request any
// more.
func (r *Request) recycle() {
	r.unused.Recycle()
	r.unused = nil
}

// release returns the memory of a payload, which the caller takes away; nil if
// it has been released, or has none of its own.
func release(mem **framing.Memory) (m *framing.Memory) {
	if *mem != released {
		m, *mem = *mem, released
	}
	return m
}
