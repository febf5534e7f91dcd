package fluxtest

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/flux-sdk/flux/internal/framing"
	"github.com/flux-sdk/flux/transport"
)

// DialOption says who a connection of [Broker.Dial] is.
type DialOption func(*dialing)

type dialing struct {
	rank uint32
	who  peer
}

// AtRank connects to a rank other than 0.
func AtRank(rank uint32) DialOption { return func(d *dialing) { d.rank = rank } }

// AsUser connects as another user, with what roles the broker's policy gives.
func AsUser(uid uint32) DialOption { return func(d *dialing) { d.who.uid = uid } }

// AsGuest connects as a user with the role of a guest, whatever the policy.
func AsGuest(uid uint32) DialOption { return AsRoles(uid, roleUser) }

// AsRoles connects as a user with the given roles, whatever the policy.
func AsRoles(uid, roles uint32) DialOption {
	return func(d *dialing) { d.who.uid, d.who.roles = uid, roles }
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
	d := dialing{who: peer{uid: b.cfg.owner, pid: os.Getpid()}}
	for _, opt := range opts {
		opt(&d)
	}
	inst := b.inst.Load()
	if d.rank >= uint32(len(inst.ranks)) {
		return nil, fmt.Errorf("fluxtest: no rank %d in an instance of %d", d.rank, len(inst.ranks))
	}
	near, far := framing.BytePipe()
	if !b.start(func() { inst.ranks[d.rank].welcomePipe(far, d.who) }) {
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

// scheme is that of the URIs of brokers without sockets.
const scheme = "fluxtest"

// brokers are those that URIs can name.
var brokers struct {
	sync.Mutex
	last uint64
	byID map[uint64]*Broker
}

func init() { transport.Register(scheme, dialScheme) }

func register(b *Broker) {
	brokers.Lock()
	defer brokers.Unlock()
	if brokers.byID == nil {
		brokers.byID = make(map[uint64]*Broker)
	}
	brokers.last++
	b.id = brokers.last
	brokers.byID[b.id] = b
}

func unregister(b *Broker) {
	brokers.Lock()
	defer brokers.Unlock()
	delete(brokers.byID, b.id)
}

// dialScheme dials fluxtest://ID/RANK, with ?uid=N for another user.
func dialScheme(ctx context.Context, uri transport.URI, cfg transport.Config) (transport.Conn, error) {
	path, query, _ := strings.Cut(uri.Path, "?")
	idText, rankText, _ := strings.Cut(path, "/")
	id, err1 := strconv.ParseUint(idText, 10, 64)
	rank, err2 := strconv.ParseUint(rankText, 10, 32)
	values, err3 := url.ParseQuery(query)
	if err1 != nil || err2 != nil || err3 != nil {
		return nil, fmt.Errorf("%w %q: want %s://BROKER/RANK", transport.ErrInvalidURI, uri, scheme)
	}
	opts := []DialOption{AtRank(uint32(rank))}
	if values.Has("uid") {
		uid, err := strconv.ParseUint(values.Get("uid"), 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%w %q: uid is not a number", transport.ErrInvalidURI, uri)
		}
		opts = append(opts, AsUser(uint32(uid)))
	}
	brokers.Lock()
	b := brokers.byID[id]
	brokers.Unlock()
	if b == nil {
		return nil, fmt.Errorf("%s: %w", uri, ErrClosed)
	}
	s, err := b.DialBytes(ctx, opts...)
	if err != nil {
		return nil, err
	}
	return transport.NewConn(s, cfg), nil
}
