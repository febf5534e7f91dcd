package fluxtest

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/flux-sdk/flux/transport"
)

// scheme is that of the URIs of brokers without sockets.
const scheme = "fluxtest"

// URI is where rank 0 is to be dialed.
func (b *Broker) URI() string { return b.URIOf(0) }

// URIOf is where a rank is to be dialed. It stays the same over restarts.
func (b *Broker) URIOf(rank uint32) string {
	if b.dir == "" {
		return fmt.Sprintf("%s://%d/%d", scheme, b.id, rank)
	}
	return "local://" + b.socketPath(rank)
}

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

// peerURI is where to dial a rank as another user.
func (b *Broker) peerURI(p peer) string {
	return fmt.Sprintf("%s://%d/%d?uid=%d&roles=%d", scheme, b.id, p.rank, p.as.UserID, p.as.Roles)
}

// dialScheme dials fluxtest://ID/RANK, with ?uid=N for another user and &roles=N
// for roles whatever the policy.
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
		roles, err := strconv.ParseUint(cmp.Or(values.Get("roles"), "0"), 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%w %q: roles is not a number", transport.ErrInvalidURI, uri)
		}
		opts = append(opts, AsRoles(uint32(uid), uint32(roles)))
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
