package transport

import (
	"encoding/binary"
	"fmt"

	"github.com/flux-sdk/flux/codec"
)

// Template is a message that is sent again and again with another payload, as
// the items of a stream are. It must not be used concurrently.
type Template struct {
	fixed
	matchtag [4]byte
	m        codec.Message // less the payload, for a Conn that changes what it sends
}

// Templater is what a [Conn] has, besides, that encodes a Template faster than a
// message. All conns of this package that are made of a byte stream are
// Templaters.
type Templater interface {
	// QueueTemplate is the Queue of a [Queuer], without a flush, of the message
	// that t was made of with this payload, which is not to be empty.
	QueueTemplate(t *Template, payload []byte) error
}

// Set makes t the template of a response or an event with a payload, of which
// nothing is kept. The error, as that of encoding it, leaves t unusable.
func (t *Template) Set(m *codec.Message) error {
	if len(m.Payload) == 0 || m.Type != codec.TypeResponse && m.Type != codec.TypeEvent {
		return fmt.Errorf("%w: a template is of a response or an event with a payload", codec.ErrUnsendable)
	}
	binary.BigEndian.PutUint32(t.matchtag[:], m.Matchtag)
	t.m = *m
	t.m.Payload = nil
	return t.fixed.set(m)
}

// Size is the size of the frame with a payload of n bytes, prefix included.
func (t *Template) Size(n int) int {
	return len(t.head) + partSize(n) + len(t.tail) + len(t.matchtag)
}

func (c *streamConn) QueueTemplate(t *Template, payload []byte) error {
	w := &c.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	n := t.Size(len(payload))
	if body := n - codec.PrefixSize; body > codec.DefaultMaxSize || w.max > 0 && body > w.max {
		return fmt.Errorf("%w: message of %d bytes", codec.ErrTooLarge, body)
	}
	w.q.room(n)
	start := len(w.q.last)
	b := append(w.q.last, t.head...)
	if len(payload) < longPart {
		b = append(b, byte(len(payload)))
	} else {
		b = binary.BigEndian.AppendUint32(append(b, longPart), uint32(len(payload)))
	}
	b = append(append(b, payload...), t.tail...)
	b = append(b, t.matchtag[:]...)
	binary.BigEndian.PutUint32(b[start+4:], uint32(n-codec.PrefixSize))
	w.q.last = b
	w.q.size += n
	w.backlog.Add(int64(n))
	return nil
}
