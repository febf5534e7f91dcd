package transport

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// URI is the address of a broker: scheme://path. Flux URIs are not those of
// RFC 3986: the path is everything after the first "://", unescaped.
type URI struct {
	Scheme string
	Path   string // "" if there is none
}

// String spells the URI as it was given, less trailing space.
func (u URI) String() string {
	if u.Path == "" {
		return u.Scheme
	}
	return u.Scheme + "://" + u.Path
}

// ParseURI splits a URI as flux_open(3) does: the scheme ends at the first
// "://", trailing spaces and tabs are dropped, and a scheme alone has no path.
// Whether the scheme and the path make sense is for the connector to say.
func ParseURI(s string) (URI, error) {
	scheme, path, _ := strings.Cut(s, "://")
	path = strings.TrimRight(path, " \t")
	if strings.ContainsRune(s, 0) {
		return URI{}, fmt.Errorf("%w %q: NUL byte", ErrInvalidURI, s)
	}
	return URI{Scheme: scheme, Path: path}, nil
}

// DialFunc opens a connection for the scheme it is registered for, up to and
// with the handshake. ctx bounds the dial, not the life of the connection.
type DialFunc func(ctx context.Context, uri URI, cfg Config) (Conn, error)

var schemes = struct {
	sync.RWMutex
	m map[string]DialFunc
}{m: map[string]DialFunc{"local": dialLocal, "ssh": dialSSH, "fd": dialFD, "loop": dialLoop}}

// Register makes dial the connector of a scheme. It panics if the scheme is
// empty, holds a ':' or a '/', or has a connector already. Call it from an init
// function or before the first Dial; it may be called concurrently.
func Register(scheme string, dial DialFunc) {
	schemes.Lock()
	defer schemes.Unlock()
	if scheme == "" || strings.ContainsAny(scheme, ":/") || dial == nil {
		panic(fmt.Sprintf("transport: Register of scheme %q: want a word and a function", scheme))
	}
	if schemes.m[scheme] != nil {
		panic(fmt.Sprintf("transport: Register called twice for scheme %q", scheme))
	}
	schemes.m[scheme] = dial
}

// Schemes lists the registered schemes in order.
func Schemes() []string {
	schemes.RLock()
	defer schemes.RUnlock()
	var names []string
	for name := range schemes.m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Dial opens the connection that uri names. Its end of ctx cancels the dial at
// once and means nothing to the connection afterwards. The error matches
// [ErrUnknownScheme], [ErrInvalidURI], a [*HandshakeError] or what the system
// said (fs.ErrNotExist and so on).
func Dial(ctx context.Context, uri string, cfg Config) (Conn, error) {
	u, err := ParseURI(uri)
	if err != nil {
		return nil, err
	}
	schemes.RLock()
	dial := schemes.m[u.Scheme]
	schemes.RUnlock()
	if dial == nil {
		return nil, fmt.Errorf("%w: unable to find connector name '%s'; there are %s",
			ErrUnknownScheme, u.Scheme, strings.Join(Schemes(), ", "))
	}
	return dial(ctx, u, cfg)
}
