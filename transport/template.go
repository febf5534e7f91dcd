package transport

import (
	"encoding/binary"
	"fmt"

	"github.com/flux-sdk/flux/codec"
)

// Template is a message that is sent again and again with another payload, as
// the items of a stream are. It is not changed once made.
type Template struct {
	fixed
	matchtag [4]byte
}

// Templater is what a [Conn] has, besides, that encodes what is made of a
// Template faster than a message. All conns of this package that are made of a
// byte stream are Templaters.
type Templater interface {
	// NewTemplate makes the template of a response or an event with a payload,
	// for this Conn. Nothing of m is kept. The errors are those of encoding m.
	NewTemplate(m *codec.Message) (*Template, error)
	// QueueTemplate is the Queue of a [Queuer], without a flush, of the message
	// that t was made of with this payload, which is not to be empty.
	QueueTemplate(t *Template, payload []byte) error
}

func (c *streamConn) NewTemplate(m *codec.Message) (*Template, error) {
	if len(m.Payload) == 0 || m.Type != codec.TypeResponse && m.Type != codec.TypeEvent {
		return nil, fmt.Errorf("%w: a template is of a response or an event with a payload", codec.ErrUnsendable)
	}
	t := new(Template)
	binary.BigEndian.PutUint32(t.matchtag[:], m.Matchtag)
	if err := t.set(m); err != nil {
		return nil, err
	}
	return t, nil
}

func (c *streamConn) QueueTemplate(t *Template, payload []byte) error {
	w := &c.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	before := w.q.size
	if !w.q.addFixed(&t.fixed, payload, t.matchtag[:], w.max) {
		return fmt.Errorf("%w: payload of %d bytes", codec.ErrTooLarge, len(payload))
	}
	w.backlog.Add(int64(w.q.size - before))
	return nil
}
