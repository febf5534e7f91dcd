package flux

import (
	"github.com/flux-sdk/flux/codec"
)

// ask makes a request of the library's own on a link that is not ready yet.
func (c *conn) ask(l *link, topic string, req any) error {
	return <-c.askAsync(l, topic, req)
}

func (c *conn) askAsync(l *link, topic string, req any) <-chan error {
	a := answer{make(chan error, 1)}
	return c.askFor(l, topic, req, a, a)
}

// askFor is askAsync with a sink around the answer's.
func (c *conn) askFor(l *link, topic string, req any, s sink, a answer) <-chan error {
	c.mu.Lock()
	err := c.err
	if err == nil {
		err = c.beginQuick(l, topic, req, s)
	}
	c.mu.Unlock()
	if err != nil {
		a.ch <- err
	} else {
		c.flush(l)
	}
	return a.ch
}

// answer is the sink of a request whose response is only looked at for its
// errno.
type answer struct{ ch chan error }

func (a answer) reply(m *codec.Message, _ bool) {
	if m.Errnum != 0 {
		a.ch <- remoteError(m.Topic, m)
	} else {
		a.ch <- nil
	}
}

func (a answer) fail(err error) { a.ch <- err }
