package flux

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strconv"

	"github.com/flux-sdk/flux/transport"
)

// DefaultURI is where a system instance listens. [Dial] uses it when it is
// given no URI and FLUX_URI is not set.
const DefaultURI = "local:///run/flux/local"

// Dial connects to a broker (flux_open(3)). The URI is scheme://path, with the
// connectors of package transport: local:///path/to/socket, ssh://host/path,
// fd://N, loop://, or what was registered. An empty URI means that of the
// environment variable FLUX_URI, and [DefaultURI] if that is not set. Of that
// instance, "..", "../.." and so on name the enclosing instances and "/" the
// root.
//
// ctx bounds the dial, not the life of the client. The environment is read now:
// FLUX_URI; FLUX_HANDLE_TRACE, FLUX_HANDLE_MATCHDEBUG, which report matchtags
// left over and late replies on standard error; FLUX_HANDLE_USERID and
// FLUX_HANDLE_ROLEMASK, as [WithUserID] and [WithRoles] and, unlike in libflux,
// with every connector; FLUX_LOCAL_CONNECTOR_RETRY_COUNT, FLUX_SSH,
// FLUX_SSH_RCMD and LD_LIBRARY_PATH, see package transport; FLUX_PROXY_REMOTE,
// for "..". FLUX_CONNECTOR_PATH, where libflux finds its plugins, means nothing
// here: see [transport.Register].
//
// An error says what was tried and why it failed; it matches the
// system's errno, [EPERM] for a user without access among them,
// transport.ErrInvalidURI or transport.ErrUnknownScheme.
func Dial(ctx context.Context, uri string, opts ...DialOption) (*Client, error) {
	o := newDialOptions(opts)
	target, source := uri, ""
	if target == "" {
		target, source = defaultTarget()
	}
	if err := o.fromEnvironment(); err != nil {
		return nil, &dialError{uri: target, source: source, err: err}
	}
	if ctx.Err() != nil {
		return nil, &dialError{uri: target, source: source, err: ctxError(ctx)}
	}
	cfg := transport.Config{MaxSize: o.maxMessage}
	var err error
	if isAncestor(target) {
		resolved, from, failure := resolveAncestor(ctx, target, cfg)
		if err = failure; resolved != "" {
			target, source = resolved, from
		}
	}
	var t transport.Conn
	if err == nil {
		t, err = transport.Dial(ctx, target, cfg)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = ctxError(ctx)
		}
		return nil, &dialError{uri: target, source: source, err: err}
	}
	c := newConn(t, o)
	if u, err := transport.ParseURI(target); err == nil && u.Scheme == loopScheme {
		c.loop, c.preset = true, loopPreset()
		c.attrs = maps.Clone(c.preset)
	}
	c.dial = func(ctx context.Context) (transport.Conn, error) {
		t, err := transport.Dial(ctx, target, cfg)
		if err != nil {
			err = &dialError{uri: target, source: source, err: err}
		}
		return t, err
	}
	return newClient(c), nil
}

// defaultTarget is the URI to use when none is given, and where it is from.
func defaultTarget() (uri, source string) {
	if env, ok := os.LookupEnv("FLUX_URI"); ok {
		return env, "FLUX_URI"
	}
	return DefaultURI, "the built-in default, as FLUX_URI is not set"
}

// fromEnvironment reads the variables that stand for options; an option that
// was given wins.
func (o *dialOptions) fromEnvironment() error {
	for _, v := range []struct {
		name string
		base int
		set  func(uint32)
	}{
		{"FLUX_HANDLE_USERID", 10, func(n uint32) {
			if o.userid == nil {
				o.userid = &n
			}
		}},
		{"FLUX_HANDLE_ROLEMASK", 0, func(n uint32) {
			if o.roles == nil {
				o.roles = (*Role)(&n)
			}
		}},
	} {
		s, ok := os.LookupEnv(v.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(s, v.base, 32)
		if err != nil {
			return fmt.Errorf("environment variable %s=%q: want a number: %w", v.name, s, EINVAL)
		}
		v.set(uint32(n))
	}
	if _, ok := os.LookupEnv("FLUX_HANDLE_TRACE"); ok && o.trace == nil {
		o.trace = os.Stderr
	}
	if _, ok := os.LookupEnv("FLUX_HANDLE_MATCHDEBUG"); ok {
		o.matchDebug = os.Stderr
	}
	return nil
}

// dialError says what was dialled, why that, and what went wrong.
type dialError struct {
	uri, source string
	err         error
}

func (e *dialError) Error() string {
	from := ""
	if e.source != "" {
		from = " (from " + e.source + ")"
	}
	return fmt.Sprintf("flux: dial %q%s: %v", e.uri, from, e.err)
}

// Unwrap returns the cause and its errno.
func (e *dialError) Unwrap() []error {
	list := []error{e.err}
	var refused *transport.HandshakeError
	switch {
	case errors.As(e.err, &refused):
		list = append(list, Errno(refused.Errno))
	case errors.Is(e.err, transport.ErrInvalidURI):
		list = append(list, EINVAL)
	case errors.Is(e.err, transport.ErrUnknownScheme):
		list = append(list, ENOENT)
	default:
		if n := errnoOf(e.err); n != 0 {
			list = append(list, n)
		}
	}
	return list
}
