package transport

import (
	"context"
	"os"

	"github.com/flux-sdk/flux/codec"
	"github.com/flux-sdk/flux/internal/framing"
)

// roleOwner is the rolemask of the instance owner.
const roleOwner = 1

// loopConn is loop://: what is sent is what is received.
type loopConn struct {
	*framing.Conn
	uid uint32
}

// dialLoop makes a connection to itself. Any path is ignored.
func dialLoop(ctx context.Context, _ URI, cfg Config) (Conn, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	// Close waits for nobody: the peer that might still read is the one that closes.
	c := framing.New(framing.Loop(), framing.Config{MaxSize: cfg.MaxSize, CloseWait: -1})
	return &loopConn{Conn: c, uid: uint32(os.Getuid())}, nil
}

func (c *loopConn) Send(ctx context.Context, m *codec.Message) error {
	s := c.stamp(m)
	return c.Conn.Send(ctx, &s)
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
