package flux

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/session"
)

const attrImmutable = 1

// attrRequest is the payload of attr.get and attr.set.
type attrRequest struct {
	Name  string  `json:"name"`
	Value *string `json:"value,omitempty"`
}

// Attr returns the value of a broker attribute (flux_attr_get(3),
// flux-broker-attributes(7)). Immutable ones, such as rank and size,
// are asked for once per connection. An unknown attribute matches [ENOENT].
func (cl *Client) Attr(ctx context.Context, name string) (string, error) {
	c, l := cl.c, cl.c.sess.Link()
	c.mu.Lock()
	value, ok := c.attrs[name]
	c.mu.Unlock()
	if ok && cl.Err() == nil {
		return value, nil
	}
	var reply struct {
		Value *string `json:"value"`
		Flags int     `json:"flags"`
	}
	r, err := cl.Call(ctx, "attr.get", ownJSON(attrRequest{Name: name}))
	if err == nil {
		err = r.decodeOwn(&reply)
	}
	if err == nil && reply.Value == nil {
		err = errors.New("response has no value")
	}
	if err != nil {
		return "", fmt.Errorf("attribute %q: %w", name, err)
	}
	if reply.Flags&attrImmutable != 0 {
		c.mu.Lock()
		if c.sess.IsReady(l) { // or it is another connection's by now
			if c.attrs == nil {
				c.attrs = make(map[string]string)
			}
			c.attrs[name] = *reply.Value
		}
		c.mu.Unlock()
	}
	return *reply.Value, nil
}

// SetAttr sets a broker attribute (flux_attr_set(3)). The broker refuses one
// that may not be changed ([EINVAL], [EPERM]) or that does not exist
// ([ENOENT]); names that start with "test." can be made freely.
func (cl *Client) SetAttr(ctx context.Context, name, value string) error {
	_, err := cl.Call(ctx, "attr.set", ownJSON(attrRequest{name, &value}))
	if err != nil {
		return fmt.Errorf("attribute %q: %w", name, err)
	}
	return nil
}

// Rank returns the rank of the broker that this client is connected to
// (flux_get_rank(3)).
func (cl *Client) Rank(ctx context.Context) (uint32, error) { return cl.numericAttr(ctx, "rank") }

// Size returns the number of brokers in the instance (flux_get_size(3)).
func (cl *Client) Size(ctx context.Context) (uint32, error) { return cl.numericAttr(ctx, "size") }

func (cl *Client) numericAttr(ctx context.Context, name string) (uint32, error) {
	s, err := cl.Attr(ctx, name)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("attribute %q: want a number: %w", name, err)
	}
	return uint32(n), nil
}

// loopScheme is that of a connection to oneself.
const loopScheme = "loop"

// loopPreset are the attributes that libflux makes up for loop://, where there
// is no broker to ask.
func loopPreset() map[string]string {
	return map[string]string{"rank": "0", "size": "1", "security.owner": strconv.Itoa(os.Getuid())}
}

// loopAnswered are the requests of this package itself, which a broker's router
// answers and on loop:// nobody would.
var loopAnswered = map[string]bool{
	"service.add": true, "service.remove": true,
	"event.subscribe": true, "event.unsubscribe": true,
	"state-machine.wait": true,
}

// answerLoop answers, on loop://, what a router would. It reports whether it has.
func (c *conn) answerLoop(l *session.Link, m *codec.Message) bool {
	if !loopAnswered[m.Topic] {
		return false
	}
	c.answer(l, m, 0, "")
	return true
}
