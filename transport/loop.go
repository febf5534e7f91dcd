package transport

import (
	"context"
	"os"

	"github.com/flux-sdk/flux/codec"
)

// roleOwner is the rolemask of the instance owner.
const roleOwner = 1

// loopConn is loop://: what is sent is what is received.
type loopConn struct {
	*streamConn
	uid uint32
}

// dialLoop makes a connection to itself. Any path is ignored.
func dialLoop(ctx context.Context, _ URI, cfg Config) (Conn, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	half := newPipeHalf()
	c := newStreamConn(&pipeEnd{r: half, w: half}, cfg)
	c.w.patience = 0 // the peer that might still read is the one that closes
	return &loopConn{streamConn: c, uid: uint32(os.Getuid())}, nil
}

func (c *loopConn) Send(ctx context.Context, m *codec.Message) error {
	s := c.stamp(m)
	return c.streamConn.Send(ctx, &s)
}

func (c *loopConn) Queue(m *codec.Message, flush bool) error {
	s := c.stamp(m)
	return c.streamConn.Queue(&s, flush)
}

// stamp fills in the credentials that are not set, as a broker would.
func (c *loopConn) stamp(m *codec.Message) codec.Message {
	s := *m
	if s.UserID == codec.UserIDUnknown {
		s.UserID = c.uid
	}
	if s.Rolemask == codec.RoleNone {
		s.Rolemask = roleOwner
	}
	return s
}
