package fluxtest

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest/internal/router"
	"github.com/flux-sdk/flux/internal/framing"
	"github.com/flux-sdk/flux/transport"
)

// DialOption says who a connection of [Broker.Dial] is, and at which rank. It can
// be given to [Broker.Client] as well, which is why it is a [flux.DialOption]; to
// [flux.Dial] itself it means nothing.
type DialOption interface {
	flux.DialOption
	applyPeer(*peer)
}

// peer is who connects, and where.
type peer struct {
	rank   uint32
	as     router.Peer
	stated bool // as is not just this process
}

type dialOption struct {
	flux.DialOption // of no effect
	apply           func(*peer)
}

func (o dialOption) applyPeer(p *peer) { o.apply(p) }

func newDialOption(apply func(*peer)) DialOption {
	return dialOption{flux.WithInterceptors(), apply}
}

// AtRank connects to a rank other than 0.
func AtRank(rank uint32) DialOption { return newDialOption(func(p *peer) { p.rank = rank }) }

// AsUser connects as another user, with what roles the broker's policy gives.
func AsUser(uid uint32) DialOption { return AsRoles(uid, 0) }

// AsGuest connects as a user with the role of a guest, whatever the policy.
func AsGuest(uid uint32) DialOption { return AsRoles(uid, uint32(flux.RoleUser)) }

// AsRoles connects as a user with the given roles, whatever the policy. Without
// any it is [AsUser].
func AsRoles(uid, roles uint32) DialOption {
	return newDialOption(func(p *peer) { p.as.UserID, p.as.Roles, p.stated = uid, roles, true })
}

// Dial makes a connection in this process, past any socket: to rank 0 as the
// instance owner, unless told otherwise. It is what works in a synctest bubble
// and the way to connect as a guest. ctx bounds the handshake. The error is a
// [*transport.HandshakeError] if the broker refuses, and one that matches
// io.ErrUnexpectedEOF if it hangs up or is down.
func (b *Broker) Dial(ctx context.Context, opts ...DialOption) (transport.Conn, error) {
	s, err := b.DialBytes(ctx, opts...)
	if err != nil {
		return nil, err
	}
	return transport.NewConn(s, transport.Config{}), nil
}

// DialBytes is [Broker.Dial] for the bare byte stream, behind the handshake, on
// which a test can write what no client would.
func (b *Broker) DialBytes(ctx context.Context, opts ...DialOption) (io.ReadWriteCloser, error) {
	p := peer{as: router.Peer{UserID: b.cfg.owner, PID: os.Getpid()}}
	for i, opt := range opts {
		if opt == nil {
			return nil, fmt.Errorf("fluxtest: Dial: option %d of %d is nil", i+1, len(opts))
		}
		opt.applyPeer(&p)
	}
	ranks := b.inst.Load().Ranks()
	if p.rank >= uint32(len(ranks)) {
		return nil, fmt.Errorf("fluxtest: no rank %d in an instance of %d", p.rank, len(ranks))
	}
	near, far := framing.BytePipe()
	if !b.start(func() { ranks[p.rank].Welcome(far, p.as) }) {
		return nil, ErrClosed
	}
	if err := shake(ctx, near); err != nil {
		near.Close()
		return nil, err
	}
	return near, nil
}

// shake reads the handshake byte.
func shake(ctx context.Context, s io.ReadWriteCloser) error {
	stop := context.AfterFunc(ctx, func() { s.Close() })
	var b [1]byte
	_, err := io.ReadFull(s, b[:])
	switch {
	case !stop():
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("fluxtest: handshake: %w", io.ErrUnexpectedEOF)
	case b[0] != 0:
		return &transport.HandshakeError{Errno: b[0]}
	}
	return nil
}
